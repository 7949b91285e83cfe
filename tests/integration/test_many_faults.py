"""Many orders of several products, each with two or three random faults, on two of each service: all come out right.

Judged by SQL alone. `FAULT_ORDERS=400` for more of them.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator

import psycopg
import pytest

from orderlab import stack
from orderlab.faults import arming
from orderlab.faults.model import AFTER, BEFORE, DROPPABLE, ERRORS, PROCESS, REPEATABLE, Kind
from tests.support import RunningLab

ORDERS = int(os.environ.get("FAULT_ORDERS", "40"))
SEED = int(os.environ.get("FAULT_SEED", "5"))
SKUS = ("KEYBOARD", "MOUSE", "MONITOR", "HEADSET")
TOKENS = ("tok_ok", "tok_ok", "tok_ok", "tok_declined", "tok_gateway_error", "tok_expired_card")
CLIENTS = 16
PORTALS = {label for label, process in PROCESS.items() if process == "portal"}  # nobody presses a button here
STEPS = {
    Kind.CRASH: sorted(set(PROCESS) - PORTALS),
    Kind.DELAY: sorted(set(PROCESS) - PORTALS),
    Kind.FAIL: sorted(set(ERRORS) - PORTALS),
    Kind.DROP: sorted(set(DROPPABLE) - PORTALS),
    Kind.DUPLICATE: sorted(set(REPEATABLE) - PORTALS),
}


@pytest.fixture
def two_of_each(lab: RunningLab) -> Iterator[None]:
    services = ("orders-api", "worker", "notifier", "relay")
    stack.scale(lab.home, dict.fromkeys(services, 2))
    yield
    stack.scale(lab.home, dict.fromkeys(services, 1))


def test_orders_with_two_or_three_random_faults_each_come_out_right(lab: RunningLab, two_of_each: None) -> None:
    dice = random.Random(SEED)
    bodies = [
        lab.order(
            items=[{"sku": sku, "quantity": dice.randint(1, 3)} for sku in dice.sample(SKUS, dice.randint(2, 4))],
            payment_token=dice.choice(TOKENS),
        )
        for _ in range(ORDERS)
    ]
    with psycopg.connect(lab.database_url, autocommit=True) as connection:
        for body in bodies:
            for _ in range(dice.randint(2, 3)):
                kind = dice.choice(list(STEPS))
                side = BEFORE if kind in (Kind.DROP, Kind.DUPLICATE) else dice.choice((BEFORE, AFTER))
                step = dice.choice(STEPS[kind])
                arming.arm(connection, kind, step, side, order_id=body["order_id"], seconds=dice.uniform(0.01, 0.4))
    ids = lab.place_many(bodies, CLIENTS)
    end = time.monotonic() + 300
    while True:  # a message whose ack was lost stays with its worker as long as that runs: one day it is restarted
        try:
            statuses = lab.settled(ids, seconds=20)
            break
        except AssertionError:
            assert time.monotonic() < end, "not all orders came to their end"
            lab.kill("worker")
            lab.revive("worker")
    fired = Counter(row["kind"] for row in lab.sql("SELECT kind FROM lab.firings WHERE order_id = ANY(%s)", ids))
    assert set(fired) == set(STEPS), fired
    declined = {body["order_id"] for body in bodies if body["payment_token"] in ("tok_declined", "tok_expired_card")}
    assert {order_id for order_id, status in statuses.items() if status == "REJECTED"} == declined
    lab.check_books(ids)
    arrived = {(row["order_id"], row["audience"], row["webhook_id"]) for row in lab.inbox(ids)}
    assert len(arrived) == 2 * ORDERS
