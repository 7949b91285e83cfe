"""Journals as Perfetto's trace events and as OTLP, checked against what the two formats ask for."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from orderlab.drawing.exports.otlp import otlp
from orderlab.drawing.exports.perfetto import perfetto
from orderlab.errors import LabError
from orderlab.lab.order import Order
from orderlab.sequence import (
    CONSUME_ORDER_CREATED,
    ISSUE_TOKEN,
    POST_ORDER,
    PUBLISH_ORDER_CREATED,
    WEBHOOK_CUSTOMER,
    WEBHOOK_OPERATIONS,
)
from tests.sample_events import NOON, event, happy

_PLACE: dict[str, Any] = {
    "cat": {"type": "string", "minLength": 1},
    "id": {"type": "string", "minLength": 1},
    "name": {"type": "string", "minLength": 1},
    "pid": {"type": "integer", "minimum": 1},
    "tid": {"type": "integer", "minimum": 1},
    "ts": {"type": "integer", "minimum": 0},
}
_ARGS: dict[str, Any] = {"type": "object", "required": ["step", "outcome", "attempt", "lane", "data", "trace_id"]}
_NAME: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
}


def _exactly(**properties: Any) -> dict[str, Any]:
    return {"properties": properties, "required": list(properties), "additionalProperties": False}


TRACE_EVENTS: dict[str, Any] = {  # the part of the trace-event format that is used
    "type": "object",
    "required": ["traceEvents"],
    "properties": {
        "displayTimeUnit": {"enum": ["ms", "ns"]},
        "traceEvents": {
            "type": "array",
            "items": {
                "oneOf": [
                    _exactly(ph={"const": "b"}, args=_ARGS, **_PLACE),
                    _exactly(ph={"const": "e"}, **_PLACE),
                    _exactly(
                        ph={"const": "M"},
                        name={"const": "process_name"},
                        pid=_PLACE["pid"],
                        tid=_PLACE["tid"],
                        args=_NAME,
                    ),
                ]
            },
        },
    },
}


def journal() -> list[dict[str, Any]]:
    """Two deliveries, a failed POST, the relay, both webhooks at once, a step that takes no time, and all of JSON."""
    events = [
        *happy(),
        event(POST_ORDER, 300, "failed", trace="b"),
        event(PUBLISH_ORDER_CREATED, 305, trace="c"),
        event(CONSUME_ORDER_CREATED, 310, "redelivered", attempt=2),
        event(WEBHOOK_OPERATIONS, 320.25),
        event(WEBHOOK_CUSTOMER, 320.5),
    ]
    events[20]["data"] = {"by": "relay"}
    events[2]["data"] = {"claims": {"sub": "demo", "iat": 1.5, "exp": 7}, "list": [True, None, "ñ"]}
    events[5]["ended_at"] = events[5]["started_at"]
    return events


def request(events: list[dict[str, Any]]) -> ExportTraceServiceRequest:
    """What a collector reads; raises for a field that OTLP does not know, or a value of the wrong form."""
    text = json.dumps(_as_protobuf_wants_ids(otlp(events, "ws-1")))
    return json_format.Parse(text, ExportTraceServiceRequest())


def _as_protobuf_wants_ids(told: dict[str, Any]) -> dict[str, Any]:
    """OTLP writes ids in hex, where JSON of protocol buffers has base64: the one exception of its specification."""
    import base64

    for resource in told["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for name in ("traceId", "spanId"):
                    span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    return told


def test_a_trace_for_perfetto_keeps_to_the_format() -> None:
    jsonschema.validate(perfetto(journal()), TRACE_EVENTS)
    jsonschema.validate(perfetto([]), TRACE_EVENTS)


def test_every_slice_has_one_begin_and_one_end_and_none_overlaps_another_on_its_track() -> None:
    going_on: dict[tuple[int, str], str] = {}
    before = 0
    for one in perfetto(journal())["traceEvents"]:
        if one["ph"] == "M":
            continue
        assert one["ts"] >= before
        before = one["ts"]
        track = one["pid"], one["id"]
        if one["ph"] == "b":
            assert track not in going_on
            going_on[track] = one["name"]
        else:
            assert going_on.pop(track) == one["name"]
    assert going_on == {}


def test_perfetto_has_each_event_once_in_the_process_that_performed_it() -> None:
    told = perfetto(journal())["traceEvents"]
    processes = {one["pid"]: one["args"]["name"] for one in told if one["ph"] == "M"}
    assert sorted(processes.values()) == ["notifier", "orders-api", "portal", "relay", "worker"]
    begun = [one for one in told if one["ph"] == "b"]
    assert Counter(one["name"] for one in begun) == Counter(f"{e['label']} {e['name']}" for e in journal())
    where = {one["name"]: processes[one["pid"]] for one in begun}
    assert where["7 order_id_free"] == "orders-api"
    assert where["12 consume_order_created"] == "worker"
    assert where["18a webhook_delivered"] == "notifier"
    (first,) = [one for one in begun if one["name"] == "1 click_create_order"]
    assert first["ts"] == int(NOON.timestamp()) * 1_000_000 + 10_000


def test_otlp_is_taken_by_the_definition_of_otlp_itself() -> None:
    spans = [span for each in request(journal()).resource_spans for span in each.scope_spans[0].spans]
    assert len(spans) == len(journal())
    assert {len(span.trace_id) for span in spans} == {16}
    assert {len(span.span_id) for span in spans} == {8}
    assert len({span.span_id for span in spans}) == len(spans)


def test_ids_are_hex_as_recorded_and_times_are_nanoseconds_as_texts() -> None:
    told = otlp(happy()[:1], "ws-1")
    ((span,),) = [scope["spans"] for each in told["resourceSpans"] for scope in each["scopeSpans"]]
    assert span["traceId"] == "a" * 32
    assert span["startTimeUnixNano"] == f"{int(NOON.timestamp())}010000000"
    assert span["endTimeUnixNano"] == f"{int(NOON.timestamp())}011000000"


def test_otlp_s_spans_stand_under_their_process_with_step_outcome_attempt_and_data() -> None:
    by_process = {
        each.resource.attributes[1].value.string_value: list(each.scope_spans[0].spans)
        for each in request(journal()).resource_spans
    }
    assert [span.name for span in by_process["relay"]] == [PUBLISH_ORDER_CREATED.name]
    again = {each.key: each.value for each in by_process["worker"][-1].attributes}
    assert again["orderlab.step"].string_value == "12"
    assert again["orderlab.outcome"].string_value == "redelivered"
    assert again["orderlab.attempt"].int_value == 2
    assert again["orderlab.lane"].string_value == "rabbitmq"
    assert again["orderlab.order_id"].string_value == "ws-1"
    (issued,) = [span for span in by_process["orders-api"] if span.name == ISSUE_TOKEN.name]
    data = {each.key: each.value for each in issued.attributes}["orderlab.data"].kvlist_value
    assert [each.key for each in data.values] == ["claims", "list"]
    assert data.values[0].value.kvlist_value.values[1].value.double_value == 1.5


def test_only_what_failed_is_an_error() -> None:
    spans = [span for each in request(journal()).resource_spans for span in each.scope_spans[0].spans]
    assert [span.name for span in spans if span.status.code == 2] == [POST_ORDER.name]


def test_what_still_goes_on_is_left_out() -> None:
    still = [{**each, "ended_at": None} for each in happy()]
    assert otlp(still, "ws-1") == {"resourceSpans": []}
    assert perfetto(still)["traceEvents"] == []


def test_an_order_writes_both_files_and_says_where(tmp_path: Path) -> None:
    order = Order(order_id="ws-1")
    order._of = SimpleNamespace(journal=lambda order_id: journal())  # type: ignore[assignment]
    file = order.perfetto(tmp_path / "trace.json")
    assert json.loads(file.read_text("utf-8")) == perfetto(journal())
    assert json.loads(order.otlp(str(tmp_path / "otlp.json")).read_text("utf-8")) == otlp(journal(), "ws-1")


def test_an_order_that_was_made_by_hand_has_nothing_to_write(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="made by hand"):
        Order(order_id="ws-1").otlp(tmp_path / "x.json")
    assert list(tmp_path.iterdir()) == []
