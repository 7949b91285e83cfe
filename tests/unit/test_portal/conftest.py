"""The portal with a stand-in for the Orders API, which does at each long poll what the test has planned."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient

from orderlab.client import OrdersClient
from orderlab.portal import create_app
from orderlab.sequence import CLIENT_STEPS, STEPS, WEBHOOK_CUSTOMER, WEBHOOK_OPERATIONS, Step
from orderlab.settings import Settings
from tests import contract

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"w" * 32).decode()


class FakeApi:
    """What the portal may meet: orders, events, problems, and connections that break."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.breaches: list[str] = []
        self.orders: dict[str, dict[str, Any]] = {}
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.firings: dict[str, list[dict[str, Any]]] = {}
        self.evidence: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, Any] = {}
        self.logins = 0
        self.on_request: Callable[[httpx.Request], httpx.Response | None] = lambda request: None
        self.on_poll: list[Callable[[], object]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.on_request(request) or self._answer(request)
        self.breaches += contract.breaches(request, answer)
        return answer

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/login-demo":
            self.logins += 1
            token = {"access_token": f"token-{self.logins}", "token_type": "Bearer", "expires_in": 3600}
            return httpx.Response(200, json=token)
        if path == "/catalogue":
            product = {"sku": "KEYBOARD", "name": "Keyboard", "price": "49.90", "currency": "EUR", "available": 100}
            last = {"sku": "SOLD-OUT", "name": "Poster", "price": "9.00", "currency": "EUR", "available": 0}
            return httpx.Response(200, json={"products": [product, last]})
        if path in ("/openapi.json", "/asyncapi.json"):
            return httpx.Response(200, json={path[1:-5]: "3"})
        if not request.headers.get("Authorization", "").startswith("Bearer token-"):
            return contract.problem(401, "This needs a token.")
        if path == "/orders" and request.method == "POST":
            return self._create(json.loads(request.content))
        if path == "/orders":
            return httpx.Response(200, json={"orders": list(self.orders.values())[::-1], "next": None})
        if found := re.fullmatch(r"/orders/([^/]+)(/events)?", path):
            return self._order(found[1], bool(found[2]), request)
        return contract.problem(404, "There is nothing at this address.")

    def _create(self, body: dict[str, Any]) -> httpx.Response:
        order_id = body["order_id"]
        if order_id in self.orders:
            if self.contents[order_id] == body:
                return httpx.Response(200, json=self.orders[order_id], headers={"Idempotent-Replayed": "true"})
            return contract.problem(409, "This order id is taken.")
        self.contents[order_id] = body
        items = [{**item, "price": "49.90"} for item in body["items"]]
        self.orders[order_id] = {
            "order_id": order_id,
            "status": "RECEIVED",
            "total": "49.90",
            "currency": "EUR",
            "items": items,
            "customer": body["customer"],
            "created_at": START.isoformat(),
            "updated_at": START.isoformat(),
            "rejection_reason": None,
            "design": {"outbox": True, "idempotent_consumer": True, **body.get("design", {})},
        }
        self.events[order_id] = []
        self.happen(order_id, 3, 5, 6, 7, 8, 9, 10)
        return httpx.Response(201, json=self.orders[order_id])

    def _order(self, order_id: str, events: bool, request: httpx.Request) -> httpx.Response:
        if order_id not in self.orders:
            return contract.problem(404, "There is no order with this id.")
        if not events:
            return httpx.Response(200, json=self.orders[order_id])
        if request.method == "POST":
            reported = json.loads(request.content)["events"]
            self.happen(order_id, *(event["step"] for event in reported))
            return httpx.Response(202, json={"accepted": len(reported)})
        if "wait" in parse_qs(request.url.query.decode()) and self.on_poll:
            self.on_poll.pop(0)()
        told = sorted(self.events[order_id], key=lambda event: (event["step"], event["part"] or ""))
        order = self.orders[order_id]
        final = order["status"] in ("CONFIRMED", "REJECTED")
        outbox = [{"type": f"Order{order['status'].title()}", "audience": None, "published": True}]
        outbox += [{"type": "Notification", "audience": a, "published": True} for a in ("operations", "customer")]
        there = [{"id": a, "audience": a, "status": "delivered", "reason": None} for a in ("operations", "customer")]
        evidence = {
            "deliveries": max((event["attempt"] for event in told if event["step"] == 12), default=0),
            "charges": int(order["status"] == "CONFIRMED"),
            "wants": sum(item["quantity"] for item in order["items"]),
            "design": order["design"],
            "notifications": there if any(event["part"] for event in told) else [],
            "outbox": outbox if final else [],
            "halts": [],
            "still": 0,
        } | self.evidence.get(order_id, {})
        body = {"order_id": order_id, "status": order["status"], "events": told}
        return httpx.Response(200, json={**body, "firings": self.firings.get(order_id, []), "evidence": evidence})

    def happen(
        self, order_id: str, *steps: int | Step, status: str | None = None, outcome: str = "ok", name: str = ""
    ) -> None:
        """Record these steps, and the order's status."""
        known = self.events[order_id]
        for step in steps:
            step = STEPS[step - 1] if isinstance(step, int) else step
            began = START + timedelta(milliseconds=10 * step.number)
            known.append(
                {
                    "id": len(known) + 1,
                    "step": step.number,
                    "part": step.part or None,
                    "label": step.label,
                    "name": name or step.name,
                    "outcome": outcome,
                    "lane": step.source,
                    "attempt": 1,
                    "trace_id": "a" * 32,
                    "started_at": began.isoformat(),
                    "ended_at": (began + timedelta(milliseconds=5)).isoformat(),
                    "data": {},
                }
            )
        if status:
            self.orders[order_id]["status"] = status

    def travel(self, order_id: str) -> list[Callable[[], object]]:
        """What happens to a confirmed order behind its 201, a poll after the other."""
        return [
            lambda: self.happen(order_id, 12, 13, 14, status="INVENTORY_RESERVED"),
            lambda: None,
            lambda: self.happen(order_id, 15, 16, 17, 18, 19, status="CONFIRMED"),
            lambda: self.happen(order_id, WEBHOOK_OPERATIONS, WEBHOOK_CUSTOMER),
        ]

    def reported(self, order_id: str) -> list[int]:
        """The client steps that reached the API."""
        numbers = {step.number for step in CLIENT_STEPS}
        return [event["step"] for event in self.events[order_id] if event["step"] in numbers]

    def asked(self, method: str, path: str) -> int:
        """How often something was asked for."""
        return sum(1 for request in self.requests if (request.method, request.url.path) == (method, path))


class Browser:
    """A person's browser without JavaScript: keeps cookies, fills the form in, presses the button."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def get(self, path: str, status: int = 200) -> str:
        """A page's text."""
        response = self.client.get(path, buffered=True)
        assert response.status_code == status, response.text
        return response.text

    def press(self, lang: str = "es", **fields: str) -> Any:
        """Open the form, fill it in, press; the answer to that."""
        page = self.client.get(f"/?lang={lang}", buffered=True).text
        return self.send({**self.fields(page), **fields})

    def send(self, fields: dict[str, Any]) -> Any:
        """Send a form."""
        return self.client.post("/orders", data=fields, buffered=True)

    @staticmethod
    def fields(page: str) -> dict[str, Any]:
        """What a press of the button would send, read off the page."""
        fields: dict[str, Any] = {}
        for tag in re.findall(r"<input[^>]*>|<select.*?</select>", page, re.S):
            value = re.search(r'value="([^"]*)" selected', tag) or re.search(r'value="([^"]*)"', tag)
            fields.setdefault(re.search(r'name="([^"]*)"', tag)[1], []).append(value[1])
        return {name: values if len(values) > 1 else values[0] for name, values in fields.items()}


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """The stand-in for the Orders API; whatever it was asked and answered must be what the real one describes."""
    api = FakeApi()
    yield api
    assert not api.breaches, "\n".join(api.breaches)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The portal's settings."""
    return Settings(
        portal_secret="p" * 32, webhook_secret=WEBHOOK_SECRET, portal_data=str(tmp_path / "data" / "inbox.sqlite3")
    )


@pytest.fixture
def app(api: FakeApi, settings: Settings) -> Iterator[Flask]:
    """The portal."""
    client = OrdersClient("http://orders-api.test", transport=httpx.MockTransport(api))
    app = create_app(settings, client=client)
    app.testing = True
    yield app
    client.close()


@pytest.fixture
def browser(app: Flask) -> Browser:
    """A person in front of it."""
    return Browser(app.test_client())
