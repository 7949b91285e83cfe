"""The journal: every step an order takes is performed, and recorded, through one call, `Steps`.

A step with a transaction of its own is written by that transaction's statement, which is handed the events that
wait. What has none is written behind the order's back, in batches: while one batch is on its way the next gathers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, ParamSpec, TypeVar

from orderlab.errors import OrderlabError
from orderlab.sequence import Outcome, Step

P = ParamSpec("P")
R = TypeVar("R")


def now() -> datetime:
    """The present moment, with its time zone."""
    return datetime.now(UTC)


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

    def as_row(self) -> dict[str, Any]:
        """The row as JSON."""
        return {
            "order_id": self.order_id,
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


@dataclass
class Steps:
    """The steps of one order in one request or delivery. Calling it performs a step and records it.

    Gates have their place here, before and after the effect, and nowhere else.
    """

    order_id: str
    trace_id: str
    attempt: int = 1
    events: Events = field(default_factory=Events)
    published: list[str] = field(default_factory=list)  # ids of messages the broker has confirmed

    def __call__(self, step: Step | tuple[Step, ...], effect: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Perform `effect` as this step (or as these, when one transaction takes them together); return its result.

        The outcome is the result if that is an `Outcome`, else `ok`; an error ends the step with its own outcome.
        """
        opened = self.begin(step)
        try:
            result = effect(*args, **kwargs)
        except Exception as error:
            self.end(opened, error.outcome if isinstance(error, OrderlabError) else Outcome.FAILED)
            raise
        self.end(opened, result if isinstance(result, Outcome) else Outcome.OK)
        return result

    def begin(self, step: Step | tuple[Step, ...]) -> list[Event]:
        """Open a step whose effect is not one call, such as a response that is being sent."""
        steps = step if isinstance(step, tuple) else (step,)
        started_at = now()
        opened = [Event(self.order_id, each, self.attempt, self.trace_id, started_at) for each in steps]
        self.events.extend(opened)
        return opened

    def end(self, opened: Sequence[Event], outcome: Outcome = Outcome.OK) -> None:
        """Close what `begin` opened."""
        for event in opened:
            event.ended_at, event.outcome = now(), outcome

    def belong_to(self, order_id: str) -> None:
        """It turns out which order these steps are of."""
        self.order_id = order_id
        self.include([])

    def include(self, earlier: Sequence[Event]) -> None:
        """Steps that happened before these join their order and their trace."""
        self.events[:0] = earlier
        self.events[:] = [replace(event, order_id=self.order_id, trace_id=self.trace_id) for event in self.events]

    def note(self, **data: Any) -> None:
        """Add to the event of the step that is going on, or was last."""
        if self.events:
            self.events[-1].data.update(data)
