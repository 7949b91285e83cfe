"""The steps of one order in one request or delivery, timed as they happen: the rows of `order_events`."""

from __future__ import annotations

from datetime import UTC, datetime
from types import TracebackType
from typing import Any
from uuid import uuid4

from pydantic_core import to_json

from orderlab.sequence import Step

Event = dict[str, Any]


def as_json(rows: Any) -> str:
    """Rows for a statement, serialized in Rust."""
    return to_json(rows).decode()


class Events(list[Event]):
    """Events that wait to be written."""


class Steps:
    """`with steps(STEP) as event:` opens an event and ends it; a statement that is executed within writes it."""

    def __init__(self, order_id: str, traceparent: str, attempt: int = 1) -> None:
        self.order_id, self.traceparent, self.attempt = order_id, traceparent, attempt
        self.events = Events()
        self.came: dict[str, Any] = {}  # how the message came: who published which copy of it

    def __call__(self, step: Step, **data: Any) -> Open:
        """A step that begins now."""
        return Open(self.add(step, datetime.now(UTC), None, data))

    def add(self, step: Step, started_at: datetime, ended_at: datetime | None, data: dict[str, Any]) -> Event:
        """One more event."""
        event = {
            "order_id": self.order_id,
            "event_id": uuid4(),  # an event that is sent twice stands in the journal once
            "step": step.number,
            "part": step.part or None,
            "name": step.name,
            "outcome": "ok",
            "lane": step.source,
            "attempt": self.attempt,
            "trace_id": self.traceparent[3:35],
            "started_at": started_at,
            "ended_at": ended_at,
            "data": data,
        }
        self.events.append(event)
        return event

    def belong_to(self, order_id: str) -> None:
        """It turns out which order these steps are of."""
        self.order_id = order_id
        for event in self.events:
            event["order_id"] = order_id

    def taken(self) -> str:
        """The events as JSON, for the statement that writes them; they are gone from here."""
        rows = as_json(self.events)
        self.events.clear()
        return rows


class Open:
    """An event that goes on until the block ends."""

    __slots__ = ("event",)

    def __init__(self, event: Event) -> None:
        self.event = event

    def __enter__(self) -> Event:
        return self.event

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.event["ended_at"] = datetime.now(UTC)
        if error is not None:
            self.event["outcome"] = "failed"
