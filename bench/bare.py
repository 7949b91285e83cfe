"""The bare bound: the statements and publishes that an order needs, by plain psycopg and amqp loops.

No HTTP, no token, no service, no gate; the SQL is the lab's own, word for word.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import amqp
import psycopg

from orderlab.sequence import STEPS, Step, find_step
from orderlab.stack import State
from orderlab.store import queries

QUEUE = "bench.bare"
OUT = QUEUE + ".out"
NOBODY = QUEUE + ".nobody"
"""OrderConfirmed goes to whoever is interested: in the lab as here, to no queue."""
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
THREADS = {1: 4, 16: 12}
"""Loops of the bare worker by number of clients; more do not make it faster."""
NOTIFIERS = 2


def broker(amqp_url: str) -> Any:
    """A channel that publishes with confirms."""
    parts = urlsplit(amqp_url)
    connection = amqp.Connection(
        f"{parts.hostname}:{parts.port}",
        userid=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        virtual_host=unquote(parts.path[1:]) or "/",
        confirm_publish=True,
    )
    connection.connect()
    return connection.channel()


def publish(channel: Any, routing_key: str, body: dict[str, Any]) -> None:
    """One persistent message, confirmed."""
    message = amqp.Message(json.dumps(body), delivery_mode=2, content_type="application/json")
    channel.basic_publish(message, routing_key=routing_key)


def events(order_id: str, steps: Sequence[Step], *, is_open: bool = True) -> str:
    """These steps as the journal's rows; the last is the statement's own."""
    moment = datetime.now(UTC).isoformat()
    rows = [
        {
            "order_id": order_id,
            "step": step.number,
            "part": step.part or None,
            "name": step.name,
            "outcome": "ok",
            "lane": step.source,
            "attempt": 1,
            "trace_id": TRACE[3:35],
            "started_at": moment,
            "ended_at": None if is_open and step is steps[-1] else moment,
            "data": {},
        }
        for step in steps
    ]
    return json.dumps(rows)


def message(kind: str, order_id: str, **data: str) -> dict[str, Any]:
    """A message as a row of the outbox."""
    body = {"order_id": order_id, **data}
    return {"event_id": str(uuid4()), "type": kind, "source": "/bench", "data": body, "traceparent": TRACE}


def api(state: State) -> Callable[[int], Callable[[str], None]]:
    """A loop that does the API's part of an order: 6, 8, 9, and the batch that the journal writes behind it."""

    def client(_: int) -> Callable[[str], None]:
        database, channel = psycopg.connect(state.database_url, autocommit=True), broker(state.amqp_url)

        def place(order_id: str) -> None:
            execute = database.execute
            execute(queries.check_idempotency.sql, {"order_id": order_id, "skus": ["KEYBOARD"]}).fetchone()
            created = message("OrderCreated", order_id)
            execute(
                queries.insert_order.sql,
                {
                    "order_id": order_id,
                    "subject": "bench",
                    "customer_name": "Ada",
                    "customer_email": "ada@example.com",
                    "payment_token": "tok_ok",
                    "total": "49.90",
                    "currency": "EUR",
                    "design_outbox": True,
                    "design_idempotent_consumer": True,
                    "request": "{}",
                    "traceparent": TRACE,
                    "created_at": datetime.now(UTC),
                    "items": json.dumps([{"line": 1, "sku": "KEYBOARD", "quantity": 1, "price": "49.90"}]),
                    "messages": json.dumps([created]),
                    "events": events(order_id, [STEPS[n - 1] for n in (3, 5, 6, 7, 8)]),
                },
            )
            publish(channel, QUEUE, {"order_id": order_id})
            behind = events(order_id, [STEPS[n - 1] for n in (9, 10)], is_open=False)
            execute(queries.flush_journal.sql, {"events": behind, "published": [created["event_id"]]})

        return place

    return client


