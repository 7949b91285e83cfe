"""Several orders side by side: their arrows in shared rows, and what differs marked. Standard library only.

An order's requests (1 to 8, 10, 11) are told once, however often somebody knocked: the portal and the person ask
again until they have an answer, and how often depends on the clock. Every delivery of the message counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from html import escape
from itertools import chain
from typing import Any

from orderlab.drawing.marks import Mark
from orderlab.drawing.rows import Arrow, Band, Event, Run, also, arrow_of, draws_5, starred
from orderlab.drawing.svg import Layout, svg
from orderlab.drawing.words import Words
from orderlab.faults.model import BEFORE, PROCESS, Kind
from orderlab.sequence import STEPS, Outcome, Step, find_step

SIDE = Layout(width=500, first_lane=48, lane_gap=80, row=42, band=30, head=26, text=14, small=11.5, compact=True)
"""One of the columns: two fit into a page, and can be read from the back of a room."""

Key = tuple[int, int, str, float]
"""Where a row stands: delivery, number and part of the step, which of several."""

_HEIGHT = re.compile(r' height="([\d.]+)"')
_REQUEST = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 10, 11})
_WEBHOOKS = ("18a", "18b")
_AFTER_ALL, _RELAYED = 1000, 2000


@dataclass(frozen=True)
class Side:
    """One order: what is known of it. `firings` are rows of lab.firings: kind, step, side, attempt, process."""

    name: str
    events: Sequence[Event]
    firings: Sequence[Mapping[str, Any]] = ()
    results: Mapping[str, str] = field(default_factory=dict)  # what it came to, by what is asked: {"status": …}
    lacks: Sequence[str] = ()  # labels of steps that were to be expected


@dataclass(frozen=True)
class Row:
    """A row over all sides: a band's words or an arrow each; None where a side has nothing."""

    cells: tuple[Arrow | Band | None, ...]

    @property
    def is_band(self) -> bool:
        """Whether something begins here, rather than an arrow."""
        return any(isinstance(cell, Band) for cell in self.cells)


def expected_labels(outcomes: Set[tuple[str, str]]) -> list[str]:
    """The arrows that an order should have come to, given the labels and outcomes of those that it has come to."""
    without: set[str] = set()
    others = [*_WEBHOOKS]
    if outcomes & {("13", Outcome.OUT_OF_STOCK), ("14", Outcome.OUT_OF_STOCK)}:
        without = {"14", "15"}
    if ("15", Outcome.DECLINED) in outcomes:
        others = ["15c", *_WEBHOOKS]
    return [label for label in (*(step.label for step in STEPS), *others) if label not in without]


def aligned(sides: Sequence[Side], words: Words) -> list[Row]:
    """The rows of these sides, with ghosts and differences marked."""
    arrows = [_arrows(side, words) for side in sides]
    for side, there in zip(sides, arrows, strict=True):
        _add_unrecorded(there, side.firings, words)
    for n, side in enumerate(sides):
        _add_ghosts(arrows, n, side.lacks, words)
    bands = [_bands(side, there, words) for side, there in zip(sides, arrows, strict=True)]
    rows = []
    for key in sorted({*chain(*arrows), *chain(*bands)}):
        if any(key in there for there in bands):
            rows.append(Row(tuple(there.get(key) for there in bands)))
        else:
            rows.append(Row(tuple(_marked([there.get(key) for there in arrows]))))
    return rows


def side_by_side_svg(sides: Sequence[Side], rows: Sequence[Row], words: Words, description: str) -> str:
    """One drawing with a column a side, its rows shared."""
    gap = 12
    columns = []
    for n, side in enumerate(sides):
        title = " · ".join((side.name, *side.results.values()))
        drawn = svg(list(_column(rows, n)), words, title, SIDE, "")
        columns.append(drawn.replace("<svg ", f'<svg x="{n * (SIDE.width + gap)}" ', 1).replace("<desc></desc>\n", ""))
    height = max(found[1] for drawn in columns if (found := _HEIGHT.search(drawn)))
    width = len(sides) * (SIDE.width + gap) - gap
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    told = f"<desc>{escape(description, quote=False)}</desc>"
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">', told, *columns, "</svg>"])


