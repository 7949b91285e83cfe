"""The envelope: what goes out comes in, and what can't be read says why."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings import amqp
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from orderlab.errors import UnprocessableMessage
from orderlab.messages import AUDIENCES, NOTIFICATION, ORDER_CONFIRMED, ORDER_CREATED, ORDER_REJECTED, Message
from orderlab.topology import route
from orderlab.trace import new_traceparent, trace_id, traceparent


def test_a_message_comes_in_as_it_went_out() -> None:
    sent = Message(ORDER_CREATED, "/orders-api", "ws-001", {"order_id": "ws-001", "ñ": 1}, new_traceparent())
    assert Message.from_amqp(*sent.to_amqp()) == sent


def test_what_goes_out_is_what_the_standards_library_would_write() -> None:
    sent = Message(ORDER_CREATED, "/orders-api", "ws-001", {"order_id": "ws-001", "ñ": 1}, new_traceparent())
    attributes = {
        "id": sent.id,
        "source": sent.source,
        "type": sent.type,
        "subject": sent.subject,
        "time": sent.time,
        "specversion": "1.0",
        "datacontenttype": "application/json",
        "traceparent": sent.traceparent,
    }
    event = CloudEvent(attributes=attributes, data=dict(sent.data))
    written = amqp.to_binary_event(event)
    body, headers = sent.to_amqp()
    assert json.loads(body) == json.loads(written.application_data)
    assert {**headers, "cloudEvents_time": int(sent.time.timestamp() * 1000)} == written.application_properties


@given(
    st.dictionaries(
        st.sampled_from(["id", "source", "type", "subject", "time", "specversion", "traceparent", "other", "Ü"]),
        st.sampled_from(["", "1.0", "x", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00", "2026-01-01", 7, None]),
    ),
    st.sampled_from([b"{}", b'{"a": 1}', b"[]", b"7", b"{", b"\xff"]),
)
def test_a_message_is_read_at_once_only_where_the_standards_library_reads_the_same(
    change: dict[str, object], body: bytes
) -> None:
    _, headers = Message(ORDER_CREATED, "/orders-api", "ws-001", {}, new_traceparent()).to_amqp()
    changed = {**headers, **{f"cloudEvents_{name}": value for name, value in change.items()}}
    if (plain := Message._plain(body, changed)) is not None:
        assert plain == Message._judged(body, changed)


def test_the_time_in_the_headers_is_text_with_its_zone() -> None:
    _, headers = Message(ORDER_CREATED, "/orders-api", "ws-001", {}, "").to_amqp()
    assert datetime.fromisoformat(headers["cloudEvents_time"]).utcoffset() == UTC.utcoffset(None)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"cloudEvents_id": None}, "id"),
        ({"cloudEvents_type": None}, "type"),
        ({"cloudEvents_subject": None}, "subject"),
        ({"cloudEvents_time": "yesterday"}, "headers can't be read"),
        ({"cloudEvents_time": 10**40}, "headers can't be read"),
    ],
)
def test_a_header_that_is_missing_or_wrong_is_named(change: dict[str, object], says: str) -> None:
    body, headers = Message(ORDER_CREATED, "/orders-api", "ws-001", {}, "").to_amqp()
    changed = {name: value for name, value in {**headers, **change}.items() if value is not None}
    with pytest.raises(UnprocessableMessage, match=says):
        Message.from_amqp(body, changed)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b"7", b"null"])
def test_a_body_that_is_no_json_object_is_told(body: bytes) -> None:
    _, headers = Message(ORDER_CREATED, "/orders-api", "ws-001", {}, "").to_amqp()
    with pytest.raises(UnprocessableMessage, match=r"not JSON|no order event"):
        Message.from_amqp(body, headers)


def test_every_kind_of_message_has_a_route_and_what_must_exist_there() -> None:
    for kind in (ORDER_CREATED, ORDER_CONFIRMED, ORDER_REJECTED):
        assert route(Message(kind, "/x", "o", {}, "")).declare
    for audience in AUDIENCES:
        found = route(Message(NOTIFICATION, "/x", "o", {"audience": audience}, ""))
        assert (found.exchange, found.routing_key) == ("", f"notifications.{audience}")


@pytest.mark.parametrize("header", [None, "", "rubbish", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "01-x"])
def test_a_traceparent_that_is_not_well_formed_is_replaced(header: str | None) -> None:
    assert trace_id(traceparent(header)) != "0" * 32
    assert traceparent(header) != header


def test_a_well_formed_traceparent_is_kept() -> None:
    header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert traceparent(header) == header
    assert trace_id(header) == "0af7651916cd43dd8448eb211c80319c"
