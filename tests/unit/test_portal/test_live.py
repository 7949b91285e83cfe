"""The streams: what is new, when it is new, until there is nothing more to come."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from itertools import islice
from typing import Any

import httpx
import pytest
from flask import Flask

from orderlab.portal import live
from orderlab.sequence import WEBHOOK_CUSTOMER, WEBHOOK_FAILED, WEBHOOK_OPERATIONS
from tests import contract


def messages(app: Flask, path: str, **headers: str) -> Iterator[str]:
    """A stream's messages, one by one, as they are written."""
    response = app.test_client().get(path, headers=headers)
    assert response.status_code == 200, response.text
    assert response.mimetype == "text/event-stream"
    try:
        for chunk in response.iter_encoded():
            yield chunk.decode()
    finally:
        response.close()


def data(message: str) -> Any:
    return json.loads(next(line for line in message.splitlines() if line.startswith("data:"))[5:])


@pytest.fixture
def order_id(api: Any, browser: Any) -> str:
    """An order that the person has just seen confirmed."""
    order_id = browser.press().location.rpartition("/")[2]
    browser.get(f"/orders/{order_id}")
    return order_id


def test_steps_state_and_drawing_arrive_as_they_happen_and_then_it_ends(api: Any, app: Flask, order_id: str) -> None:
    api.on_poll = api.travel(order_id)
    reserved, silence, confirmed, end = messages(app, f"/orders/{order_id}/stream?after=11")
    assert "INVENTORY_RESERVED" in data(reserved)["parts"]["state"]
    assert 'data-step="14"' in data(reserved)["parts"]["steps"]
    assert reserved.startswith("id: 14\n")
    assert silence == ": still here\n\n"
    assert 'id="status">CONFIRMED' in data(confirmed)["parts"]["state"]
    assert data(confirmed)["finished"] is False
    assert data(end)["finished"] is True
    assert data(end)["images"]["drawing"].startswith("data:image/svg+xml;base64,")
    assert data(end)["images"]["drawing"] != data(reserved)["images"]["drawing"]
    assert "Usuario     → Demo Portal" in data(end)["parts"]["drawing-text"]


def test_the_api_is_asked_to_wait_and_told_what_was_seen(api: Any, app: Flask, order_id: str) -> None:
    api.on_poll = api.travel(order_id)
    api.requests.clear()
    list(messages(app, f"/orders/{order_id}/stream?after=11"))
    polls = [dict(r.url.params) for r in api.requests if r.url.path.endswith("/events")]
    assert polls == [{"after": str(seen), "wait": "5.0"} for seen in (11, 14, 14, 19)]


def test_a_browser_that_comes_back_goes_on_where_it_was(api: Any, app: Flask, order_id: str) -> None:
    api.on_poll = api.travel(order_id)
    next(messages(app, f"/orders/{order_id}/stream?after=11", **{"Last-Event-ID": "13"}))
    assert api.requests[-1].url.params["after"] == "13"


@pytest.mark.parametrize("after", ["", "x", "-1", "9" * 40, "²"])
def test_a_strange_place_to_go_on_from_is_the_beginning(api: Any, app: Flask, order_id: str, after: str) -> None:
    next(messages(app, f"/orders/{order_id}/stream?after={after}"))
    assert api.requests[-1].url.params["after"] == "0"


def test_a_webhook_given_up_ends_the_wait_for_it_and_a_failed_try_does_not(api: Any, app: Flask, order_id: str) -> None:
    api.happen(order_id, 12, 13, 14, 15, 16, 17, 18, 19, WEBHOOK_OPERATIONS, status="CONFIRMED")
    api.happen(order_id, WEBHOOK_CUSTOMER, outcome="failed")
    (first,) = islice(messages(app, f"/orders/{order_id}/stream"), 1)
    assert data(first)["finished"] is False
    api.on_poll = [lambda: api.happen(order_id, WEBHOOK_CUSTOMER, outcome="failed", name=WEBHOOK_FAILED)]
    (only,) = messages(app, f"/orders/{order_id}/stream")
    assert data(only)["finished"] is True


def test_steps_that_were_shown_but_not_reported_are_reported_before_the_order_counts_as_finished(
    api: Any, app: Flask, browser: Any
) -> None:
    order_id = browser.press().location.rpartition("/")[2]
    reports = app.extensions["orderlab"].reports
    number, events = reports.unseen(order_id)
    reports.seen(order_id, number, events)  # shown, but the portal died before it reported
    for happen in api.travel(order_id):
        happen()
    steps = 'data-step="1"'
    (only,) = messages(app, f"/orders/{order_id}/stream")
    assert steps in data(only)["parts"]["steps"]
    assert data(only)["finished"] is True


def test_a_report_on_its_way_keeps_the_order_unfinished(api: Any, app: Flask, browser: Any, order_id: str) -> None:
    reports = app.extensions["orderlab"].reports
    for happen in api.travel(order_id):
        happen()
    reports.hold(order_id, [], "token-1", "")
    (first,) = islice(messages(app, f"/orders/{order_id}/stream"), 1)
    assert data(first)["finished"] is False


def test_an_api_that_goes_away_ends_the_stream_with_a_word_and_the_browser_comes_back(
    api: Any, app: Flask, order_id: str
) -> None:
    def away() -> None:
        raise httpx.ConnectError("refused")

    api.on_poll = [lambda: None, away]
    *_, last = messages(app, f"/orders/{order_id}/stream")
    assert last == "retry: 3000\nevent: away\ndata:\n\n"


@pytest.mark.parametrize("trouble", [503, 500, None], ids=["database away", "fault", "connection refused"])
def test_a_browser_that_comes_back_too_early_still_gets_a_stream(
    api: Any, app: Flask, order_id: str, trouble: int | None
) -> None:
    def on_request(request: httpx.Request) -> httpx.Response:
        if trouble is None:
            raise httpx.ConnectError("refused")
        return contract.problem(trouble, "It is away.")

    api.on_request = on_request
    assert list(messages(app, f"/orders/{order_id}/stream")) == [live.AWAY]


def test_a_stream_too_many_is_asked_to_come_again_and_a_seat_is_given_back(
    api: Any, app: Flask, order_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_seats", threading.BoundedSemaphore(1))
    first = messages(app, f"/orders/{order_id}/stream")
    next(first)
    (refused,) = messages(app, f"/orders/{order_id}/stream")
    assert refused.startswith("retry: 5000\n")
    first.close()
    assert next(messages(app, f"/orders/{order_id}/stream")).startswith("id: ")


def test_the_inbox_tells_of_each_arrival(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = app.extensions["orderlab"].inbox
    arrivals = messages(app, "/inbox/stream")
    assert "Todavía no ha llegado nada" in data(next(arrivals))["parts"]["received"]
    inbox.receive("customer", "evt-1", {"type": "order.confirmed", "data": {"order_id": "ws-001"}})
    assert 'data-order="ws-001"' in data(next(arrivals))["parts"]["received"]
    monkeypatch.setattr(inbox, "wait", lambda version, seconds: version)
    assert next(arrivals) == ": still here\n\n"
