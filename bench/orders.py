"""Orders accepted and confirmed a second, and latency, beside the bare bound in the same run. Prints ratios."""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import dict_row
from rich.console import Console
from rich.table import Table

from bench import bare
from orderlab import stack
from orderlab.stack import State


@contextmanager
def a_lab(home: Path) -> Iterator[State]:
    """A private lab without Jupyter, for the time of the benchmark."""
    stack.up(home, jupyter=False)
    try:
        yield stack.attached(home)
    finally:
        stack.down(home)


def order(order_id: str) -> dict[str, Any]:
    """The order that is placed over and over."""
    return {
        "order_id": order_id,
        "customer": {"name": "Ada", "email": "ada@example.com"},
        "items": [{"sku": "KEYBOARD", "quantity": 1}],
        "payment_token": "tok_ok",
    }


def with_clients(clients: int, orders: int, place: Callable[[int], Callable[[str], None]], run: str) -> float:
    """Seconds until `orders` orders are placed by so many clients at once; `place(n)` makes the n-th client."""
    start = threading.Barrier(clients + 1)

    def client(number: int) -> None:
        place_one = place(number)
        start.wait()
        for n in range(number, orders, clients):
            place_one(f"{run}-{n}")

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def through_the_api(state: State) -> Callable[[int], Callable[[str], None]]:
    """A client that keeps its connection and its token."""
    address = urlsplit(state.api_url)

    def client(_: int) -> Callable[[str], None]:
        connection = http.client.HTTPConnection(address.hostname or "", address.port)
        connection.request("GET", "/login-demo")
        token = json.loads(connection.getresponse().read())["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

        def place(order_id: str) -> None:
            connection.request("POST", "/orders", json.dumps(order(order_id)), headers)
            response = connection.getresponse()
            body = response.read()
            if response.status != 201:
                raise SystemExit(f"{response.status}: {body.decode()}")

        return place

    return client


CONFIRMED = "SELECT count(*) AS n FROM orders WHERE order_id LIKE %s AND status = 'CONFIRMED'"
DELIVERED = "SELECT count(*) AS n FROM notifications WHERE order_id LIKE %s AND status = 'delivered'"


def until(database: psycopg.Connection[Any], count: str, run: str, wanted: int) -> None:
    """Return when so many of this run are there."""
    database.execute("LISTEN order_events")
    while database.execute(count, (f"{run}-%",)).fetchone()["n"] < wanted:
        for _ in database.notifies(timeout=0.02, stop_after=1):
            pass
    database.execute("UNLISTEN order_events")


def latencies(database: psycopg.Connection[Any], run: str) -> list[float]:
    """Milliseconds from the start of step 5 to the end of step 16, an order each."""
    rows = database.execute(
        """SELECT extract(epoch FROM max(ended_at) FILTER (WHERE step = 16)
                         - min(started_at) FILTER (WHERE step = 5)) * 1000 AS ms
           FROM order_events WHERE order_id LIKE %s GROUP BY order_id""",
        (f"{run}-%",),
    )
    return sorted(float(row["ms"]) for row in rows)


def main() -> None:
    """Run it all and print one table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--orders", type=int, default=1500, help="orders in each measurement")
    arguments.add_argument("--rounds", type=int, default=3, help="how often each is measured; the best counts")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, a_lab(Path(folder) / "lab") as state:
        table = Table(
            "clients", "", "accepted/s", "confirmed/s", "p50 ms", "p99 ms", title=str(datetime.now(UTC).date())
        )
        for clients in (1, 16):
            measured = measure(state, clients, options.orders if clients > 1 else options.orders // 3, options.rounds)
            for name, (accepted, confirmed, p50, p99) in measured.items():
                table.add_row(str(clients), name, f"{accepted:.0f}", f"{confirmed:.0f}", f"{p50:.1f}", f"{p99:.1f}")
            ratio = measured["orderlab"][1] / measured["bare"][1]
            table.add_row(str(clients), "ratio", "", f"{ratio:.2f}", "", "", style="bold")
        Console().print(table)


def measure(state: State, clients: int, orders: int, rounds: int) -> dict[str, tuple[float, float, float, float]]:
    """The best of some rounds, the lab's and the bare one by turns."""
    best: dict[str, tuple[float, float, float, float]] = {}
    with psycopg.connect(state.database_url, autocommit=True, row_factory=dict_row) as database:
        for _ in range(rounds):
            for name in ("orderlab", "bare"):
                run = f"b{uuid.uuid4().hex[:8]}"
                with bare.worker(state, clients) if name == "bare" else _nothing():
                    place = bare.api(state) if name == "bare" else through_the_api(state)
                    began = time.perf_counter()
                    accepted = with_clients(clients, orders, place, run)
                    until(database, CONFIRMED, run, orders)
                    confirmed = time.perf_counter() - began
                    until(database, DELIVERED, run, 2 * orders)  # what is still under way would slow the next one
                took = latencies(database, run)
                p99 = took[int(len(took) * 0.99)]
                result = (orders / accepted, orders / confirmed, statistics.median(took), p99)
                best[name] = max(best.get(name, result), result, key=lambda one: one[1])
    return best


@contextmanager
def _nothing() -> Iterator[None]:
    yield


if __name__ == "__main__":
    main()
