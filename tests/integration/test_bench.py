"""The benchmark is honest: the peer does orderlab's work, row for row, message for message, webhook for webhook."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import amqp
import httpx
import pytest
from kombu import Connection

from bench import systems
from bench.measure import measure
from orderlab import stack, topology
from tests.support import RunningLab

CASES: dict[str, dict[str, Any]] = {
    "confirmed": {},
    "three": {"items": [{"sku": sku, "quantity": n} for n, sku in enumerate(("MOUSE", "HEADSET", "KEYBOARD"), 1)]},
    "declined": {"payment_token": "tok_declined", "items": [{"sku": "MONITOR", "quantity": 2}]},
    "out-of-stock": {"items": [{"sku": "KEYBOARD", "quantity": 1}, {"sku": "SOLD-OUT", "quantity": 1}]},
    "flaky": {"payment_token": "tok_gateway_error"},
}
CHANGING = {
    "orders": "seq, created_at, updated_at, traceparent",
    "order_items": "",
    "payments": "payment_id, charged_at",
    "notifications": "event_id, created_at, updated_at",
    "outbox": "event_id, seq, created_at, published_at, traceparent",
    "order_events": "id, event_id, trace_id, started_at, ended_at",
}
"""Every table of an order, and its columns that differ from run to run by nature."""


def bodies(run: str) -> dict[str, dict[str, Any]]:
    """An order a case, under ids of this run."""
    one = {"customer": {"name": "Ada", "email": "ada@example.com"}, "items": [{"sku": "KEYBOARD", "quantity": 1}]}
    return {case: {"order_id": f"{run}-{case}", **one, "payment_token": "tok_ok", **CASES[case]} for case in CASES}


def without_ids(value: Any, run: str) -> Any:
    """The same for both systems: what is random or a time is a word, the run's name is gone."""
    if isinstance(value, dict):
        changing = {"copy", "copies", "webhook_id", "iat", "exp", "jti", "timestamp", "created_at", "updated_at"}
        return {name: "…" if name in changing else without_ids(each, run) for name, each in value.items()}
    if isinstance(value, list):
        return [without_ids(each, run) for each in value]
    return value.replace(run, "RUN") if isinstance(value, str) else value


class Seen:
    """What some orders have left behind, in a form that can be compared."""

    def __init__(self, lab: RunningLab, run: str) -> None:
        self.lab, self.run = lab, run
        self.answers: dict[str, Any] = {}
        self.messages: list[Any] = []

    def place(self) -> None:
        """Every case; and a replay, a conflict, a wrong token and an order that can't be."""
        http, orders = self.lab.http, bodies(self.run)
        token = http.get("/login-demo").json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        for case, body in orders.items():
            self._answer(case, http.post("/orders", json=body, headers=bearer))
        self.lab.settled(body["order_id"] for body in orders.values())
        first = orders["confirmed"]
        self._answer("replay", http.post("/orders", json=first, headers=bearer))
        again = {**first, "items": [{"sku": "MOUSE", "quantity": 9}]}
        self._answer("conflict", http.post("/orders", json=again, headers=bearer))
        wrong = {"no token": {}, "wrong token": {"Authorization": "Bearer no.such.token"}}
        for case, headers in wrong.items():
            self.answers[case] = http.post("/orders", json=first, headers=headers).status_code
        bad = {"unknown sku": {"items": [{"sku": "NO-SUCH", "quantity": 1}]}, "no items": {"items": []}}
        for case, fields in bad.items():
            body = {**first, "order_id": f"{self.run}-bad", **fields}
            self.answers[case] = http.post("/orders", json=body, headers=bearer).status_code

    def _answer(self, case: str, response: httpx.Response) -> None:
        body = without_ids(response.json(), self.run) if response.is_success else None  # how a refusal is put is free
        kept = {name: response.headers.get(name) for name in ("location", "idempotent-replayed")}
        self.answers[case] = (response.status_code, body, without_ids(kept, self.run))

    def wait(self) -> None:
        """Until the last of it is written: acks, webhooks, and the answers of the replay and the conflict."""
        count = """SELECT count(*) FROM order_events
                   WHERE order_id LIKE %s AND (step IN (10, 19) OR part IN ('a', 'b'))"""
        wanted = 4 * len(CASES) + 2
        self.lab.wait_for(lambda: self.lab.value(count, f"{self.run}-%") == wanted or None, "the journal is complete")

    def rows(self) -> dict[str, list[str]]:
        """Every row of every table."""
        found = {}
        for table, changing in CHANGING.items():
            left_out = changing.split(", ")
            rows = self.lab.sql(f"SELECT * FROM {table} WHERE order_id LIKE %s", f"{self.run}-%")
            kept = [{name: each for name, each in row.items() if name not in left_out} for row in rows]
            found[table] = sorted(json.dumps(without_ids(row, self.run), default=str, sort_keys=True) for row in kept)
        return found

    def webhooks(self) -> list[str]:
        """What arrived in the inbox."""
        ids = [body["order_id"] for body in bodies(self.run).values()]
        rows = [{**row, "body": json.loads(row["body"])} for row in self.lab.inbox(ids)]
        for row in rows:
            del row["received_at"]
        return sorted(json.dumps(without_ids(row, self.run), sort_keys=True) for row in rows)


