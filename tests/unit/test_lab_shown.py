"""What a notebook shows: tokens without their signature, answers as they came, orders that read well, timelines."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from itertools import pairwise

import httpx
import jwt
import pytest

from orderlab.access.shown import Copy, Token
from orderlab.drawing.timeline import Timeline
from orderlab.lab.order import Order
from orderlab.lab.portal import answer, order_body
from orderlab.lab.reading import _missing
from orderlab.order import NewOrder
from orderlab.sequence import CONSUME_ORDER_CREATED, PROCESS_PAYMENT
from tests.sample_events import event, happy

SECRET = "x" * 40
SVG = "{http://www.w3.org/2000/svg}"


def test_a_token_shows_what_it_says_and_keeps_its_signature_back() -> None:
    token = Token(jwt.encode({"sub": "ada"}, SECRET, algorithm="HS256"))
    signature = token.text.rpartition(".")[2]
    assert token.header == {"alg": "HS256", "typ": "JWT"}
    assert token.claims["sub"] == "ada"
    for shown in (str(token), repr(token), f"{token}", repr([token])):
        assert signature not in shown
        assert "ada" in shown
    assert token.authorization == f"Bearer {token.text}"


def test_a_token_that_is_not_signed_shows_that_there_is_no_signature() -> None:
    shown = str(Token(jwt.encode({"sub": "ada"}, None, algorithm="none")))
    assert shown.splitlines()[-1].split() == ["signature", "none"]


def test_an_answer_shows_status_headers_that_matter_and_body() -> None:
    came = httpx.Response(
        409, headers={"Content-Type": "application/problem+json", "Date": "today"}, json={"title": "Conflict"}
    )
    shown = answer(came)
    assert (shown.status, shown.body) == (409, {"title": "Conflict"})
    assert repr(shown).splitlines()[:2] == ["409 Conflict", "Content-Type: application/problem+json"]
    assert "today" not in repr(shown)
    assert json.loads(repr(shown).split("\n\n", 1)[1]) == {"title": "Conflict"}


def test_an_answer_that_is_no_json_is_shown_as_it_came() -> None:
    assert "out of order" in repr(answer(httpx.Response(502, text="out of order")))


@pytest.fixture
def order() -> Order:
    return Order(
        order_id="ws-1",
        status="REJECTED",
        rejection_reason="out_of_stock",
        total="99.80",
        currency="EUR",
        items=[{"sku": "KEYBOARD", "quantity": 2, "price": "49.90"}],
        customer={"name": "Ada <b>", "email": "ada@example.com"},
    )


def test_an_order_reads_well_and_is_a_dict(order: Order) -> None:
    assert order["total"] == "99.80"
    assert "REJECTED (out_of_stock)" in repr(order)
    assert "2 × KEYBOARD at 49.90" in repr(order)


def test_an_order_s_html_holds_its_texts_as_text(order: Order) -> None:
    html = order._repr_html_()
    assert "Ada &lt;b&gt;" in html
    assert "<b>" not in html


def test_a_copy_of_a_message_shows_its_envelope_and_body() -> None:
    copy = Copy("orders.created", {"cloudEvents_subject": "ws-1"}, {"order_id": "ws-1"})
    assert copy.order_id == "ws-1"
    assert '"order_id": "ws-1"' in repr(copy)
    assert repr(copy).startswith("from the exchange orders.created")


def test_the_order_that_is_sent_by_default_is_a_good_one() -> None:
    sent = NewOrder.from_json(order_body("ws-1"))
    assert [(item.sku, item.quantity) for item in sent.items] == [("KEYBOARD", 1)]


def ended() -> list[dict[str, object]]:
    labels = [*(str(n) for n in range(1, 20)), "18a", "18b"]
    return [{"label": label, "name": "", "outcome": "ok", "trace_id": "first"} for label in labels]


def test_nothing_is_missing_of_an_order_that_has_come_to_its_end() -> None:
    assert _missing({"status": "CONFIRMED", "events": ended()}, {"first"}) == []


@pytest.mark.parametrize("label", ["10", "18a", "18b", "19"])
def test_what_is_missing_of_an_order_is_named(label: str) -> None:
    events = [event for event in ended() if event["label"] != label]
    assert [missing.split()[0] for missing in _missing({"status": "REJECTED", "events": events}, set())] == [label]


def test_an_order_without_a_final_status_or_with_a_post_unrecorded_is_not_at_its_end() -> None:
    assert _missing({"status": "INVENTORY_RESERVED", "events": ended()}, set()) == ["CONFIRMED or REJECTED"]
    assert "further POST" in _missing({"status": "CONFIRMED", "events": ended()}, {"first", "second"})[0]


def bars(timeline: Timeline) -> list[dict[str, str]]:
    return [bar.attrib for bar in ET.fromstring(timeline.svg).iter(f"{SVG}rect") if "data-step" in bar.attrib]


def said(timeline: Timeline) -> list[str]:
    return ["".join(text.itertext()) for text in ET.fromstring(timeline.svg).iter(f"{SVG}text")]


def test_a_timeline_has_a_bar_a_step_where_it_began_and_its_words_are_text() -> None:
    timeline = Timeline(happy(), "ws-1")
    assert [bar["data-step"] for bar in bars(timeline)] == [str(n) for n in range(1, 20)]
    places = [float(bar["x"]) for bar in bars(timeline)]
    apart = [b - a for a, b in pairwise(places)]
    assert min(apart) > 0
    assert max(apart) - min(apart) < 0.1, "one every 10 ms"
    assert {"Publish OrderCreated", "ws-1", "PostgreSQL"} <= set(said(timeline))


def test_a_timeline_says_how_a_step_ended_and_its_bar_looks_otherwise() -> None:
    timeline = Timeline([event(CONSUME_ORDER_CREATED, 0), event(PROCESS_PAYMENT, 5, "declined")], "ws-1")
    assert ["stroke-dasharray" in bar for bar in bars(timeline)] == [False, True]
    assert "declined · 1.0 ms" in said(timeline)
    assert "[declined]" in timeline.text


def test_what_took_milliseconds_can_be_seen_beside_an_outage_of_a_minute() -> None:
    late = [event(CONSUME_ORDER_CREATED, 60_000, "redelivered", attempt=2), event(PROCESS_PAYMENT, 60_100, attempt=2)]
    timeline = Timeline([*happy(), *late], "ws-1")
    assert all(float(bar["width"]) >= 5 for bar in bars(timeline))
    places = {bar["data-step"]: float(bar["x"]) for bar in bars(timeline)[:19]}
    assert places["19"] - places["1"] > 100, "the minute does not press everything else together"
    assert "+59.809 s" in said(timeline)


def test_a_timeline_shows_as_a_picture_and_as_its_text() -> None:
    shown = Timeline(happy(), "ws-1")._repr_mimebundle_()
    assert shown["text/html"].startswith('<img alt="')
    assert "Publish OrderCreated" in shown["text/plain"]


def test_a_timeline_of_nothing_is_empty_and_no_error() -> None:
    assert bars(Timeline([], "ws-1")) == []


def test_a_webhook_that_failed_is_still_to_come_until_it_is_delivered_or_given_up() -> None:
    tried = [event for event in ended() if event["label"] != "18a"]
    tried.append({"label": "18a", "name": "webhook_delivered", "outcome": "failed", "trace_id": "first"})
    assert _missing({"status": "CONFIRMED", "events": tried}, set()) == ["18a (webhook_delivered)"]
    tried.append({"label": "18a", "name": "webhook_failed", "outcome": "failed", "trace_id": "first"})
    assert _missing({"status": "CONFIRMED", "events": tried}, set()) == []
