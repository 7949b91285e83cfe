"""What an event is where others look at traces: a stretch of time of one process. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from orderlab.drawing.rows import Event
from orderlab.faults.model import PROCESS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Span:
    """One event: who performed the step, and from when to when (microseconds since 1970, as exact as recorded)."""

    event: Event
    process: str
    begins: int
    ends: int

    @property
    def facts(self) -> dict[str, Any]:
        """What was recorded of the step, but for its times."""
        return {
            "step": self.event["label"],
            "outcome": str(self.event["outcome"]),
            "attempt": self.event["attempt"],
            "lane": str(self.event["lane"]),
            "data": self.event.get("data") or {},
        }


def spans(events: Iterable[Event]) -> list[Span]:
    """The spans of these events, in their order. A step that still goes on has no end, and is left out."""
    return [
        Span(event, process_of(event), _microseconds(event["started_at"]), _microseconds(event["ended_at"]))
        for event in events
        if event["ended_at"]
    ]


def process_of(event: Event) -> str:
    """The process that performed the step and recorded it; the lane of an event is where its arrow starts."""
    return "relay" if (event.get("data") or {}).get("by") == "relay" else PROCESS[event["label"]]


def _microseconds(moment: str) -> int:
    return (datetime.fromisoformat(moment) - _EPOCH) // timedelta(microseconds=1)