def side_by_side_text(sides: Sequence[Side], rows: Sequence[Row], words: Words) -> str:
    """A line an arrow, a column a side that says how it ended there, and ◀ where they differ."""
    lanes = max(map(len, words.lanes.values()))
    lines: list[tuple[str, list[str], bool]] = [("", [side.name for side in sides], False)]
    for row in rows:
        some = next(cell for cell in row.cells if cell is not None)
        if isinstance(some, Band):
            lines.append((f"--- {some.text} ---", ["yes" if cell else "" for cell in row.cells], None in row.cells))
            continue
        source, target = words.lanes[some.step.source], words.lanes[some.step.target]
        way = f"{source:<{lanes}} ↺ {'':<{lanes}}" if source == target else f"{source:<{lanes}} → {target:<{lanes}}"
        said = f"{some.step.label:>3}  {way}  {_common(row, words)}"
        lines.append((said, [_ended(cell, words) for cell in row.cells], _differs(row)))
    for asked in sides[0].results:
        results = [side.results[asked] for side in sides]
        lines.append((asked, results, len(set(results)) > 1))
    first = max(len(line[0]) for line in lines)
    wide = max(len(cell) for line in lines for cell in line[1])
    text = [
        (f"{said:<{first}}  " + "  ".join(f"{cell:<{wide}}" for cell in cells) + ("  ◀" if differs else "")).rstrip()
        for said, cells, differs in lines
    ]
    if any(draws_5(list(_column(rows, n))) for n in range(len(sides))):
        text.append(f"* {words.note_on_5}")
    return "\n".join(text)


def _arrows(side: Side, words: Words) -> dict[Key, Arrow]:
    """The side's arrows by their places."""
    start = min((event["started_at"] for event in side.events), default=None)
    notified = [(e["started_at"], e["attempt"]) for e in side.events if e["step"] == 18 and not e.get("part")]
    asked_again = next((_place(firing) for firing in side.firings if _breaks_off(firing)), None)
    there: dict[Key, Arrow] = {}
    for event in side.events:
        arrow = arrow_of(event, start, words)
        step, delivery = arrow.step, event["attempt"]
        if step.label in _WEBHOOKS:  # they belong to the delivery that sent them
            delivery = max((at for at in notified if at[0] <= event["started_at"]), default=("", delivery))[1]
        nth = _RELAYED if (event.get("data") or {}).get("by") == "relay" else 0
        key: Key = (delivery, step.number, step.part, nth)
        while key in there and not (step.number in _REQUEST and there[key].outcome is arrow.outcome):
            nth += 1
            key = (delivery, step.number, step.part, nth)
        if 0 < nth < _AFTER_ALL and asked_again and step.number in _REQUEST:  # behind what broke the request off
            key = (*asked_again[:3], asked_again[3] + step.number / 100)
        there.setdefault(key, arrow)
    return there


def _place(firing: Mapping[str, Any]) -> Key:
    """Where a fault at a gate stands: before all that happened at its step, or after."""
    step = find_step(firing["step"])
    return (firing["attempt"] or 1, step.number, step.part, -1 if firing["side"] == BEFORE else _AFTER_ALL)


def _breaks_off(firing: Mapping[str, Any]) -> bool:
    """Whether somebody may have had to ask again for it."""
    return bool(firing["step"]) and find_step(firing["step"]).number in (*_REQUEST, 9)


def _add_unrecorded(there: dict[Key, Arrow], firings: Sequence[Mapping[str, Any]], words: Words) -> None:
    """What a process had done in the world outside before it was killed: the record of that died with it."""
    for firing in firings:
        if firing["kind"] != Kind.CRASH:
            continue
        killed_at, process, delivery = find_step(firing["step"]), firing["process"], firing["attempt"]
        done = [
            step
            for step in STEPS
            if PROCESS[step.label] == process
            and (step.number < killed_at.number or (step.number == killed_at.number and firing["side"] != BEFORE))
        ]
        recorded = [step.number for step in done if (delivery, step.number, step.part, 0) in there]
        for step in done:
            if step.number > max(recorded, default=_AFTER_ALL) and _leaves_a_trace(step):
                there[(delivery, step.number, step.part, 0)] = Arrow(step, words.says(step), mark=Mark.UNRECORDED)


