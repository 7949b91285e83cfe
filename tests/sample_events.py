"""Events as the API gives them, for drawings to be tested with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from orderlab.sequence import STEPS, Step

NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)
Event = dict[str, Any]


def event(step: Step, at: float, outcome: str = "ok", attempt: int = 1, trace: str = "a", name: str = "") -> Event:
    """An event as the API gives it, `at` milliseconds after noon."""
    began = NOON + timedelta(milliseconds=at)
    return {
        "id": int(at),
        "step": step.number,
        "part": step.part or None,
        "label": step.label,
        "name": name or step.name,
        "outcome": outcome,
        "lane": step.source,
        "attempt": attempt,
        "trace_id": trace * 32,
        "started_at": began.isoformat(),
        "ended_at": (began + timedelta(milliseconds=1)).isoformat(),
        "data": {},
    }


def happy() -> list[Event]:
    return [event(step, 10.0 * step.number) for step in STEPS]
