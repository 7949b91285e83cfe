"""From the button to the confirmation: the steps as drawn, and what is said when they can't be."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest
from flask import Flask

import orderlab.client
from orderlab.portal.parts import Parts
from tests import contract


def parts(app: Flask) -> Parts:
    return app.extensions["orderlab"]


def created(answer: Any) -> str:
    assert answer.status_code == 303, answer.text
    return answer.location.rpartition("/")[2]


def test_one_press_orders_with_the_defaults(api: Any, browser: Any) -> None:
    order_id = created(browser.press())
    assert re.fullmatch(r"web-[0-9a-f]{10}", order_id)
    assert api.contents[order_id] == {
        "order_id": order_id,
        "customer": {"name": "Ada", "email": "ada@example.com"},
        "items": [{"sku": "KEYBOARD", "quantity": 1}],
        "payment_token": "tok_ok",
    }


def test_the_order_is_made_as_drawn_a_token_first_then_one_post_under_one_trace(api: Any, browser: Any) -> None:
    browser.get("/")
    api.requests.clear()
    fields = {"order_id": "ws-001", "product": "KEYBOARD", "quantity": "2", "payment_token": "tok_slow"}
    created(browser.press(**fields))
    asked = [(r.method, r.url.path) for r in api.requests][2:]  # behind what the page of the button reads
    assert asked == [("GET", "/login-demo"), ("POST", "/orders")]
    login, post = api.requests[-2:]
    assert login.headers["traceparent"] == post.headers["traceparent"]
    assert post.headers["Authorization"] == f"Bearer token-{api.logins}"
    assert json.loads(post.content)["payment_token"] == "tok_slow"


def test_the_confirmation_shows_the_id_and_then_reports_the_portals_steps_once_in_one_go(
    api: Any, browser: Any
) -> None:
    order_id = created(browser.press())
    assert api.reported(order_id) == []
    page = browser.get(f"/orders/{order_id}")
    assert "Pedido creado" in page
    assert f'id="order-id">{order_id}<' in page
    assert api.reported(order_id) == [1, 2, 4, 11]
    browser.get(f"/orders/{order_id}")
    assert api.asked("POST", f"/orders/{order_id}/events") == 1
    report = next(r for r in api.requests if r.method == "POST" and r.url.path.endswith("/events"))
    post = next(r for r in api.requests if r.method == "POST" and r.url.path == "/orders")
    assert report.headers["traceparent"] == post.headers["traceparent"]
    assert report.headers["Authorization"] == post.headers["Authorization"]
    times = [(event["started_at"], event["ended_at"]) for event in json.loads(report.content)["events"]]
    assert times == sorted(times)


@pytest.mark.parametrize("status", [None, 503])
def test_steps_that_could_not_be_reported_are_reported_with_the_next_look(
    api: Any, browser: Any, app: Flask, status: int | None
) -> None:
    order_id = created(browser.press())
    api.on_request = refuse("/events", "POST", status)
    browser.get(f"/orders/{order_id}")
    assert parts(app).reports.pending(order_id)
    api.on_request = lambda request: None
    parts(app).reports.hand_in(order_id)
    assert api.reported(order_id) == [1, 2, 4, 11]
    assert not parts(app).reports.pending(order_id)


def test_steps_the_api_does_not_take_are_let_go(api: Any, browser: Any, app: Flask) -> None:
    order_id = created(browser.press())
    api.on_request = lambda r: contract.problem(403, "Not yours.") if r.method == "POST" else None
    browser.get(f"/orders/{order_id}")
    assert not parts(app).reports.pending(order_id)


def test_a_retry_of_the_same_form_shows_the_stored_order_and_says_so(api: Any, browser: Any) -> None:
    created(browser.press(order_id="ws-001"))
    assert created(browser.press(order_id="ws-001")) == "ws-001"
    assert "Este pedido ya existía" in browser.get("/orders/ws-001")
    assert sorted(api.reported("ws-001")) == [1, 1, 2, 2, 4, 4, 11]  # two presses, one confirmation


def test_an_id_that_is_taken_is_said_beside_the_field(browser: Any) -> None:
    created(browser.press(order_id="ws-001"))
    answer = browser.press(order_id="ws-001", quantity="2")
    assert answer.status_code == 409
    assert re.search(r'name="order_id"[^>]*value="ws-001"[^>]*aria-invalid="true"', answer.text)
    assert "Este id ya lo tiene un pedido con otro contenido" in answer.text


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("quantity", "0", "Elige un número entero del 1 al 1000."),
        ("quantity", "1001", "Elige un número entero del 1 al 1000."),
        ("quantity", "", "Indica cuántas unidades."),
        ("quantity", "muchos", "entero"),
        ("order_id", "-no", "Usa de 1 a 64 letras"),
        ("order_id", "x" * 65, "Usa de 1 a 64 letras"),
        ("order_id", "pedido uno", "Usa de 1 a 64 letras"),
        ("order_id", "niño", "Usa de 1 a 64 letras"),
        ("payment_token", "tok_gold", "Opción inválida"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_sent(api: Any, browser: Any, field: str, value: str, said: str) -> None:
    answer = browser.press(**{field: value})
    assert answer.status_code == 422
    assert f'aria-describedby="{field}-error"' in answer.text
    assert said in re.search(rf'id="{field}-error">(.*?)</p>', answer.text)[1]
    assert api.asked("POST", "/orders") == 0


def test_an_empty_order_id_gets_one_from_the_portal(browser: Any) -> None:
    assert created(browser.press(order_id="  ")).startswith("web-")


def test_what_the_api_finds_wrong_stands_beside_its_field(api: Any, browser: Any) -> None:
    errors = [{"field": "items[0].sku", "problem": "is not in the catalogue"}]
    api.on_request = answer_order(contract.problem(422, "D", errors=errors))
    answer = browser.press()
    assert answer.status_code == 422
    assert "is not in the catalogue" in re.search(r'id="product-error">(.*?)</p>', answer.text)[1]


def test_what_the_api_says_otherwise_is_passed_on(api: Any, browser: Any) -> None:
    api.on_request = answer_order(contract.problem(403, "The token lacks <b>."))
    answer = browser.press()
    assert answer.status_code == 403
    assert 'role="alert"' in answer.text
    assert "The token lacks &lt;b&gt;." in answer.text


@pytest.mark.parametrize("lang", ["es", "en"])
def test_an_api_that_is_away_is_said_with_a_retry_that_sends_the_same_order(
    api: Any, browser: Any, lang: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orderlab.client._PATIENT, "sleep", lambda seconds: None)
    api.on_request = refuse("/orders", method="POST")
    answer = browser.press(lang, order_id="ws-001", quantity="3")
    assert answer.status_code == 503
    assert {"es": "La Orders API no responde", "en": "The Orders API is away"}[lang] in answer.text
    assert "Traceback" not in answer.text
    api.on_request = lambda request: None
    assert created(browser.send(browser.fields(answer.text))) == "ws-001"
    assert api.contents["ws-001"]["items"] == [{"sku": "KEYBOARD", "quantity": 3}]


def test_a_database_that_is_away_is_said_like_an_api_that_is(api: Any, browser: Any) -> None:
    api.on_request = answer_order(contract.problem(503, "PostgreSQL can't be reached."))
    answer = browser.press()
    assert answer.status_code == 503
    assert "PostgreSQL can&#39;t be reached." in answer.text
    assert "Intentar de nuevo" in answer.text


def test_a_form_without_its_csrf_token_is_refused_in_the_persons_language(api: Any, browser: Any) -> None:
    answer = browser.client.post("/orders", data={"order_id": "ws-001"})
    assert answer.status_code == 400
    assert "Este formulario es demasiado antiguo" in answer.text
    assert api.requests == []


def refuse(path: str, method: str, status: int | None = None) -> Any:
    """Answer these requests with this status, or break their connection."""

    def on_request(request: httpx.Request) -> httpx.Response | None:
        if request.method != method or not request.url.path.endswith(path):
            return None
        if status:
            return contract.problem(status, "It is away.")
        raise httpx.ConnectError("Connection refused")

    return on_request


def answer_order(answer: httpx.Response) -> Any:
    """Answer POST /orders with this."""
    return lambda request: answer if (request.method, request.url.path) == ("POST", "/orders") else None
