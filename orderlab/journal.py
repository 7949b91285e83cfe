"""The journal: every step an order takes is performed, and recorded, through one call, `Steps`.

A step with a transaction of its own is written by that transaction's statement, which is handed the events that
wait. A step that has none is written asynchronously, in batches: while one batch is on its way, the next gathers.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from orderlab.errors import BrokerAway, OrderlabError
from orderlab.faults.gates import Gates, OpenGates, as_if, fired, raise_failure
from orderlab.faults.model import AFTER, BEFORE, Fault, Kind
from orderlab.order import Design
from orderlab.sequence import Outcome, Step

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")


def now() -> datetime:
    """The present moment, with its time zone."""
    return datetime.now(UTC)


def event_id(*what: str) -> str:
    """The id of an event that may be told more than once: the same for the same words (UUID version 5)."""
    return uuid.uuid5(uuid.NAMESPACE_URL, "\0".join(("orderlab", *what))).hex


def _new_id() -> str:
    return secrets.token_hex(16)


@dataclass
class Event:
    """One row of `order_events`: a step that happened to an order. Without `ended_at` it is still going on."""

    order_id: str
    step: Step
    attempt: int
    trace_id: str | None  # None: the order's own
    started_at: datetime
    ended_at: datetime | None = None
    outcome: Outcome = Outcome.OK
    name: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=_new_id)  # 32 hex digits; written twice, it stands in the journal once

    def as_row(self) -> dict[str, Any]:
        """The row as JSON."""
        return {
            "order_id": self.order_id,
            "event_id": self.id,
            "step": self.step.number,
            "part": self.step.part or None,
            "name": self.name or self.step.name,
            "outcome": self.outcome,
            "lane": self.step.source,
            "attempt": self.attempt,
            "trace_id": self.trace_id,
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat() if self.ended_at else None,
            "data": self.data,
        }


class Events(list[Event]):
    """Events that wait to be written; the statement that writes them says so with `written`."""

    def as_rows(self) -> list[dict[str, Any]]:
        """The rows as JSON, in the order in which the steps began."""
        return [event.as_row() for event in self]

    def written(self) -> None:
        """They are in the database."""
        self.clear()


def takes_events(method: Callable[Concatenate[S, Events, P], R]) -> Callable[Concatenate[S, P], R]:
    """An effect that writes the events that wait: `Steps` hands them to it, and whoever calls for a step does not."""
    method.takes = "events"  # type: ignore[attr-defined]
    return cast("Callable[Concatenate[S, P], R]", method)


def takes_steps(method: Callable[Concatenate[S, Steps, P], R]) -> Callable[Concatenate[S, P], R]:
    """An effect that notes something at the step it is: it is handed the steps."""
    method.takes = "steps"  # type: ignore[attr-defined]
    return cast("Callable[Concatenate[S, P], R]", method)


@dataclass
class Opened:
    """What `Steps.begin` opened: the events that go on, and the faults that fired before them."""

    events: list[Event]
    faults: list[tuple[Step, Fault]]

    @property
    def steps(self) -> list[Step]:
        """The steps that go on."""
        return [event.step for event in self.events]

    def close(self, outcome: Outcome) -> None:
        """End the steps with this outcome."""
        for event in self.events:
            event.ended_at, event.outcome = now(), outcome

    def has(self, kind: Kind) -> bool:
        """Whether a fault of this kind fired."""
        return any(fault.kind is kind for _, fault in self.faults)


@dataclass
class Steps:
    """The steps of one order in one request or delivery. Calling it performs a step and records it.

    Gates have their place here, before and after the effect, and nowhere else.
    """

    order_id: str
    trace_id: str
    attempt: int = 1
    gates: Gates = field(default_factory=OpenGates)
    outbox: bool = False  # whether what can't be published now is safe, and may be `deferred`
    events: Events = field(default_factory=Events)
    published: list[str] = field(default_factory=list)  # ids of messages the broker has confirmed
    repeats: Mapping[str, Callable[[], object]] = field(default_factory=dict)  # how a step repeats, where not by itself
    known: dict[str, dict[str, Any]] = field(default_factory=dict)  # data of a step before it is performed, by label

    def __call__(self, step: Step | tuple[Step, ...], effect: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Perform `effect` as this step (or as these, when one transaction takes them together); return its result.

        The outcome is the result if that is an `Outcome`, else `ok`; an error ends the step with its own outcome.
        """
        opened, confirmed = self.begin(step), len(self.published)
        try:
            result = self._effect(opened, effect, *args, **kwargs)
            self.end(opened, result if isinstance(result, Outcome) else Outcome.OK)
        except BrokerAway:
            del self.published[confirmed:]
            if not (self.outbox and Outcome.DEFERRED in opened.steps[0].outcomes):
                opened.close(Outcome.FAILED)
                raise
            opened.close(Outcome.DEFERRED)
            return Outcome.DEFERRED  # type: ignore[return-value]  # publishing results in nothing but an outcome
        except Exception as error:
            opened.close(error.outcome if isinstance(error, OrderlabError) else Outcome.FAILED)
            raise
        return result

    def begin(self, step: Step | tuple[Step, ...]) -> Opened:
        """Pass the gate before a step and open it; for a step whose effect is not one call, such as a response."""
        steps = step if isinstance(step, tuple) else (step,)
        faults = self._fire(steps, BEFORE)
        started_at = now()
        opened = Opened([Event(self.order_id, each, self.attempt, self.trace_id, started_at) for each in steps], faults)
        for event in opened.events:
            event.data.update(self.known.get(event.step.label, {}))
        for at, fault in faults:
            opened.events[steps.index(at)].data["fault"] = fault.kind
        self.events.extend(opened.events)
        return opened

    def end(self, opened: Opened, outcome: Outcome = Outcome.OK) -> None:
        """Close what `begin` opened, and pass the gate after it."""
        opened.close(outcome)
        raise_failure(self._fire(opened.steps, AFTER))

    def already_done(self, step: Step) -> None:
        """Record a step for which nothing is left to do."""
        self(step, lambda: Outcome.ALREADY_DONE)

    def perform(self, effect: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call an effect, and hand it what it takes besides."""
        match getattr(effect, "takes", ""):
            case "events":
                return cast("Callable[..., R]", effect)(self.events, *args, **kwargs)
            case "steps":
                return cast("Callable[..., R]", effect)(self, *args, **kwargs)
        return effect(*args, **kwargs)

    def _effect(self, opened: Opened, effect: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The effect: not at all, once, or twice."""
        if not opened.faults:
            return self.perform(effect, *args, **kwargs)
        raise_failure(opened.faults)
        if opened.has(Kind.DROP):
            return as_if(opened.steps[-1])  # type: ignore[return-value]  # what can be dropped results in an outcome
        result = self.perform(effect, *args, **kwargs)
        if opened.has(Kind.DUPLICATE):
            again = self.repeats.get(opened.steps[-1].label)
            again() if again else self.perform(effect, *args, **kwargs)
        return result

    def _fire(self, steps: Sequence[Step], side: str) -> list[tuple[Step, Fault]]:
        if not self.gates.armed:
            return []
        return fired(self.gates, self.order_id, steps, side, self.attempt, self.events.as_rows)

    def belong_to(self, order_id: str, design: Design) -> None:
        """It turns out which order these steps are of, and which safeguards it travels with."""
        self.order_id, self.outbox = order_id, design.outbox
        self.include([])

    def include(self, earlier: Sequence[Event]) -> None:
        """Steps that happened before these join their order and their trace."""
        self.events[:0] = earlier
        self.events[:] = [replace(event, order_id=self.order_id, trace_id=self.trace_id) for event in self.events]

    def note_copies(self, copies: Iterable[str]) -> None:
        """Note which copies of a message the step that is going on sends; a step that happens twice sends more."""
        if self.events:
            self.events[-1].data.setdefault("copies", []).extend(copies)

    def note(self, **data: Any) -> None:
        """Add to the event of the step that is going on, or was last."""
        if self.events:
            self.events[-1].data.update(data)