@contextmanager
def worker(state: State, clients: int) -> Iterator[None]:
    """The worker's and the notifier's part in a process of their own, for the time of a measurement."""
    channel = broker(state.amqp_url)
    with channel.connection:
        for queue in (QUEUE, OUT):
            channel.queue_declare(queue, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
    command = [sys.executable, "-m", "bench.bare", state.database_url, state.amqp_url, str(THREADS[clients])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    if not process.stdout.readline():  # it says when it is ready
        raise SystemExit("The bare worker has ended.")
    try:
        yield
    finally:
        process.kill()
        process.wait()


def work(database_url: str, amqp_url: str, ready: threading.Barrier) -> None:
    """A loop that does the worker's part: 12 to 19, and the batch that the journal writes behind it."""
    database, channel = psycopg.connect(database_url, autocommit=True), broker(amqp_url)

    def process(delivery: Any) -> None:
        order_id = json.loads(delivery.body)["order_id"]
        execute = database.execute
        execute(
            queries.start_processing.sql, {"order_id": order_id, "events": events(order_id, STEPS[11:12])}
        ).fetchone()
        execute(queries.items_short.sql, {"order_id": order_id}).fetchall()
        reserve = {"order_id": order_id, "again": False, "events": events(order_id, STEPS[12:14])}
        execute(queries.reserve_inventory.sql, reserve).fetchone()
        charge = {"amount": "49.90", "currency": "EUR", "payment_token": "tok_ok", "idempotency_key": order_id}
        execute(queries.charge.sql, {"order_id": order_id, **charge}).fetchone()
        told = [
            message("OrderConfirmed", order_id),
            message("Notification", order_id, audience="operations", type="order.confirmed"),
            message("Notification", order_id, audience="customer", type="order.confirmed"),
        ]
        execute(
            queries.settle_order.sql,
            {
                "order_id": order_id,
                "status": "CONFIRMED",
                "reason": None,
                "from_status": "INVENTORY_RESERVED",
                "again": False,
                "release": False,
                "messages": json.dumps(told),
                "outbox": True,
                "attempt": 1,
                "outcome": "ok",
                "events": events(order_id, STEPS[14:16]),
            },
        ).fetchone()
        for each, key in zip(told, (NOBODY, OUT, OUT), strict=True):
            publish(channel, key, each)
        channel.basic_ack(delivery.delivery_tag)
        behind = events(order_id, STEPS[16:19], is_open=False)
        published = [each["event_id"] for each in told]
        execute(queries.flush_journal.sql, {"events": behind, "published": published})

    consume(channel, QUEUE, process, ready)


def notify(database_url: str, amqp_url: str, ready: threading.Barrier) -> None:
    """A loop that does the notifier's part, 18a or 18b, but for the webhook: what is delivered is written down."""
    database, channel = psycopg.connect(database_url, autocommit=True), broker(amqp_url)

    def process(delivery: Any) -> None:
        told = json.loads(delivery.body)
        arrow = find_step("18a" if told["data"]["audience"] == "operations" else "18b")
        written = events(told["data"]["order_id"], [arrow], is_open=False)
        settled = {"event_id": told["event_id"], "status": "delivered", "reason": None, "events": written}
        database.execute(queries.settle_notification.sql, settled).fetchone()
        channel.basic_ack(delivery.delivery_tag)

    consume(channel, OUT, process, ready)


def consume(channel: Any, queue: str, process: Callable[[Any], None], ready: threading.Barrier) -> None:
    """Process what comes, one after the other, for ever."""
    channel.basic_qos(0, 1, False)
    channel.basic_consume(queue, callback=process)
    ready.wait()
    while True:
        channel.connection.drain_events()


def end(failed: Any) -> None:
    """With one loop the whole process ends: fewer loops would be another bound."""
    sys.__excepthook__(*failed[:3])
    os._exit(1)


if __name__ == "__main__":
    threading.excepthook = end
    loops = [work] * int(sys.argv[3]) + [notify] * NOTIFIERS
    all_of_them = threading.Barrier(len(loops) + 1)
    for loop in loops:
        threading.Thread(target=loop, args=(sys.argv[1], sys.argv[2], all_of_them), daemon=True).start()
    all_of_them.wait()
    print("ready", flush=True)
    threading.Event().wait()
