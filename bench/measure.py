"""One measurement: place orders, wait until their last trace is written, and read from the database what it took."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence

import psycopg

from bench import cpu
from bench.systems import System

Figures = Mapping[str, float]
"""Figures by name: `confirmed/s`, `accepted/s`; `… p50` and `… p99` in milliseconds; `cpu …` in ms an order; `5xx`."""

PATIENCE = 120.0
"""Seconds without any progress after which a measurement is given up."""

DONE = """
SELECT (SELECT count(*) FROM orders WHERE status = 'CONFIRMED'),
       (SELECT count(*) FROM notifications WHERE status = 'delivered'),
       (SELECT count(*) FROM outbox WHERE published_at IS NOT NULL),
       (SELECT count(DISTINCT order_id) FROM order_events WHERE step = 10),
       (SELECT count(DISTINCT order_id) FROM order_events WHERE step = 19)"""
"""All that an order leaves behind: the end of the last of it is the end of a measurement."""

TIMES = """
SELECT o.order_id, extract(epoch FROM o.updated_at)::float8, extract(epoch FROM max(n.updated_at))::float8
FROM orders o JOIN notifications n USING (order_id) GROUP BY o.order_id"""


def measure(system: System, orders: int, clients: int, products: int) -> Figures:
    """Empty the tables, place the orders, and tell how it went."""
    system.reset()
    run = f"b{uuid.uuid4().hex[:8]}"
    with psycopg.connect(system.database_url, autocommit=True) as database:
        database.execute("CHECKPOINT")  # each begins with the same work behind it
        mine, processes = database.info.backend_pid, system.processes()
        before = cpu.seconds(processes, but=mine)
        told = subprocess.run(system.load(orders, clients, products, run), stdout=subprocess.PIPE, check=True)
        placed = json.loads(told.stdout)
        until_done(database, orders, system.name)
        used = {name: now - before[name] for name, now in cpu.seconds(processes, but=mine).items()}
        times = {order_id: ended for order_id, *ended in database.execute(TIMES).fetchall()}
        exact = database.execute(
            "SELECT sum(reserved) = (SELECT sum(quantity) FROM order_items) FROM products"
        ).fetchone()
        assert exact == (True,), f"{system.name}: the stock is not what the orders hold"
    return figures(placed, times, used)


def figures(
    placed: Sequence[tuple[str, float, float, int]],
    times: Mapping[str, tuple[float, float]],
    used: Mapping[str, float],
) -> Figures:
    """From when each order was sent, answered, confirmed and its webhooks delivered, and the seconds used."""
    orders, began = len(placed), min(sent for _, sent, _, _ in placed)
    spans = {
        "201": [answered - sent for _, sent, answered, _ in placed],
        "confirmed": [times[order_id][0] - sent for order_id, sent, _, _ in placed],
        "webhooks": [times[order_id][1] - sent for order_id, sent, _, _ in placed],
    }
    found = {
        "confirmed/s": orders / (max(confirmed for confirmed, _ in times.values()) - began),
        "accepted/s": orders / (max(answered for _, _, answered, _ in placed) - began),
    }
    for name, seconds in spans.items():
        found[f"{name} p50"] = statistics.median(seconds) * 1000
        found[f"{name} p99"] = sorted(seconds)[int(orders * 0.99)] * 1000
    found |= {f"cpu {name}": seconds * 1000 / orders for name, seconds in used.items()}
    found["cpu"] = sum(used.values()) * 1000 / orders
    found["5xx"] = sum(refused for *_, refused in placed)
    return found


def until_done(database: psycopg.Connection[tuple[int, ...]], orders: int, name: str) -> None:
    """Return when all of it is there. Looked at four times a second, by a connection whose time is not counted."""
    wanted, seen, since = (orders, 2 * orders, 4 * orders, orders, orders), (), time.monotonic()
    while (now := database.execute(DONE).fetchone()) != wanted:
        if now != seen:
            seen, since = now or (), time.monotonic()
        if time.monotonic() > since + PATIENCE:
            raise SystemExit(f"{name}: no progress for {PATIENCE:g} s at {seen} of {wanted}.")
        time.sleep(0.25)


def medians(measured: Sequence[Figures]) -> Figures:
    """The median of each figure that all of them have."""
    names = [name for name in measured[0] if all(name in each for each in measured)]
    return {name: statistics.median(each[name] for each in measured) for name in names}
