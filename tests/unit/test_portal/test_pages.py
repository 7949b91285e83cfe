"""The pages: languages, headers, errors, and the order as it is shown."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from flask import Flask

from orderlab.client import ApiProblem, OrdersClient
from orderlab.drawing.colours import fingerprint
from orderlab.drawing.words import SPANISH
from orderlab.portal import create_app
from orderlab.portal.parts import Reader
from orderlab.settings import MissingSetting, Settings
from tests import contract


def press(browser: Any, **fields: str) -> str:
    return browser.press(**fields).location.rpartition("/")[2]


def test_the_button_says_crear_pedido_unless_english_was_chosen(browser: Any) -> None:
    assert '<button class="press">Crear Pedido</button>' in browser.get("/")
    page = browser.get("/?lang=en")
    assert '<html lang="en">' in page
    assert '<button class="press">Create Order</button>' in page
    assert "Create Order" in browser.get("/"), "the choice is remembered"
    assert "Crear Pedido" in browser.get("/?lang=es")


@pytest.mark.parametrize("asked", ["de", "es_XX", "../etc", "", "en" * 500, "%00"])
def test_a_language_there_is_not_leaves_spanish(browser: Any, asked: str) -> None:
    assert '<html lang="es">' in browser.get(f"/?lang={asked}")


def test_a_browser_that_says_english_unasked_still_gets_the_diagrams_button(app: Flask) -> None:
    page = app.test_client().get("/", headers={"Accept-Language": "en-US,en;q=0.9"}).text
    assert "Crear Pedido" in page


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("es", ["la API (OpenAPI)", "exchanges, colas y mensajes (AsyncAPI)"]),
        ("en", ["the API (OpenAPI)", "exchanges, queues and messages (AsyncAPI)"]),
    ],
)
def test_every_page_links_to_what_the_api_says_of_itself(app: Flask, language: str, words: list[str]) -> None:
    page = app.test_client().get(f"/inbox?lang={language}").text
    for name, said in zip(("openapi", "asyncapi"), words, strict=True):
        assert f'<a href="/{name}.json">{said}</a>' in page
        assert app.test_client().get(f"/{name}.json").json == {name: "3"}


@pytest.mark.parametrize("path", ["/", "/inbox", "/orders/none", "/nowhere", "/health", "/static/portal.js"])
def test_every_answer_is_hardened(app: Flask, path: str) -> None:
    headers = app.test_client().get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert ("no-store" in headers["Cache-Control"]) == (not path.startswith("/static"))


def test_no_page_has_inline_script_or_style(browser: Any) -> None:
    order_id = press(browser)
    for path in ("/", "/inbox", "/nowhere", f"/orders/{order_id}"):
        page = browser.get(path, status=404 if path == "/nowhere" else 200)
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:", page)
        assert not re.search(r'(?:src|href)="(?:https?:)?//', page), "nothing comes from elsewhere"


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(app: Flask) -> None:
    cookie = app.test_client().get("/?lang=en").headers["Set-Cookie"]
    assert cookie.startswith("orderlab_portal_8080=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_health_needs_no_api(api: Any, browser: Any) -> None:
    assert '"ok"' in browser.get("/health")
    assert api.requests == []


def test_recent_orders_are_listed_with_links(browser: Any) -> None:
    press(browser, order_id="ws-001")
    page = browser.get("/")
    assert 'href="/orders/ws-001"' in page
    assert "49,90\xa0€" in page
    assert "€49.90" in browser.get("/?lang=en")


def test_the_orders_page_shows_its_steps_its_drawing_and_the_same_as_text(api: Any, browser: Any) -> None:
    order_id = press(browser)
    browser.get(f"/orders/{order_id}")  # the portal's own steps are reported behind this
    page = browser.get(f"/orders/{order_id}")
    assert re.findall(r'data-step="(\w+)"', page) == ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"]
    assert SPANISH.steps["check_idempotency"] in page
    assert "data:image/svg+xml;base64," in page
    assert "Usuario     → Demo Portal" in re.search(r"<pre>(.*?)</pre>", page, re.S)[1]
    assert f'data-stream="/orders/{order_id}/stream?after=11"' in page


def test_a_finished_order_opens_no_stream(api: Any, browser: Any) -> None:
    order_id = press(browser)
    browser.get(f"/orders/{order_id}")
    for happen in api.travel(order_id):
        happen()
    page = browser.get(f"/orders/{order_id}")
    assert "data-stream" not in page
    assert 'id="status">CONFIRMED' in page


@pytest.mark.parametrize(
    ("outcome", "step", "said", "way"),
    [
        ("out_of_stock", 13, "no hay existencias suficientes", 2),
        ("declined", 15, "el pago fue denegado", 3),
    ],
)
def test_a_rejected_order_says_why(api: Any, browser: Any, outcome: str, step: int, said: str, way: int) -> None:
    order_id = press(browser)
    api.happen(order_id, step, outcome=outcome, status="REJECTED")
    page = browser.get(f"/orders/{order_id}")
    assert 'id="status">REJECTED' in page
    assert said in page
    assert len(re.findall("<span", re.search(r'<div class="way.*?</div>', page, re.S)[0])) == way


def ended(api: Any, browser: Any, status: str = "CONFIRMED", **evidence: Any) -> str:
    """The page of an order that has come to its end."""
    order_id = press(browser)
    for happen in api.travel(order_id):
        happen()
    api.orders[order_id]["status"] = status
    api.evidence[order_id] = {"charges": int(status == "CONFIRMED"), **evidence}
    return browser.get(f"/orders/{order_id}")


TICK = 'class="sign good"'
GIVEN_UP = [{"id": "1", "audience": "operations", "status": "failed", "reason": "given up"}]


def test_an_order_that_went_well_has_a_tick_and_its_verdict(api: Any, browser: Any) -> None:
    page = ended(api, browser)
    assert TICK in page
    assert "<h1>Pedido confirmado</h1>" in page
    assert 'id="verdict">correcto' in page
    assert "outbox y consumidor idempotente" in page, "the design is shown"


@pytest.mark.parametrize(
    ("status", "evidence", "says"),
    [
        ("CONFIRMED", {"charges": 2}, "Al cliente se le cobró más de una vez"),
        ("REJECTED", {"charges": 1}, "Al cliente se le cobró un pedido rechazado"),
        ("REJECTED", {"charges": 0}, "Las existencias no cuadran"),  # nothing was given back
        ("CONFIRMED", {"notifications": GIVEN_UP, "still": 9}, "Algo se perdió"),
        ("REJECTED", {"charges": 0, "wants": 0}, "Pedido rechazado"),
    ],
)
def test_no_tick_and_no_word_of_success_stand_over_an_order_that_went_wrong_or_was_rejected(
    api: Any, browser: Any, status: str, evidence: dict[str, Any], says: str
) -> None:
    page = ended(api, browser, status, **evidence)
    assert TICK not in page
    assert re.search(r"<h1>(.*?)</h1>", page)[1].startswith(says)
    assert "pagado" not in page
    assert "Pedido creado" not in page


def test_what_is_wrong_is_said_in_the_page_s_language(api: Any, browser: Any) -> None:
    page = ended(api, browser, charges=2)
    assert "<li>duplicado: cobrado 2 veces</li>" in page
    (order_id,) = re.findall(r'id="order-id">([^<]+)<', page)
    assert "<li>duplicated: charged 2 times</li>" in browser.get(f"/orders/{order_id}?lang=en")


def test_what_is_not_there_yet_is_not_called_lost(api: Any, browser: Any) -> None:
    page = ended(api, browser, notifications=GIVEN_UP, still=0.1)
    assert "Algo se perdió" not in page
    assert TICK not in page


def test_a_crash_and_what_died_with_it_are_on_the_page(api: Any, browser: Any) -> None:
    order_id = press(browser)
    api.happen(order_id, 12, 13, 14)
    lost = api.events[order_id].pop()  # 14, of which no record is left
    hit = {"kind": "crash", "step": "15", "side": "before", "attempt": 1, "process": "worker", "at": lost["ended_at"]}
    api.firings[order_id] = [{**hit, "unwritten": [lost]}]
    page = browser.get(f"/orders/{order_id}")
    steps = page[page.index('id="steps"') : page.index("</ol>")]
    assert '<li class="band broken">✗ crash antes de 15: worker</li>' in steps
    assert re.search(r'<li class="ok unrecorded" data-step="14">.*sin registro', steps)
    assert "✗ crash antes de 15: worker" in re.search(r"<pre>(.*?)</pre>", page, re.S)[1]


def test_a_drawing_by_itself_may_bring_its_own_colours_for_the_dark_and_nothing_else(app: Flask, browser: Any) -> None:
    order_id = press(browser)
    answer = app.test_client().get(f"/orders/{order_id}/sequence.svg")
    policy = answer.headers["Content-Security-Policy"]
    (sheet,) = re.findall(r"<style>(.*?)</style>", answer.text)
    assert fingerprint(sheet) in policy
    assert "unsafe" not in policy
    assert "style-src" not in app.test_client().get("/inbox").headers["Content-Security-Policy"]


@pytest.mark.parametrize("query", ["", "?compact=1"])
def test_the_drawing_can_be_had_by_itself(browser: Any, query: str) -> None:
    order_id = press(browser)
    svg = browser.get(f"/orders/{order_id}/sequence.svg{query}")
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert "Comprobar idempotencia" in svg


@pytest.mark.parametrize("path", ["/orders/none", "/orders/no%20id", "/orders/none/stream", "/nowhere", "/orders"])
def test_what_is_not_there_is_said_in_the_persons_language(browser: Any, path: str) -> None:
    status = 405 if path == "/orders" else 404
    assert {404: "Aquí no hay nada", 405: "Así no"}[status] in browser.get(path, status=status)


def test_an_api_that_is_away_is_said_on_every_page_that_needs_it(api: Any, browser: Any) -> None:
    def away(request: httpx.Request) -> None:
        raise httpx.ReadTimeout("slow")

    api.on_request = away
    for path in ("/", "/orders/ws-001", "/orders/ws-001/sequence.svg"):
        assert "La Orders API no responde" in browser.get(path, status=503)
    assert "Todavía no ha llegado nada" in browser.get("/inbox"), "the inbox is the portal's own"


def test_a_fault_of_the_portals_own_shows_nothing_of_its_inside(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    app.testing = False
    monkeypatch.setattr("orderlab.portal.store.Inbox.newest", lambda self: 1 / 0)
    answer = app.test_client().get("/inbox")
    assert answer.status_code == 500
    assert "Algo ha fallado en el portal" in answer.text
    assert "division" not in answer.text


def test_a_reading_token_that_ran_out_is_renewed_once(api: Any) -> None:
    reader = Reader(OrdersClient("http://api.test", transport=httpx.MockTransport(api)))
    reader.orders(1)
    reader.orders(1)
    assert api.logins == 1
    expired = partial(contract.problem, 401, "The token has run out.")
    api.on_request = lambda r: expired() if r.headers.get("Authorization") == "Bearer token-1" else None
    reader.orders(1)
    assert api.logins == 2
    api.on_request = lambda r: expired() if "Authorization" in r.headers else None
    with pytest.raises(ApiProblem):
        reader.orders(1)


def test_the_portal_does_not_start_without_its_secrets(tmp_path: Path) -> None:
    with pytest.raises(MissingSetting, match="ORDERLAB_PORTAL_SECRET, ORDERLAB_WEBHOOK_SECRET"):
        create_app(Settings(portal_data=str(tmp_path / "x.sqlite3")))


def test_the_portals_file_is_its_owners_alone(app: Flask, settings: Settings) -> None:
    assert stat.S_IMODE(Path(settings.portal_data).stat().st_mode) == 0o600


def test_the_portal_loads_no_database_broker_or_table_library() -> None:
    check = (
        "import sys, orderlab.portal;"
        "print(*sorted({'psycopg', 'pandas', 'matplotlib', 'nameko', 'eventlet', 'amqp'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == []
