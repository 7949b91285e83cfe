"""Orders that want the same products at the same moment: several products each, in any order of lines."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from orderlab.errors import DatabaseBusy
from orderlab.journal import Events
from orderlab.order import Design, OrderInHand, Status
from orderlab.store import TRIES, Store
from tests.support import RunningLab, open_pool

ORDERS = int(os.environ.get("CONTENTION_ORDERS", "600"))
SKUS = ("KEYBOARD", "MOUSE", "MONITOR")


def items(*skus: str) -> list[dict[str, Any]]:
    return [{"sku": sku, "quantity": 1} for sku in skus]


@contextmanager
def holding(lab: RunningLab, sku: str) -> Iterator[psycopg.Connection[Any]]:
    """A transaction of another program that has locked a product."""
    with psycopg.connect(lab.database_url) as connection:
        connection.execute("SELECT FROM products WHERE sku = %s FOR UPDATE", (sku,))
        yield connection


def somebody_waits_for_a_lock(lab: RunningLab) -> bool:
    return bool(lab.value("SELECT count(*) FROM pg_locks WHERE NOT granted"))


def test_orders_of_three_products_in_any_order_are_all_taken_and_no_two_deadlock(lab: RunningLab) -> None:
    _ = lab.token
    dice, deadlocks = random.Random(7), "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = lab.value(deadlocks)
    bodies = [lab.order(items=items(*dice.sample(SKUS, 3))) for _ in range(ORDERS)]
    with ThreadPoolExecutor(24) as pool:
        answers = Counter(response.status_code for response in pool.map(lab.post, bodies))
    assert answers == {201: ORDERS}
    ids = [body["order_id"] for body in bodies]
    assert set(lab.settled(ids).values()) == {"CONFIRMED"}
    lab.check_books(ids)
    assert lab.value(deadlocks) == before


def test_an_insert_that_postgresql_undid_in_a_deadlock_is_tried_again(lab: RunningLab) -> None:
    body = lab.order(items=items("KEYBOARD", "MOUSE"))
    with holding(lab, "MOUSE") as other, ThreadPoolExecutor(1) as pool:
        posted = pool.submit(lab.post, body)  # has KEYBOARD, and waits for MOUSE
        lab.wait_for(lambda: somebody_waits_for_a_lock(lab), "the insert at the lock")
        other.execute("SELECT FROM products WHERE sku = 'KEYBOARD' FOR UPDATE")  # the circle; the insert came first
        other.commit()
        assert posted.result().status_code == 201
    events = lab.complete(body["order_id"])
    assert [e["outcome"] for e in events if e["step"] == 8] == ["ok"]


def test_a_reservation_that_postgresql_undid_in_a_deadlock_is_tried_again_in_the_same_delivery(lab: RunningLab) -> None:
    body = lab.order(items=items("MOUSE", "KEYBOARD"))
    lab.stop("worker")
    lab.post(body)
    with holding(lab, "MOUSE") as other:
        lab.revive("worker")
        lab.wait_for(lambda: somebody_waits_for_a_lock(lab), "the reservation at the lock")
        other.execute("SELECT FROM products WHERE sku = 'KEYBOARD' FOR UPDATE")
        other.commit()
    events = lab.complete(body["order_id"])
    assert [(e["outcome"], e["attempt"]) for e in events if e["step"] == 14] == [("ok", 1)]
    lab.check_books([body["order_id"]])


@pytest.fixture
def store(lab: RunningLab) -> Iterator[Store]:
    pool: ConnectionPool[psycopg.Connection[dict[str, Any]]] = open_pool(lab.database_url, 2)
    with pool:
        yield Store(pool)


def test_a_deadlock_that_does_not_end_is_called_by_its_name_and_not_an_outage(store: Store) -> None:
    tried = []

    def undone(connection: psycopg.Connection[Any]) -> None:
        tried.append(connection)
        raise psycopg.errors.DeadlockDetected

    with pytest.raises(DatabaseBusy):
        store._run(undone)
    assert len(tried) == TRIES


def in_hand(order_id: str, status: Status) -> OrderInHand:
    """The order as a delivery has taken it up, when it stood so."""
    return OrderInHand(order_id, status, None, "Ada", "ada@example.com", "tok_ok", 0, "EUR", Design(), 2)  # type: ignore[arg-type]


def test_a_delivery_that_meets_an_order_rejected_meanwhile_takes_it_for_out_of_stock(
    lab: RunningLab, store: Store
) -> None:
    order_id = lab.place(items=items("SOLD-OUT", "MOUSE"))
    assert lab.settled([order_id]) == {order_id: "REJECTED"}
    assert store.reserve_inventory(Events(), in_hand(order_id, Status.RECEIVED)) == "out_of_stock"
    lab.check_books([order_id])


def test_only_the_stocks_own_check_means_out_of_stock(lab: RunningLab, store: Store) -> None:
    lab.stop("worker")
    try:
        order_id = lab.place()
        with psycopg.connect(lab.database_url, autocommit=True, row_factory=dict_row) as owner:
            owner.execute("ALTER TABLE orders ADD CONSTRAINT never CHECK (status <> 'INVENTORY_RESERVED') NOT VALID")
            try:
                with pytest.raises(psycopg.errors.CheckViolation, match="never"):
                    store.reserve_inventory(Events(), in_hand(order_id, Status.RECEIVED))
            finally:
                owner.execute("ALTER TABLE orders DROP CONSTRAINT never")
    finally:
        lab.revive("worker")
    assert lab.settled([order_id]) == {order_id: "CONFIRMED"}


def test_an_order_that_is_rejected_and_delivered_again_has_nothing_reserved_in_its_journal(lab: RunningLab) -> None:
    order_id = lab.place(items=items("SOLD-OUT"))
    lab.complete(order_id)
    lab.sql("UPDATE outbox SET published_at = NULL WHERE order_id = %s AND type = 'OrderCreated' RETURNING 1", order_id)

    def second() -> list[tuple[str, str]]:
        events = [e for e in lab.events(order_id) if e["attempt"] == 2]
        return [(e["label"], e["outcome"]) for e in events] if any(e["step"] == 19 for e in events) else []

    told = lab.wait_for(second, "the second delivery")  # the relay has published the message once more
    assert told == [("12", "second_copy"), ("16", "already_done"), ("19", "ok")]


def test_retried_orders_on_a_hot_product_with_two_workers_keep_the_stock_exact(lab: RunningLab) -> None:
    _ = lab.token
    dice = random.Random(11)
    tokens = ("tok_ok", "tok_ok", "tok_declined", "tok_gateway_error", "tok_insufficient_funds")
    bodies = [
        lab.order(items=items("HEADSET", *dice.sample(SKUS, dice.randint(0, 2))), payment_token=dice.choice(tokens))
        for _ in range(120)
    ]

    def twice(body: dict[str, Any]) -> set[int]:
        """A client that loses patience and asks again at once."""
        first, second = lab.post(body), lab.post(body)
        return {first.status_code, second.status_code}

    lab.scale("worker", 2)
    try:
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(twice, bodies))
        ids = [body["order_id"] for body in bodies]
        statuses = lab.settled(ids)
    finally:
        lab.scale("worker", 1)
    assert {frozenset(each) for each in answers} == {frozenset({201, 200})}
    declined = {
        body["order_id"] for body in bodies if body["payment_token"] in ("tok_declined", "tok_insufficient_funds")
    }
    assert {order_id for order_id, status in statuses.items() if status == "REJECTED"} == declined
    lab.check_books(ids)