@contextmanager
def watched(lab: RunningLab, seen: Seen) -> Iterator[None]:
    """Queues of our own on the fanouts; what came goes to `seen.messages`."""
    with Connection(lab.amqp_url) as connection:
        channel = connection.channel()
        queues = [exchange.name for exchange in topology.EXCHANGES]
        for name in queues:
            channel.queue_declare(f"seen.{name}", exclusive=True)
            channel.queue_bind(f"seen.{name}", name)
        yield
        for name in queues:
            while raw := channel.basic_get(f"seen.{name}", no_ack=True):
                seen.messages.append(as_seen(name, raw, seen.run))
        seen.messages.sort()


def as_seen(exchange: str, raw: amqp.Message, run: str) -> str:
    """A message without what differs by nature; that it is there at all, stays."""
    headers = dict(raw.headers)
    for name in ("cloudEvents_id", "cloudEvents_time", "cloudEvents_traceparent"):
        assert headers[name]
        headers[name] = "…"
    assert raw.properties["message_id"] == raw.headers["cloudEvents_id"]
    kept = {name: raw.properties.get(name) for name in ("delivery_mode", "content_type", "content_encoding", "app_id")}
    assert raw.properties["correlation_id"]
    body = json.loads(raw.body)
    return json.dumps(without_ids([exchange, headers, kept, body], run), sort_keys=True)


def take(lab: RunningLab, run: str) -> Seen:
    """Place the orders of a run, and see what they leave behind."""
    seen = Seen(lab, run)
    with watched(lab, seen):
        seen.place()
        seen.wait()
    return seen


@pytest.fixture
def peer(lab: RunningLab) -> Iterator[systems.System]:
    """The peer, in place of orderlab's services on the lab's own servers."""
    with systems.without_services(lab.home), systems.peer(lab.home, stack.attached(lab.home)) as system:
        yield system
    stack.up(lab.home, jupyter=False)  # orderlab's services are there again for whoever comes next


def test_the_peer_leaves_the_same_rows_messages_and_webhooks_as_orderlab(
    lab: RunningLab, request: pytest.FixtureRequest
) -> None:
    ours = take(lab, f"o{uuid.uuid4().hex[:8]}")
    rows, webhooks = ours.rows(), ours.webhooks()
    lab.check_books(body["order_id"] for body in bodies(ours.run).values())

    request.getfixturevalue("peer")
    theirs = take(lab, f"p{uuid.uuid4().hex[:8]}")
    assert theirs.answers == ours.answers
    theirs_rows = theirs.rows()
    for table in CHANGING:
        assert theirs_rows[table] == rows[table], table
    assert theirs.messages == ours.messages
    assert theirs.webhooks() == webhooks
    lab.check_books(body["order_id"] for run in (ours.run, theirs.run) for body in bodies(run).values())
    assert lab.value("SELECT count(*) FROM outbox WHERE published_at IS NULL") == 0


def test_orders_of_three_products_in_any_order_cost_the_peer_no_error_and_leave_its_stock_exact(
    peer: systems.System,
) -> None:
    figures = measure(peer, 96, 16, 3)
    assert figures["5xx"] == 0
    assert figures["confirmed/s"] > 0
    assert {"cpu postgresql", "cpu rabbitmq", "cpu orders-api", "cpu worker", "cpu notifier", "cpu portal"} < set(
        figures
    )
