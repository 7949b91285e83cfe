"""What the tests do with a running lab: place orders, look into its tables, wait for what must come, break things."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import jwt
import psycopg
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from orderlab import schema, stack
from orderlab.stack import Home

PATIENCE = 60.0
"""Seconds after which something that must come is missing."""


class RunningLab:
    """A private lab for the tests, with every server and service in it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        state = stack.attached(home)
        self.api_url, self.portal_url = state.api_url, state.portal_url
        self.amqp_url, self.database_url = state.amqp_url, state.database_url
        self.portal_data = Home(home).inbox
        self.http = httpx.Client(base_url=self.api_url, timeout=30)

    @cached_property
    def secrets(self) -> dict[str, str]:
        return Home(self.home).secrets()

    # orders

    @cached_property
    def token(self) -> str:
        return str(self.http.get("/login-demo").json()["access_token"])

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def mint(self, key: str | None = None, algorithm: str = "HS256", headers: Any = None, **claims: Any) -> str:
        """A token like the lab's own, with whatever is wrong with it."""
        good = jwt.decode(self.token, options={"verify_signature": False})
        claims = {name: value for name, value in {**good, **claims}.items() if value is not None}
        return jwt.encode(claims, self.secrets["jwt"] if key is None else key, algorithm=algorithm, headers=headers)

    def order(self, order_id: str | None = None, **fields: Any) -> dict[str, Any]:
        """The body of a good order, with a new id."""
        return {
            "order_id": order_id or f"t-{uuid.uuid4().hex[:12]}",
            "customer": {"name": "Ada", "email": "ada@example.com"},
            "items": [{"sku": "KEYBOARD", "quantity": 1}],
            "payment_token": "tok_ok",
            **fields,
        }

    def post(self, body: Any, **headers: str) -> httpx.Response:
        """POST /orders with a token."""
        return self.http.post("/orders", json=body, headers={**self.bearer, **headers})

    def place(self, order_id: str | None = None, **fields: Any) -> str:
        """Place an order that must be accepted; its id."""
        body = self.order(order_id, **fields)
        response = self.post(body)
        assert response.status_code == 201, response.text
        return str(body["order_id"])

    def place_many(self, bodies: Iterable[dict[str, Any]], clients: int = 8) -> list[str]:
        """Place orders from several clients at once, each insisting as a good client does; the ids in that order."""

        def insist(body: dict[str, Any]) -> str:
            end = time.monotonic() + PATIENCE
            while True:
                try:
                    response = self.post(body)
                    if response.status_code in (200, 201):
                        return str(body["order_id"])
                    assert response.status_code == 503, response.text
                except httpx.TransportError:
                    pass
                assert time.monotonic() < end, f"{body['order_id']} was never accepted"
                time.sleep(0.1)  # a client's back-off

        _ = self.token
        with ThreadPoolExecutor(clients) as pool:
            return list(pool.map(insist, bodies))

    def events(self, order_id: str) -> list[dict[str, Any]]:
        """The order's journal."""
        body = self.http.get(f"/orders/{order_id}/events", headers=self.bearer).json()
        return list(body["events"])

    # the database

    def sql(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        """Rows of a query, as the owner."""
        with psycopg.connect(self.database_url, row_factory=dict_row, autocommit=True) as connection:
            return connection.execute(query, parameters).fetchall()

    def value(self, query: str, *parameters: Any) -> Any:
        """The one value of a query."""
        return next(iter(self.sql(query, *parameters)[0].values()))

    # waiting

    def wait_for(self, condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
        """What `condition` gives once that is true; looked at whenever the journal tells of something new."""
        end = time.monotonic() + seconds
        while True:
            try:
                with psycopg.connect(self.database_url, autocommit=True) as connection:
                    connection.execute("LISTEN order_events; SELECT lab.watch()")
                    while True:
                        if found := condition():
                            return found
                        assert time.monotonic() < end, f"waited {seconds:g} s in vain: {what}"
                        for _ in connection.notifies(timeout=0.5, stop_after=1):
                            pass
            except psycopg.OperationalError:
                assert time.monotonic() < end, f"waited {seconds:g} s in vain: {what}"
                time.sleep(0.2)  # the database is away on purpose

    def settled(self, order_ids: Iterable[str], seconds: float = PATIENCE) -> dict[str, str]:
        """The status of each order once all are CONFIRMED or REJECTED and their messages are gone."""
        ids = list(order_ids)

        def all_settled() -> dict[str, str] | None:
            rows = self.sql("SELECT order_id, status FROM orders WHERE order_id = ANY(%s)", ids)
            waiting = self.value(
                "SELECT count(*) FROM outbox WHERE order_id = ANY(%s) AND published_at IS NULL", ids
            ) + self.value("SELECT count(*) FROM notifications WHERE order_id = ANY(%s) AND status = 'pending'", ids)
            found = {row["order_id"]: row["status"] for row in rows}
            done = len(found) == len(ids) and set(found.values()) <= {"CONFIRMED", "REJECTED"} and not waiting
            return found if done else None

        return dict(self.wait_for(all_settled, f"{len(ids)} orders settled", seconds))

    def recorded(self, order_id: str, *names: str) -> list[dict[str, Any]]:
        """The order's journal once it holds events of these names."""
        return list(
            self.wait_for(
                lambda: (lambda events: set(names) <= {e["name"] for e in events} and events)(self.events(order_id)),
                f"{names} of {order_id}",
            )
        )

    def complete(self, order_id: str) -> list[dict[str, Any]]:
        """The order's journal once it is settled, acked and both webhooks are recorded."""
        return list(
            self.wait_for(
                lambda: (
                    lambda events: (
                        any(e["name"] == "ack_message" for e in events)
                        and {"a", "b"} <= {e["part"] for e in events}
                        and events
                    )
                )(self.events(order_id)),
                f"the whole journal of {order_id}",
            )
        )

    # what the guarantees say

    def check_books(self, order_ids: Iterable[str]) -> None:
        """Charged once if CONFIRMED and never if REJECTED, stock exact, one notification per audience."""
        ids = list(order_ids)
        wrong_charges = self.sql(
            """SELECT o.order_id, o.status, count(p.payment_id) AS charges
               FROM orders o LEFT JOIN payments p USING (order_id)
               WHERE o.order_id = ANY(%s) GROUP BY 1, 2
               HAVING count(p.payment_id) <> CASE WHEN o.status = 'CONFIRMED' THEN 1 ELSE 0 END""",
            ids,
        )
        assert not wrong_charges
        wrong_stock = self.sql(
            """SELECT p.sku, p.reserved, coalesce(sum(i.quantity), 0) AS held FROM products p
               LEFT JOIN (order_items i JOIN orders o ON o.order_id = i.order_id
                          AND o.status IN ('CONFIRMED', 'INVENTORY_RESERVED')) ON i.sku = p.sku
               GROUP BY 1, 2 HAVING p.reserved <> coalesce(sum(i.quantity), 0)"""
        )
        assert not wrong_stock, wrong_stock
        wrong_notifications = self.sql(
            """SELECT o.order_id, count(n.event_id) AS notifications, count(DISTINCT n.audience) AS audiences
               FROM orders o LEFT JOIN notifications n USING (order_id) WHERE o.order_id = ANY(%s)
               GROUP BY 1 HAVING count(n.event_id) <> 2 OR count(DISTINCT n.audience) <> 2""",
            ids,
        )
        assert not wrong_notifications
        messages = self.sql(
            "SELECT order_id, count(*) AS n FROM outbox WHERE order_id = ANY(%s) GROUP BY 1 HAVING count(*) <> 4", ids
        )
        assert not messages

    def inbox(self, order_ids: Iterable[str]) -> list[dict[str, Any]]:
        """The webhooks of these orders that the portal has in its inbox."""
        wanted = set(order_ids)
        with closing(sqlite3.connect(self.portal_data)) as inbox:
            inbox.row_factory = sqlite3.Row
            return [dict(row) for row in inbox.execute("SELECT * FROM inbox") if row["order_id"] in wanted]

    # breaking things

    def kill(self, program: str) -> None:
        """SIGKILL; the supervisor brings it back."""
        stack.kill(self.home, program)

    def revive(self, program: str) -> None:
        """Return once a program that was stopped or killed is ready again."""
        stack.start(self.home, program)

    def stop(self, program: str) -> None:
        """Take a program away until `revive`."""
        stack.stop(self.home, program)

    def scale(self, service: str, processes: int) -> None:
        """Have this many processes of a service."""
        stack.scale(self.home, {service: processes})

    @contextmanager
    def another(self, service: str, **environment: str) -> Iterator[None]:
        """One more process of a service, with settings of its own."""
        database_url = schema.role_url(self.database_url, service, self.secrets[f"database:{service}"])
        told = {
            "ORDERLAB_DATABASE_URL": database_url,
            "ORDERLAB_AMQP_URL": self.amqp_url,
            "ORDERLAB_PORTAL_URL": self.portal_url,
            "ORDERLAB_WEBHOOK_SECRET": self.secrets["webhook"],
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "orderlab.services", service], env={**os.environ, **told, **environment}
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=10)


def open_pool(database_url: str, size: int) -> ConnectionPool[psycopg.Connection[dict[str, Any]]]:
    """A pool for threads, where there is no eventlet: each statement is its own transaction."""
    return ConnectionPool(
        database_url,
        kwargs={"autocommit": True, "row_factory": dict_row, "connect_timeout": 3},
        min_size=1,
        max_size=size,
        open=True,
    )


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """The problem an answer must be, with the form that RFC 9457 asks for."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = json.loads(response.text)
    assert body["status"] == status
    assert body["title"]
    assert body["detail"].endswith(".") or "errors" in body
    assert "Traceback" not in response.text
    return body
