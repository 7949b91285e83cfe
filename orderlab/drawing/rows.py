"""From events to the rows of a drawing: arrows, and bands where another run begins. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from itertools import chain, groupby, repeat
from typing import Any

from orderlab.drawing.marks import Mark
from orderlab.drawing.words import Words
from orderlab.sequence import (
    OTHER_STEPS,
    RESPOND_CREATED,
    STEPS,
    VALIDATE_TOKEN,
    WEBHOOK_FAILED,
    Outcome,
    Step,
    find_step,
)

Event = Mapping[str, Any]
"""One event as `GET /orders/{order_id}/events` gives it."""

_BY_NAME = {step.name: step for step in (*OTHER_STEPS, *STEPS)}


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


@dataclass(frozen=True)
class Band:
    """One row: what runs from here on, such as a second delivery of the message; or what broke off what ran."""

    text: str
    broken: bool = False


@dataclass(frozen=True)
class Run:
    """The rows of one run: one request and what it set off, or one more delivery of its message."""

    band: Band | None
    arrows: tuple[Arrow, ...]

    @property
    def rows(self) -> tuple[Arrow | Band, ...]:
        """The band, if there is one, and the arrows."""
        return self.arrows if self.band is None else (self.band, *self.arrows)


def observed(events: Iterable[Event], words: Words, lit: int | None = None) -> tuple[Run, ...]:
    """The runs in these events, which stand in reading order. Requests that went exactly alike are folded into one.

    `lit` is the index of the event that somebody looks at now; those after it are marked as later.
    """
    events = list(events)
    marks = _marks(len(events), lit)
    start = min((event["started_at"] for event in events), key=_moment, default=None)
    runs: list[tuple[str, tuple[Arrow, ...], int]] = []
    first_trace = None
    for (trace, attempt), group in groupby(events, key=lambda event: (event["trace_id"], event["attempt"])):
        first_trace = first_trace or trace
        arrows = tuple(replace(arrow_of(event, start, words), mark=next(marks)) for event in group)
        text = words.post_again if trace != first_trace else ""
        if attempt > 1:
            text = " · ".join(filter(None, (text, words.delivery.format(n=attempt))))
        if runs and text and runs[-1][0] == text and _shape(runs[-1][1]) == _shape(arrows):
            runs[-1] = (text, runs[-1][1], runs[-1][2] + 1)
        else:
            runs.append((text, arrows, 1))
    return tuple(Run(_band(text, times, words), arrows) for text, arrows, times in runs)


def arrow_of(event: Event, start: str | None, words: Words) -> Arrow:
    """The arrow of an event; `start` is when the first arrow began."""
    step, outcome = _step(event), Outcome(event["outcome"])
    began = _moment(event["started_at"])
    ended = _moment(event["ended_at"]) if event["ended_at"] else None
    remark = "" if outcome is Outcome.OK else words.outcomes[outcome]
    if event["name"] == WEBHOOK_FAILED:
        remark = words.gave_up
    data = event.get("data") or {}
    by = words.by_relay if data.get("by") == "relay" else ""
    return Arrow(
        step,
        _status(event) or words.says(step, outcome),
        outcome,
        " · ".join(filter(None, (remark, by, words.effects.get(data.get("fault", ""))))),
        (began - _moment(start)).total_seconds() if start else None,
        (ended - began).total_seconds() if ended else None,
    )


def haunted(runs: Sequence[Run], words: Words, missing: Iterable[int | str]) -> tuple[Run, ...]:
    """These runs, and in the first of them a ghost for each step (number, label or name) that is missing."""
    ghosts = [Arrow(step, words.says(step), mark=Mark.MISSING) for step in map(find_step, missing)]
    if not ghosts:
        return tuple(runs)
    first = runs[0] if runs else Run(None, ())
    arrows = sorted((*first.arrows, *ghosts), key=lambda arrow: (arrow.step.number, arrow.step.part))
    return (replace(first, arrows=tuple(arrows)), *runs[1:])


def expected(words: Words, steps: Sequence[Step] = STEPS) -> tuple[Run, ...]:
    """The diagram as drawn, before anything has run."""
    return (Run(None, tuple(Arrow(step, words.says(step)) for step in steps)),)


def clock(seconds: float) -> str:
    """A time for people: `3.2 ms`, `1.250 s`, `2:05.125` (minutes and seconds)."""
    if round(seconds, 4) < 1:
        return f"{seconds * 1000:.1f} ms"
    if round(seconds, 3) < 60:
        return f"{seconds:.3f} s"
    minutes, rest = divmod(round(seconds, 3), 60)
    return f"{minutes:.0f}:{rest:06.3f}"


def starred(arrow: Arrow) -> str:
    """What the arrow says, with a star where there is a note."""
    return f"{arrow.text}*" if arrow.step == VALIDATE_TOKEN else arrow.text


def also(arrow: Arrow, words: Words) -> str:
    """What the mark says, in words; "" without one."""
    return words.marks[arrow.mark] if arrow.mark else ""


def draws_5(runs: Sequence[Run]) -> bool:
    """Whether the arrow with a note is among these."""
    return any(arrow.step == VALIDATE_TOKEN for run in runs for arrow in run.arrows)


def _marks(count: int, lit: int | None) -> Iterator[Mark | None]:
    if lit is None:
        return repeat(None)
    lit = range(count)[lit]
    return chain(repeat(None, lit), [Mark.LIT], repeat(Mark.LATER))


def _step(event: Event) -> Step:
    if event.get("part"):
        return find_step(f"{event['step']}{event['part']}")
    return _BY_NAME.get(event["name"]) or find_step(event["step"])


def _status(event: Event) -> str:
    """What 10 says is the status that the API answered with."""
    status = (event.get("data") or {}).get("status") if event["name"] == RESPOND_CREATED.name else None
    return f"{status} {HTTPStatus(status).phrase}" if status else ""


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _shape(arrows: Sequence[Arrow]) -> list[tuple[str, Outcome, Mark | None]]:
    return [(arrow.step.label, arrow.outcome, arrow.mark) for arrow in arrows]


def _band(text: str, times: int, words: Words) -> Band | None:
    if not text:
        return None
    return Band(text if times == 1 else f"{text} · {words.times_alike.format(n=times)}")
