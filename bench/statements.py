"""What each statement of an order costs PostgreSQL: its server process's time and the write-ahead log it makes.

`python -m bench.statements`: one connection sends each statement for every order in turn, to servers on which no
service runs. Linux alone: the time is read from /proc.
"""

from __future__ import annotations

import argparse
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row
from rich.console import Console
from rich.table import Table

from bench.load import order_of
from bench.systems import servers
from orderlab import schema
from orderlab.journal import Event, Events, now
from orderlab.messages import ORDER_CREATED, Message
from orderlab.order import NewOrder, OrderInHand, Status
from orderlab.sequence import OTHER_STEPS, STEPS
from orderlab.services.worker import tell
from orderlab.store import Found, Store
from orderlab.trace import new_traceparent, trace_id


class One:
    """The store's connections, of which there is one."""

    def __init__(self, url: str) -> None:
        self.only = psycopg.connect(url, autocommit=True, row_factory=dict_row, prepare_threshold=0)
        self.only.execute("SET plan_cache_mode = force_generic_plan")  # as the services' own

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[dict[str, Any]]]:
        """It."""
        yield self.only

    def check(self) -> None:
        """It is not thrown away."""


class Placed:
    """One order on its way through the statements."""

    found: Found
    hand: OrderInHand
    told: list[Message]

    def __init__(self, store: Store, body: Mapping[str, Any]) -> None:
        self.store, self.order, self.trace = store, NewOrder.from_json(body), new_traceparent()
        self.created = Message(ORDER_CREATED, "/orders-api", self.order.order_id, {}, self.trace)

    def events(self, first: int, last: int, *, ended: bool = False) -> Events:
        """Steps so far; unless it has `ended` the last is the statement's own."""
        moment, trace = now(), trace_id(self.trace)
        steps = STEPS[first - 1 : last]
        events = Events(Event(self.order.order_id, step, 1, trace, moment, moment) for step in steps)
        events[-1].ended_at = moment if ended else None
        return events

    def check(self) -> None:
        self.found = self.store.check_idempotency(self.order)

    def insert(self) -> None:
        total = self.order.total(self.found.prices)
        self.store.insert_order(self.events(5, 8), self.order, "demo", total, self.found, self.created, [])

    def after_insert(self) -> None:
        self.store.flush_journal(self.events(9, 10, ended=True), [self.created.id])

    def start(self) -> None:
        self.hand = self.store.start_processing(self.events(12, 12), self.order.order_id, "", False)

    def check_inventory(self) -> None:
        self.store.check_inventory(self.hand)

    def reserve(self) -> None:
        self.store.reserve_inventory(self.events(13, 14), self.hand)

    def charge(self) -> None:
        self.store.charge(self.hand)

    def confirm(self) -> None:
        event, notifications = tell(self.hand, Status.CONFIRMED, None, self.trace)
        self.told = [event, *notifications]
        self.store.confirm_order(self.events(15, 16), self.hand, self.told)

    def after_confirm(self) -> None:
        self.store.flush_journal(self.events(17, 19, ended=True), [each.id for each in self.told])

    def delivered(self) -> None:
        moment = now()
        event = Event(self.order.order_id, OTHER_STEPS[-1], 1, trace_id(self.trace), moment, moment)
        self.store.settle_delivered([(self.told[1].id, Events([event]))])


STATEMENTS: Mapping[str, Callable[[Placed], None]] = {
    "6, 7 look": Placed.check,
    "8 insert, with 5 to 8": Placed.insert,
    "9 and 10, published": Placed.after_insert,
    "12 take up": Placed.start,
    "13 look": Placed.check_inventory,
    "14 reserve, with 13": Placed.reserve,
    "15 charge": Placed.charge,
    "16 confirm, with 15": Placed.confirm,
    "17 to 19, published": Placed.after_confirm,
    "18a or 18b, delivered": Placed.delivered,
}


def main() -> None:
    """Print a row a statement."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--orders", type=int, default=600)
    count = arguments.parse_args().orders
    table = Table("", "time, µs", "WAL, bytes", title="PostgreSQL, a statement and its commit")
    with tempfile.TemporaryDirectory() as folder, servers(Path(folder) / "lab") as state:
        schema.reset(state.database_url)
        with psycopg.connect(state.database_url, autocommit=True) as beside:
            connections = One(state.database_url)
            run = uuid.uuid4().hex[:8]
            placed = [Placed(Store(connections), order_of(run, n, 1)) for n in range(count)]
            schedule = Path(f"/proc/{connections.only.info.backend_pid}/schedstat")

            def used() -> tuple[int, int]:
                row = beside.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()
                return int(schedule.read_text().split()[0]), int(row[0]) if row else 0

            for name, statement in STATEMENTS.items():
                before = used()
                for each in placed:
                    statement(each)
                nanoseconds, wal = ((after - was) / count for was, after in zip(before, used(), strict=True))
                table.add_row(name, f"{nanoseconds / 1000:.0f}", f"{wal:.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
