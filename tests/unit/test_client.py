"""The client of the Orders API: what it sends, what it says when things go wrong, and what it tries again."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx
import pytest

import orderlab.client
from orderlab.client import ApiProblem, ClientSteps, OrdersClient
from orderlab.errors import ApiAway, FieldProblem
from orderlab.sequence import CLICK_CREATE_ORDER, REQUEST_DEMO_TOKEN

TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
BODY = {"order_id": "ws-001", "items": [{"sku": "KEYBOARD", "quantity": 1}]}


class Server:
    """Gives the answers that were planned, in turn; an exception is raised in place of an answer."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, in seconds; nobody sits through them."""
    waits: list[float] = []
    for retrying in (orderlab.client._PATIENT, orderlab.client._BRISK):
        monkeypatch.setattr(retrying, "sleep", waits.append)
    return waits


def client(server: Server) -> OrdersClient:
    return OrdersClient("http://api.test", transport=httpx.MockTransport(server))


def test_login_gives_the_token_and_sends_the_trace() -> None:
    server = Server(httpx.Response(200, json={"access_token": "t1", "token_type": "Bearer"}))
    assert client(server).login(TRACE) == "t1"
    assert server.requests[0].headers["traceparent"] == TRACE
    assert "Authorization" not in server.requests[0].headers


@pytest.mark.parametrize("status", [200, 201])
def test_create_order_sends_token_trace_and_content_and_gives_the_answer(status: int) -> None:
    server = Server(httpx.Response(status, json={"order_id": "ws-001"}))
    answer = client(server).create_order(BODY, "t1", TRACE)
    (request,) = server.requests
    assert (answer.status_code, answer.json()) == (status, {"order_id": "ws-001"})
    assert (request.method, request.url.path) == ("POST", "/orders")
    assert request.headers["Authorization"] == "Bearer t1"
    assert request.headers["traceparent"] == TRACE
    assert json.loads(request.content) == BODY


@pytest.mark.parametrize(
    "broken",
    [httpx.RemoteProtocolError("closed"), httpx.ReadError("reset"), httpx.ConnectError("refused")],
    ids=lambda e: type(e).__name__,
)
def test_an_order_whose_connection_breaks_is_sent_again_unchanged_and_later_each_time(
    broken: Exception, waits: list[float]
) -> None:
    server = Server(broken, broken, httpx.Response(200, json={}, headers={"Idempotent-Replayed": "true"}))
    assert client(server).create_order(BODY, "t1", TRACE).status_code == 200
    assert len({request.content for request in server.requests}) == 1
    assert len(server.requests) == 3
    assert waits == [0.5, 1.5]


def test_an_api_that_stays_away_is_said_to_be_away_after_three_tries(waits: list[float]) -> None:
    server = Server(*[httpx.ConnectError("Connection refused")] * 3)
    with pytest.raises(ApiAway, match=r"does not answer at http://api\.test \(Connection refused\)"):
        client(server).create_order(BODY, "t1", TRACE)
    assert (server.answers, len(waits)) == ([], 2)


def test_an_answer_that_takes_too_long_is_not_asked_for_again(waits: list[float]) -> None:
    server = Server(httpx.ReadTimeout("slow"))
    with pytest.raises(ApiAway, match="took too long"):
        client(server).create_order(BODY, "t1", TRACE)
    assert (len(server.requests), waits) == (1, [])


def test_reading_repeats_a_dropped_connection_at_once_but_not_a_refused_one(waits: list[float]) -> None:
    server = Server(httpx.RemoteProtocolError("closed"), httpx.Response(200, json={"products": []}))
    assert client(server).catalogue() == []
    server = Server(httpx.ConnectError("refused"))
    with pytest.raises(ApiAway):
        client(server).catalogue()
    assert set(waits) <= {0}