def _leaves_a_trace(step: Step) -> bool:
    """Whether it does something that no transaction of the database takes back: a message, a charge."""
    return step.name in ("publish_order_created", "process_payment", "publish_order_confirmed", "notify")


def _add_ghosts(arrows: Sequence[dict[Key, Arrow]], n: int, lacks: Sequence[str], words: Words) -> None:
    """A ghost for each arrow that never came, where the other sides have it."""
    there = {arrow.step.label for arrow in arrows[n].values()}
    for label in lacks:
        if label in there:
            continue
        step = find_step(label)
        places = [key for other in arrows for key, arrow in other.items() if arrow.step.label == label]
        key = min(places, default=(1, step.number, step.part, 0))
        arrows[n][key] = Arrow(step, words.says(step), mark=Mark.MISSING)


def _bands(side: Side, there: Mapping[Key, Arrow], words: Words) -> dict[Key, Band]:
    """Where a further delivery begins, and where a fault hit."""
    deliveries = {key[0] for key, arrow in there.items() if arrow.mark is not Mark.MISSING and key[0] > 1}
    bands: dict[Key, Band] = {(n, -1, "", 0): Band(words.delivery.format(n=n)) for n in deliveries}
    for firing in side.firings:
        if not firing["step"]:
            continue
        key = _place(firing)
        while key in bands:
            key = (*key[:3], key[3] + 0.001)
        bands[key] = Band(words.fired.format(**{**firing, "side": words.sides[firing["side"]]}), broken=True)
    return bands


def _marked(cells: Sequence[Arrow | None]) -> Iterator[Arrow | None]:
    """These arrows of one row; where a side has what the others have not, or otherwise, it says so."""
    real = [cell for cell in cells if cell and cell.mark is not Mark.MISSING]
    for cell in cells:
        if cell is None or cell.mark or len(cells) == 1:
            yield cell
        elif len(real) == 1:
            yield replace(cell, mark=Mark.ONLY_HERE)
        elif any(_told(cell) != _told(other) for other in cells):
            yield replace(cell, mark=Mark.DIFFERS)
        else:
            yield cell


def _told(cell: Arrow | None) -> Any:
    return cell and (cell.text, cell.outcome, cell.remark, cell.mark is Mark.MISSING)


def _differs(row: Row) -> bool:
    return len({_told(cell) for cell in row.cells if not isinstance(cell, Band)}) > 1


def _common(row: Row, words: Words) -> str:
    """What the arrow says, if that is the same everywhere; else what it says where all goes well."""
    arrows = [cell for cell in row.cells if isinstance(cell, Arrow)]
    said = {starred(arrow) for arrow in arrows}
    return said.pop() if len(said) == 1 else words.says(arrows[0].step)


def _ended(cell: Arrow | Band | None, words: Words) -> str:
    if not isinstance(cell, Arrow):
        return "-"
    if cell.mark in (Mark.MISSING, Mark.UNRECORDED):
        return also(cell, words)
    return cell.remark or words.outcomes[cell.outcome]


def _column(rows: Sequence[Row], n: int) -> Iterator[Run]:
    """One side's rows; where it has nothing, its place stays empty."""
    band: Band | None = None
    arrows: list[Arrow] = []
    for row in rows:
        cell = row.cells[n]
        if row.is_band:
            if arrows or band:
                yield Run(band, tuple(arrows))
            band, arrows = cell if isinstance(cell, Band) else Band(""), []
        else:
            some = next(other for other in row.cells if isinstance(other, Arrow))
            arrows.append(cell if isinstance(cell, Arrow) else replace(some, mark=Mark.ABSENT))
    if arrows or band:
        yield Run(band, tuple(arrows))
