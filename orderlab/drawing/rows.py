"""From events to the rows of a drawing: arrows, and bands where another run begins. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from itertools import chain
from typing import Any

from orderlab.drawing.marks import Mark
from orderlab.drawing.story import Event, Firing, Happened, Part, Strand, by_relay, step_of, told
from orderlab.drawing.words import Words
from orderlab.sequence import (
    RESPOND_CREATED,
    SHOW_CONFIRMATION,
    STEPS,
    VALIDATE_TOKEN,
    WEBHOOK_CUSTOMER,
    WEBHOOK_FAILED,
    WEBHOOK_OPERATIONS,
    Outcome,
    Step,
    find_step,
)

__all__ = ["Arrow", "Band", "Event", "Firing", "Run"]


@dataclass(frozen=True)
class Arrow:
    """One row: an arrow, how it ended, and when (seconds since the first arrow began; None: not from a run)."""

    step: Step
    text: str
    outcome: Outcome = Outcome.OK
    remark: str = ""  # the outcome in words, unless all went well
    begins: float | None = None
    lasts: float | None = None  # None: it still goes on
    mark: Mark | None = None
    relayed: bool = False  # by the relay, in place of its own process


@dataclass(frozen=True)
class Band:
    """One row: what runs from here on, such as a second delivery of the message; or what broke off what ran."""

    text: str
    broken: bool = False


@dataclass(frozen=True)
class Run:
    """The rows of one run: one request and what it set off, one more delivery of its message, or what is left of one
    behind a crash.
    """

    rows: tuple[Arrow | Band, ...]

    @property
    def arrows(self) -> tuple[Arrow, ...]:
        """The rows that are arrows."""
        return tuple(row for row in self.rows if isinstance(row, Arrow))


def observed(
    events: Iterable[Event], words: Words, lit: int | None = None, firings: Sequence[Firing] = (), new: int = 1
) -> tuple[Run, ...]:
    """The runs in these events, which stand in reading order. Requests that went exactly alike are folded into one.

    `lit` is the index of the event that somebody looks at now, or of the last of `new` such; those after it are marked
    as later. `firings` are what
    has hit the order: a crash ends a run, and what died with its process is drawn as not recorded.
    """
    events = list(events)
    marks = _marks(len(events), lit, new)
    strands = told(events, firings)
    start = started(strands)
    first = next((strand.which for strand in strands if strand.part is Part.REQUEST), "")
    found: list[tuple[str, tuple[Run, ...], int]] = []
    for strand in strands:
        text = _opening(strand, words, first)
        runs = tuple(_runs(strand, text, words, start, marks))
        if found and text and found[-1][0] == text and _shape(found[-1][1]) == _shape(runs):
            found[-1] = (text, found[-1][1], found[-1][2] + 1)
        else:
            found.append((text, runs, 1))
    return _joined(tuple(_folded(runs, times, words) for _, group, times in found for runs in [group]))


def started(strands: Sequence[Strand]) -> str | None:
    """When the first arrow began."""
    begun = (str(each.event["started_at"]) for strand in strands for each in strand.arrows if each.event)
    return min(begun, key=_moment, default=None)


def _opening(strand: Strand, words: Words, first: str | int) -> str:
    """What the band above a strand says; "" where there is none."""
    if strand.part is Part.REQUEST:
        return words.post_again if strand.which != first else ""
    if strand.part is Part.RELAYED:
        return words.relayed if strand.delivery > 1 else ""
    if strand.part is Part.CAUGHT_UP:
        return words.relayed
    if strand.delivery < 2:
        return ""
    copied = any(each.event and each.event["outcome"] == Outcome.SECOND_COPY for each in strand.happened)
    return (words.second_copy if copied else words.delivery).format(n=strand.delivery)


def _runs(strand: Strand, text: str, words: Words, start: str | None, marks: Sequence[Mark | None]) -> Iterator[Run]:
    rows: list[Arrow | Band] = [Band(text)] if text else []
    broken_off = False
    for each in strand.happened:
        if each.firing is not None:
            if each.crash and rows:
                yield Run(tuple(rows))
                rows = []
            rows.append(fault_band(each.firing, words))
            broken_off = broken_off or each.crash
            continue
        if broken_off and strand.part is Part.REQUEST:
            rows.append(Band(words.post_again))
            broken_off = False
        arrow = arrow_at(each, start, words)
        mark = Mark.UNRECORDED if each.index is None else marks[each.index]
        rows.append(replace(arrow, mark=mark or arrow.mark))
    if rows:
        yield Run(tuple(rows))


def fault_band(firing: Firing, words: Words) -> Band:
    """Where a fault hit."""
    return Band(words.fired.format(**{**firing, "side": words.sides[firing["side"]]}), broken=True)


def _folded(runs: tuple[Run, ...], times: int, words: Words) -> tuple[Run, ...]:
    """Runs that went alike so many times, told once."""
    if times == 1:
        return runs
    band, *rest = runs[0].rows
    text = f"{band.text} · {words.times_alike.format(n=times)}"
    return (Run((Band(text), *rest)), *runs[1:])


def _joined(groups: Sequence[tuple[Run, ...]]) -> tuple[Run, ...]:
    """What follows with no band between goes on as one run: a request, and the delivery that it set off."""
    joined: list[Run] = []
    for run in chain.from_iterable(groups):
        if joined and run.arrows[:1] == run.rows[:1]:
            joined[-1] = Run((*joined[-1].rows, *run.rows))
        else:
            joined.append(run)
    return tuple(joined)


def arrow_at(happened: Happened, start: str | None, words: Words) -> Arrow:
    """The arrow of what has happened; what did harm says so."""
    arrow = arrow_of(happened.event or {}, start, words)
    if not happened.harm:
        return arrow
    remark = " · ".join(filter(None, (words.second[arrow.step.label], arrow.remark)))
    return replace(arrow, mark=Mark.HARM, remark=remark)


_SIGNS = {VALIDATE_TOKEN: "*", WEBHOOK_OPERATIONS: "†", WEBHOOK_CUSTOMER: "†"}


def arrow_of(event: Event, start: str | None, words: Words) -> Arrow:
    """The arrow of an event; `start` is when the first arrow began."""
    step, outcome = step_of(event), Outcome(event["outcome"])
    began = _moment(event["started_at"])
    ended = _moment(event["ended_at"]) if event["ended_at"] else None
    remark = "" if outcome is Outcome.OK else words.outcomes[outcome]
    if event["name"] == WEBHOOK_FAILED:
        remark = words.gave_up
    data = event.get("data") or {}
    by = words.by_relay if by_relay(event) else ""
    if outcome is Outcome.SECOND_COPY and data.get("published_by"):
        by = words.published_by.format(who=data["published_by"])
    return Arrow(
        step,
        _status(event) or words.says(step, outcome),
        outcome,
        " · ".join(filter(None, (remark, by, words.effects.get(data.get("fault", ""))))),
        (began - _moment(start)).total_seconds() if start else None,
        (ended - began).total_seconds() if ended else None,
        relayed=by_relay(event),
    )


def haunted(runs: Sequence[Run], words: Words, missing: Iterable[int | str]) -> tuple[Run, ...]:
    """These runs, and in the first of them a ghost for each step (number, label or name) that is missing."""
    ghosts = [Arrow(step, words.says(step), mark=Mark.MISSING) for step in map(find_step, missing)]
    if not ghosts:
        return tuple(runs)
    rows = list(runs[0].rows) if runs else []
    for ghost in ghosts:
        later = (n for n, row in enumerate(rows) if isinstance(row, Arrow) and _number(row) > _number(ghost))
        rows.insert(next(later, len(rows)), ghost)
    return (Run(tuple(rows)), *runs[1:])


def expected(words: Words, steps: Sequence[Step] = STEPS) -> tuple[Run, ...]:
    """The diagram as drawn, before anything has run."""
    return (Run(tuple(Arrow(step, words.says(step)) for step in steps)),)


def clock(seconds: float) -> str:
    """A time for people: `3.2 ms`, `1.250 s`, `2:05.125` (minutes and seconds)."""
    if round(seconds, 4) < 1:
        return f"{seconds * 1000:.1f} ms"
    if round(seconds, 3) < 60:
        return f"{seconds:.3f} s"
    minutes, rest = divmod(round(seconds, 3), 60)
    return f"{minutes:.0f}:{rest:06.3f}"


def starred(arrow: Arrow) -> str:
    """What the arrow says, with a sign where there is a note."""
    return f"{arrow.text}{_SIGNS.get(arrow.step, '')}"


def only_lit(runs: Sequence[Run]) -> tuple[Run, ...]:
    """The arrows that somebody looks at now."""
    return (Run(tuple(arrow for run in runs for arrow in run.arrows if arrow.mark is Mark.LIT)),)


def only_crash(runs: Sequence[Run]) -> tuple[Run, ...]:
    """The last fault that hit, and what died with it: arrows of which no record is left."""
    rows = [row for run in runs for row in run.rows]
    last = max((n for n, row in enumerate(rows) if isinstance(row, Band) and row.broken), default=-1)
    lost: list[Arrow | Band] = []
    for row in reversed(rows[: last + 1]):
        if lost and not (isinstance(row, Arrow) and row.mark is Mark.UNRECORDED):
            break
        lost.insert(0, row)
    return (Run(tuple(lost)),)


def notes(runs: Sequence[Run], words: Words, timed: bool = False) -> list[str]:
    """What has to be said of arrows among these, each with its sign; `timed`: where their times can be seen."""
    arrows = [arrow for run in runs for arrow in run.arrows if arrow.mark is not Mark.ABSENT]
    there = {arrow.step for arrow in arrows}
    found = [f"* {words.note_on_5}"] if VALIDATE_TOKEN in there else []
    found += [f"† {words.note_on_18}"] if there & {WEBHOOK_OPERATIONS, WEBHOOK_CUSTOMER} else []
    strands = {arrow.step.number > SHOW_CONFIRMATION.number for arrow in arrows if arrow.begins is not None}
    return [*found, words.note_on_times] if timed and len(strands) > 1 else found  # whether or not they do go back


def also(arrow: Arrow, words: Words) -> str:
    """What the mark says, in words; "" without one."""
    return words.marks[arrow.mark] if arrow.mark else ""


def _number(arrow: Arrow) -> tuple[int, str]:
    return arrow.step.number, arrow.step.part


def _marks(count: int, lit: int | None, new: int) -> list[Mark | None]:
    if lit is None:
        return [None] * count
    last = range(count)[lit]
    return [Mark.LATER if n > last else Mark.LIT if n > last - new else None for n in range(count)]


def _status(event: Event) -> str:
    """What 10 says is the status that the API answered with."""
    status = (event.get("data") or {}).get("status") if event["name"] == RESPOND_CREATED.name else None
    return f"{status} {HTTPStatus(status).phrase}" if status else ""


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _shape(runs: Sequence[Run]) -> list[Any]:
    rows = (row for run in runs for row in run.rows)
    return [(row.step.label, row.outcome, row.mark) if isinstance(row, Arrow) else row.text for row in rows]
