"""Several orders side by side: their arrows in shared rows, and what differs marked. Standard library only.

An order's requests (1 to 8, 10, 11) are told once, however often somebody knocked: the portal and the person ask
again until they have an answer, and how often depends on the clock. Every delivery of the message counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from orderlab.drawing.marks import Mark
from orderlab.drawing.rows import Arrow, Band, Run, also, arrow_at, fault_band, notes, starred, started
from orderlab.drawing.story import Event, Firing, Happened, Part, Strand, by_relay, told
from orderlab.drawing.words import Words
from orderlab.faults.model import BEFORE
from orderlab.language import _
from orderlab.sequence import STEPS, Outcome, find_step

Key = tuple[int, int, str, float]
"""Where a row stands: delivery, number and part of the step, which of several."""

_REQUEST = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 10, 11})
_WEBHOOKS = ("18a", "18b")
_AFTER_ALL, _RELAYED = 1000, 2000


@dataclass(frozen=True)
class Side:
    """One order: what is known of it, as the API gives it."""

    name: str
    events: Sequence[Event]
    firings: Sequence[Firing] = ()
    results: Mapping[str, str] = field(default_factory=dict)  # what it came to, by what is asked: {"status": …}
    lacks: Sequence[str] = ()  # labels of steps that were to be expected


@dataclass(frozen=True)
class Row:
    """A row over all sides: a band's words or an arrow each; None where a side has nothing."""

    cells: tuple[Arrow | Band | None, ...]

    @property
    def arrow(self) -> Arrow:
        """One of its arrows: the others are the same step's."""
        return next(cell for cell in self.cells if isinstance(cell, Arrow))

    @property
    def alike(self) -> bool:
        """Whether it is an arrow that is the same on all sides, and went well."""
        return not self.is_band and all(
            isinstance(cell, Arrow) and not cell.mark and not cell.remark and _told(cell) == _told(self.arrow)
            for cell in self.cells
        )

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
    for n, side in enumerate(sides):
        _add_ghosts(arrows, n, side.lacks, words)
    bands = [_bands(side, there, words) for side, there in zip(sides, arrows, strict=True)]
    rows = []
    for key in sorted({*chain(*arrows), *chain(*bands)}):
        if any(key in there for there in bands):
            rows.append(Row(tuple(there.get(key) for there in bands)))
        else:
            rows.append(Row(tuple(_marked([there.get(key) for there in arrows], words))))
    return rows


def side_by_side_text(sides: Sequence[Side], rows: Sequence[Row], words: Words) -> str:
    """A line an arrow, a column a side that says how it ended there, and ◀ where they differ."""
    lanes = max(map(len, words.lanes.values()))
    lines: list[tuple[str, list[str], bool]] = [("", [side.name for side in sides], False)]
    for row in rows:
        some = next(cell for cell in row.cells if cell is not None)
        if isinstance(some, Band):
            lines.append((f"--- {some.text} ---", [_("yes") if cell else "" for cell in row.cells], None in row.cells))
            continue
        source, target = words.lanes[some.step.source], words.lanes[some.step.target]
        way = f"{source:<{lanes}} ↺ {'':<{lanes}}" if source == target else f"{source:<{lanes}} → {target:<{lanes}}"
        said = f"{some.step.label:>3}  {way}  {common(row, words)}"
        lines.append((said, [_ended(cell, words) for cell in row.cells], _differs(row)))
    for asked in sides[0].results:
        results = [_(side.results[asked]) for side in sides]
        lines.append((_(asked), results, len(set(results)) > 1))
    first = max(len(line[0]) for line in lines)
    wide = max(len(cell) for line in lines for cell in line[1])
    text = [
        (f"{said:<{first}}  " + "  ".join(f"{cell:<{wide}}" for cell in cells) + ("  ◀" if differs else "")).rstrip()
        for said, cells, differs in lines
    ]
    told_below = dict.fromkeys(note for n in range(len(sides)) for note in notes(list(column(rows, n)), words))
    return "\n".join([*text, *told_below])