def test_a_problem_says_what_the_api_said() -> None:
    told = {
        "title": "Unprocessable Content",
        "detail": "items[0].sku is not in the catalogue",
        "errors": [{"field": "items[0].sku", "problem": "is not in the catalogue"}],
    }
    with pytest.raises(ApiProblem, match="is not in the catalogue") as caught:
        client(Server(httpx.Response(422, json=told))).create_order(BODY, "t1", TRACE)
    assert (caught.value.status, caught.value.title) == (422, "Unprocessable Content")
    assert caught.value.errors == (FieldProblem("items[0].sku", "is not in the catalogue"),)


@pytest.mark.parametrize(
    "strange",
    [
        httpx.Response(502, text="<html>bad gateway</html>"),
        httpx.Response(500, json=["not", "an", "object"]),
        httpx.Response(422, json={"errors": ["no object"]}),
        httpx.Response(503, json={"errors": None}),
    ],
    ids=["html", "list", "text", "null"],
)
def test_an_answer_that_is_no_problem_document_is_a_problem_all_the_same(strange: httpx.Response) -> None:
    with pytest.raises(ApiProblem) as caught:
        client(Server(strange)).order("ws-001", "t1")
    assert caught.value.status == strange.status_code
    assert caught.value.detail


@pytest.mark.parametrize(
    ("read", "path"),
    [
        (lambda c: c.order("ws-001", "t"), "/orders/ws-001"),
        (lambda c: c.order("../login-demo", "t"), "/orders/..%2Flogin-demo"),
        (lambda c: c.orders("t"), "/orders?limit=20"),
        (lambda c: c.orders("t", 5, "ws-001"), "/orders?limit=5&after=ws-001"),
        (lambda c: c.events("ws-001", "t"), "/orders/ws-001/events"),
        (lambda c: c.events("ws-001", "t", after=0, wait=5), "/orders/ws-001/events?after=0&wait=5"),
    ],
)
def test_reading_asks_for_what_was_meant(read: Callable[[OrdersClient], Any], path: str) -> None:
    server = Server(httpx.Response(200, json={"seen": True}))
    assert read(client(server)) == {"seen": True}
    assert server.requests[0].url.raw_path.decode() == path
    assert server.requests[0].headers["Authorization"] == "Bearer t"


def test_a_long_poll_is_given_its_wait_on_top_of_the_usual_time() -> None:
    server = Server(httpx.Response(200, json={}))
    client(server).events("ws-001", "t", after=3, wait=20)
    assert server.requests[0].extensions["timeout"]["read"] == 50


def test_a_report_says_how_many_steps_were_taken() -> None:
    server = Server(httpx.Response(202, json={"accepted": 2}))
    events = [{"step": 1, "started_at": "x", "ended_at": "y"}, {"step": 2, "started_at": "x", "ended_at": "y"}]
    assert client(server).report("ws-001", events, "t", TRACE) == 2
    assert json.loads(server.requests[0].content) == {"events": events}
    assert server.requests[0].headers["traceparent"] == TRACE


def test_a_proxy_in_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:3128")
    monkeypatch.setenv("ALL_PROXY", "http://proxy.invalid:3128")
    assert client(Server())._http._mounts == {}


def test_a_step_is_performed_and_noted_with_its_begin_and_end() -> None:
    steps = ClientSteps("ws-001")
    assert steps(CLICK_CREATE_ORDER, max, 1, 2) == 2
    assert steps(REQUEST_DEMO_TOKEN, dict, a=1) == {"a": 1}
    assert [event["step"] for event in steps.events] == [1, 2]
    for event in steps.events:
        began, ended = (datetime.fromisoformat(event[name]) for name in ("started_at", "ended_at"))
        assert began <= ended
        assert began.tzinfo is not None


def test_a_step_that_raises_is_not_noted() -> None:
    steps = ClientSteps("ws-001")
    with pytest.raises(ZeroDivisionError):
        steps(CLICK_CREATE_ORDER, divmod, 1, 0)
    assert steps.events == []


def test_steps_noted_earlier_go_on_without_touching_what_was_kept() -> None:
    kept = [{"step": 1, "started_at": "x", "ended_at": "y"}]
    steps = ClientSteps("ws-001", kept)
    steps(REQUEST_DEMO_TOKEN, str)
    assert [event["step"] for event in steps.events] == [1, 2]
    assert len(kept) == 1
