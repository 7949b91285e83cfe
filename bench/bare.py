"""The bare bound: the statements and publishes that an order needs, by plain psycopg and amqp loops.

No HTTP, no token, no service, no gate; the SQL is the lab's own, word for word. `python -m bench.bare api …` places
orders, and tells of them as `bench.load` does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import amqp
import psycopg

from bench.load import Placed, order_of, tell
from orderlab.sequence import STEPS, Step, find_step
from orderlab.stack import State
from orderlab.store import queries

QUEUE = "bench.bare"
OUT = QUEUE + ".out"
NOBODY = QUEUE + ".nobody"
"""OrderConfirmed goes to whoever is interested: in the lab as here, to no queue."""
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CLIENTS, WORKERS, NOTIFIERS = 16, 8, 2
"""Loops at most; more do not make it faster."""


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
            "event_id": str(uuid4()),
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


PRICES = {"KEYBOARD": "49.90", "MOUSE": "19.95", "MONITOR": "229.00", "HEADSET": "59.50"}


def place(database: psycopg.Connection[Any], channel: Any, order: dict[str, Any]) -> None:
    """The API's part of an order: 6, 8, 9, and the batch that the journal writes behind it."""
    order_id, execute = order["order_id"], database.execute
    skus = [item["sku"] for item in order["items"]]
    execute(queries.check_idempotency.sql, {"order_id": order_id, "skus": skus}).fetchone()
    created = message("OrderCreated", order_id)
    items = [{"line": n, "price": PRICES[item["sku"]], **item} for n, item in enumerate(order["items"], start=1)]
    execute(
        queries.insert_order.sql,
        {
            "order_id": order_id,
            "subject": "bench",
            "customer_name": "Ada",
            "customer_email": "ada@example.com",
            "payment_token": "tok_ok",
            "total": sum(Decimal(PRICES[sku]) for sku in skus),
            "currency": "EUR",
            "design_outbox": True,
            "design_idempotent_consumer": True,
            "request": json.dumps(order),
            "traceparent": TRACE,
            "trace_id": TRACE[3:35],
            "created_at": datetime.now(UTC),
            "items": json.dumps(items),
            "messages": json.dumps([created]),
            "events": events(order_id, [STEPS[n - 1] for n in (3, 5, 6, 7, 8)]),
        },
    )
    publish(channel, QUEUE, {"order_id": order_id})
    behind = events(order_id, [STEPS[n - 1] for n in (9, 10)], is_open=False)
    execute(queries.flush_journal.sql, {"events": behind, "published": [created["event_id"]]})


def place_all(database_url: str, amqp_url: str, orders: int, clients: int, products: int, run: str) -> None:
    """So many orders by so many loops at once; says of each when it was sent and answered."""
    placed: list[Placed] = []

    def client(number: int) -> None:
        database, channel = psycopg.connect(database_url, autocommit=True), broker(amqp_url)
        start.wait()
        for n in range(number, orders, loops):
            order, sent = order_of(run, n, products), time.time()
            refused = 0
            while True:  # as a client would
                try:
                    place(database, channel, order)
                    break
                except psycopg.errors.DeadlockDetected:
                    refused += 1
            placed.append((order["order_id"], sent, time.time(), refused))

    loops = min(clients, CLIENTS)
    start = threading.Barrier(loops)
    threads = [threading.Thread(target=client, args=(number,)) for number in range(loops)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tell(placed)


@contextmanager
def workers(state: State) -> Iterator[subprocess.Popen[str]]:
    """The worker's and the notifier's part, in a process of their own."""
    channel = broker(state.amqp_url)
    with channel.connection:
        for queue in (QUEUE, OUT):
            channel.queue_declare(queue, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
    command = [sys.executable, "-m", "bench.bare", "workers", state.database_url, state.amqp_url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    if not process.stdout.readline():  # it says when it is ready
        raise SystemExit("The bare worker has ended.")
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def work(database_url: str, amqp_url: str, ready: threading.Barrier) -> None:
    """A loop that does the worker's part: 12 to 19, and the batch that the journal writes behind it."""
    database, channel = psycopg.connect(database_url, autocommit=True), broker(amqp_url)

    def execute(statement: str, parameters: dict[str, Any]) -> psycopg.Cursor[Any]:
        while True:
            try:
                return database.execute(statement, parameters)
            except psycopg.errors.DeadlockDetected:
                continue

    def process(delivery: Any) -> None:
        order_id = json.loads(delivery.body)["order_id"]
        execute(
            queries.start_processing.sql,
            {"order_id": order_id, "copy": "", "redelivered": False, "events": events(order_id, STEPS[11:12])},
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
        settled = {"delivered": [told["event_id"]], "events": written}
        database.execute(queries.settle_delivered.sql, settled).fetchone()
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


def work_all(database_url: str, amqp_url: str) -> None:
    """Every loop of the worker and the notifier, until this process is killed."""
    threading.excepthook = end
    loops = [work] * WORKERS + [notify] * NOTIFIERS
    all_of_them = threading.Barrier(len(loops) + 1)
    for loop in loops:
        threading.Thread(target=loop, args=(database_url, amqp_url, all_of_them), daemon=True).start()
    all_of_them.wait()
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    what, *urls = sys.argv[1:4]
    if what == "api":
        place_all(*urls, *map(int, sys.argv[4:7]), sys.argv[7])
    else:
        work_all(*urls)
