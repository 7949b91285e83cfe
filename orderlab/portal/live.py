"""Server-sent events: what is new, pushed to the page that shows it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

from flask import Response, stream_with_context

from orderlab.client import ApiProblem
from orderlab.errors import ApiAway

HEARTBEAT = 5.0
"""Seconds after which a silent stream says a comment: that is how a reader who has gone is noticed."""

MOST_STREAMS = 24
"""Streams at once. Each keeps a thread of the server; more wait their turn and see the news a little later."""

_seats = threading.BoundedSemaphore(MOST_STREAMS)

STILL_HERE = ": still here\n\n"
AWAY = "retry: 3000\nevent: away\ndata:\n\n"
_FULL = "retry: 5000\n: too many are looking; the browser asks again\n\n"


def message(content: dict[str, Any], number: int | None = None) -> str:
    """One message with JSON content; the browser sends `number` back when it reconnects."""
    head = "" if number is None else f"id: {number}\n"
    return f"{head}data: {json.dumps(content)}\n\n"


def comes_back(error: ApiAway | ApiProblem) -> bool:
    """Whether what a stream reads from is only away for a while."""
    return isinstance(error, ApiAway) or error.temporary


def stream(messages: Callable[[], Iterator[str]]) -> Response:
    """Answer with a stream of these messages. It ends when they do, or when the reader has gone."""
    return Response(
        stream_with_context(_seated(messages)),
        mimetype="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _seated(messages: Callable[[], Iterator[str]]) -> Iterator[str]:
    if not _seats.acquire(blocking=False):
        yield _FULL
        return
    try:
        yield from messages()
    finally:
        _seats.release()
