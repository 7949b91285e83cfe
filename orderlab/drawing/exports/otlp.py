"""A journal as OTLP JSON, which OpenTelemetry's collector, Jaeger and their like take in. Standard library only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from orderlab import __version__
from orderlab.drawing.exports.spans import Span, spans
from orderlab.drawing.rows import Event
from orderlab.sequence import Outcome

_INTERNAL, _ERROR = 1, 2  # SpanKind and StatusCode


def otlp(events: Iterable[Event], order_id: str) -> dict[str, Any]:
    """An `ExportTraceServiceRequest`: one resource per process, one span per event, trace ids as recorded.

    Spans have no parents, for the journal records none; what belongs together has the same trace id. A span's id is
    made from its event, so the same order exported twice is the same spans.
    """
    by_process: dict[str, list[Span]] = {}
    for span in spans(events):
        by_process.setdefault(span.process, []).append(span)
    return {
        "resourceSpans": [
            {
                "resource": {
                    "attributes": _attributes({"service.namespace": "orderlab", "service.name": process}),
                },
                "scopeSpans": [
                    {
                        "scope": {"name": "orderlab", "version": __version__},
                        "spans": [_span(span, order_id) for span in found],
                    }
                ],
            }
            for process, found in by_process.items()
        ]
    }


def _span(span: Span, order_id: str) -> dict[str, Any]:
    event = span.event
    facts = {"order_id": order_id, **span.facts}
    failed = event["outcome"] == Outcome.FAILED
    return {
        "traceId": event["trace_id"],
        "spanId": _span_id(event),
        "name": event["name"],
        "kind": _INTERNAL,
        "startTimeUnixNano": f"{span.begins}000",
        "endTimeUnixNano": f"{span.ends}000",
        "attributes": _attributes({f"orderlab.{name}": value for name, value in facts.items()}),
        "status": {"code": _ERROR} if failed else {},
    }


def _span_id(event: Event) -> str:
    told = "\0".join(str(event[name]) for name in ("trace_id", "id", "name", "attempt", "started_at"))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: Any) -> dict[str, Any]:
    """An `AnyValue`. 64-bit integers are texts in the JSON of protocol buffers."""
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case str():
            return {"stringValue": str(value)}
        case list():
            return {"arrayValue": {"values": [_value(each) for each in value]}}
        case dict():
            return {"kvlistValue": {"values": _attributes(value)}}
    return {}