def _arrows(side: Side, words: Words) -> dict[Key, Arrow]:
    """The side's arrows by their places."""
    strands = told(side.events, side.firings)
    start = started(strands)
    asked_again = next((_place(strand, each) for strand, each in _faults(strands) if _breaks_off(each)), None)
    there: dict[Key, Arrow] = {}
    for strand in strands:
        for each in strand.arrows:
            step, event = each.step, each.event or {}
            arrow = arrow_at(each, start, words)
            nth = _RELAYED if by_relay(event) else 0
            key: Key = (strand.delivery, step.number, step.part, nth)
            if strand.part is Part.RELAYED and strand.delivery > 1:  # before the band of the delivery that it led to
                key = (strand.delivery, -2, "", 0)
            if each.index is None:
                if key not in there or step.number not in _REQUEST:
                    there[key] = replace(arrow, mark=Mark.UNRECORDED)
                continue
            while key in there and not _same_request(arrow, there[key]):
                nth += 1
                key = (strand.delivery, step.number, step.part, nth)
            if 0 < nth < _AFTER_ALL and asked_again and step.number in _REQUEST:  # behind what broke the request off
                key = (*asked_again[:3], asked_again[3] + step.number / 100)
            if key not in there or there[key].mark is Mark.UNRECORDED:
                there[key] = arrow
    return there


def _same_request(arrow: Arrow, other: Arrow) -> bool:
    """Whether these are told once: the same arrow of a request, of which the record may have been lost once."""
    alike = other.outcome is arrow.outcome or other.mark is Mark.UNRECORDED
    return arrow.step.number in _REQUEST and alike


def _faults(strands: Sequence[Strand]) -> list[tuple[Strand, Happened]]:
    return [(strand, each) for strand in strands for each in strand.happened if each.firing is not None]


def _place(strand: Strand, fault: Happened) -> Key:
    """Where a fault at a gate stands: before all that happened at its step, or after."""
    before = (fault.firing or {})["side"] == BEFORE
    return (strand.delivery, fault.step.number, fault.step.part, -1 if before else _AFTER_ALL)


def _breaks_off(fault: Happened) -> bool:
    """Whether somebody may have had to ask again for it."""
    return fault.step.number in (*_REQUEST, 9)


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
    copies = {key[0] for key, arrow in there.items() if arrow.outcome is Outcome.SECOND_COPY}
    bands: dict[Key, Band] = {
        (n, -1, "", 0): Band((words.second_copy if n in copies else words.delivery).format(n=n)) for n in deliveries
    }
    for strand, fault in _faults(told(side.events, side.firings)):
        key = _place(strand, fault)
        while key in bands:
            key = (*key[:3], key[3] + 0.001)
        bands[key] = fault_band(fault.firing or {}, words)
    return bands


def _marked(cells: Sequence[Arrow | None], words: Words) -> Iterator[Arrow | None]:
    """These arrows of one row; where a side has what the others have not, or otherwise, it says so."""
    real = [cell for cell in cells if cell and cell.mark is not Mark.MISSING]
    for cell in cells:
        if cell is None or cell.mark or len(cells) == 1:
            yield cell
        elif len(real) == 1:
            yield replace(cell, mark=Mark.ONLY_HERE)
        elif any(_told(cell) != _told(other) for other in cells):
            yield replace(cell, mark=Mark.DIFFERS, remark=cell.remark or words.outcomes[cell.outcome])
        else:
            yield cell


def _told(cell: Arrow | None) -> Any:
    return cell and (cell.text, cell.outcome, cell.remark, cell.mark is Mark.MISSING)


def _differs(row: Row) -> bool:
    return len({_told(cell) for cell in row.cells if not isinstance(cell, Band)}) > 1


def common(row: Row, words: Words) -> str:
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


def column(rows: Sequence[Row], n: int) -> Iterator[Run]:
    """One side's rows; where it has nothing, its place stays empty."""
    run: list[Arrow | Band] = []
    for row in rows:
        cell = row.cells[n]
        if row.is_band:
            if run:
                yield Run(tuple(run))
            run = [cell if isinstance(cell, Band) else Band("")]
        else:
            some = next(other for other in row.cells if isinstance(other, Arrow))
            run.append(cell if isinstance(cell, Arrow) else replace(some, mark=Mark.ABSENT))
    if run:
        yield Run(tuple(run))
