"""A journal as trace-event JSON, which ui.perfetto.dev and chrome://tracing open. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orderlab.drawing.exports.spans import Span, spans
from orderlab.drawing.rows import Event


def perfetto(events: Iterable[Event]) -> dict[str, Any]:
    """One group of tracks per process, one slice per event: an asynchronous pair, `b` and `e`. Times in microseconds.

    Slices that overlap stand on tracks of their own: on one track the viewer takes what overlaps to be nested.
    """
    found = sorted(spans(events), key=lambda span: span.begins)
    pids = {process: pid for pid, process in enumerate(dict.fromkeys(span.process for span in found), start=1)}
    names = [
        {"ph": "M", "name": "process_name", "pid": pid, "tid": pid, "args": {"name": process}}
        for process, pid in pids.items()
    ]
    tracks: dict[str, list[int]] = {process: [] for process in pids}  # when each track is free again
    pairs: list[dict[str, Any]] = []
    for span in found:
        pid, track = pids[span.process], _track(tracks[span.process], span)
        place = {"cat": "orderlab", "id": f"{span.process} {track}", "pid": pid, "tid": pid}
        place["name"] = f"{span.event['label']} {span.event['name']}"
        args = {**span.facts, "trace_id": span.event["trace_id"]}
        pairs.append({"ph": "b", **place, "ts": span.begins, "args": args})
        pairs.append({"ph": "e", **place, "ts": span.ends})
    pairs.sort(key=lambda one: one["ts"])  # stable: what takes no time at all begins before it ends
    return {"displayTimeUnit": "ms", "traceEvents": [*names, *pairs]}


def _track(free_from: list[int], span: Span) -> int:
    """The first track that is free when the span begins; a new one where there is none."""
    for track, free in enumerate(free_from):
        if free < span.begins:
            free_from[track] = span.ends
            return track
    free_from.append(span.ends)
    return len(free_from) - 1
