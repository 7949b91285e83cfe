"""The default design's guarantees, with real crashes and real outages in the middle of real orders."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from orderlab import dead_letters, stack
from tests.support import RunningLab, problem

ORDERS = 200
CRASHES = 10

TOKENS = ("tok_ok", "tok_ok", "tok_ok", "tok_declined", "tok_gateway_error")
SKUS = ("KEYBOARD", "MOUSE", "SOLD-OUT", "HEADSET", "MONITOR", "KEYBOARD", "MOUSE")


def many(lab: RunningLab, count: int = ORDERS) -> list[dict[str, Any]]:
    """Orders of every kind: most are confirmed, some declined, some out of stock, some for two things at once."""
    bodies = []
    for n in range(count):
        items = [{"sku": SKUS[n % len(SKUS)], "quantity": 1 + n % 3}]
        if n % 4 == 0 and items[0]["sku"] != "HEADSET":
            items.insert(n % 2, {"sku": "HEADSET", "quantity": 1})
        bodies.append(lab.order(items=items, payment_token=TOKENS[n % len(TOKENS)]))
    return bodies


def expected(body: dict[str, Any]) -> str:
    """What becomes of such an order, whatever crashes."""
    refused = any(item["sku"] == "SOLD-OUT" for item in body["items"]) or body["payment_token"] == "tok_declined"
    return "REJECTED" if refused else "CONFIRMED"


UNDONE = """SELECT count(*) > 0 FROM orders o WHERE order_id = ANY(%s) AND (
    status NOT IN ('CONFIRMED', 'REJECTED')
    OR EXISTS (SELECT FROM notifications n WHERE n.order_id = o.order_id AND n.status = 'pending'))"""


def crash_amid(lab: RunningLab, program: str, order_ids: list[str]) -> None:
    """SIGKILL a program while some of these orders are there and not done; return once another process serves."""
    (killed,) = stack.pids(lab.home, program)
    lab.wait_for(lambda: lab.value(UNDONE, order_ids), "orders in flight")
    lab.kill(program)
    lab.wait_for(lambda: killed not in stack.pids(lab.home, program), f"the end of {program} ({killed})")
    lab.revive(program)
    assert stack.pids(lab.home, program)


def check_all(lab: RunningLab, bodies: list[dict[str, Any]], order_ids: list[str]) -> None:
    statuses = lab.settled(order_ids, seconds=120)
    assert statuses == {body["order_id"]: expected(body) for body in bodies}
    lab.check_books(order_ids)
    # Both notifications of each order were seen, once each.
    seen = lab.inbox(order_ids)
    assert len(seen) == 2 * len(order_ids)
    assert not [letter for letter in dead_letters.read(lab.amqp_url) if letter.order_id in statuses]


@pytest.mark.parametrize("program", ["orders-api", "worker", "relay", "notifier", "rabbitmq", "postgresql", "portal"])
def test_ten_crashes_in_the_middle_of_200_orders_lose_nothing_and_charge_nothing_twice(
    lab: RunningLab, program: str
) -> None:
    bodies = many(lab)
    _ = lab.token
    share = ORDERS // CRASHES
    placing = []
    with ThreadPoolExecutor(CRASHES) as pool:
        for first in range(0, ORDERS, share):
            bodies[first] = lab.order(payment_token="tok_slow")  # in flight until the crash, for certain
            part = bodies[first : first + share]
            placing.append(pool.submit(lab.place_many, part))
            crash_amid(lab, program, [body["order_id"] for body in part])
        order_ids = [order_id for each in placing for order_id in each.result()]
    assert len(placing) == CRASHES
    check_all(lab, bodies, order_ids)


def test_a_worker_killed_in_the_middle_of_a_payment_takes_the_order_up_again_and_says_so(lab: RunningLab) -> None:
    order_id = lab.place(payment_token="tok_slow")
    lab.recorded(order_id, "reserve_inventory")
    lab.kill("worker")
    assert lab.settled([order_id]) == {order_id: "CONFIRMED"}
    lab.revive("worker")
    events = lab.complete(order_id)
    assert [(e["attempt"], e["outcome"]) for e in events if e["step"] == 12] == [(1, "ok"), (2, "redelivered")]
    assert [(e["attempt"], e["outcome"]) for e in events if e["step"] == 14] == [(1, "ok"), (2, "already_done")]
    lab.check_books([order_id])


def test_while_rabbitmq_is_down_orders_are_201_with_step_9_deferred_and_processed_afterwards(lab: RunningLab) -> None:
    lab.stop("rabbitmq")
    try:
        placed = [lab.place() for _ in range(3)]
        for order_id in placed:
            lab.recorded(order_id, "respond_created")
            assert [e["outcome"] for e in lab.events(order_id) if e["step"] == 9] == ["deferred"]
        lab.kill("orders-api")  # an API that starts without a broker serves too
        placed += lab.place_many([lab.order()])
    finally:
        lab.revive("rabbitmq")
    assert set(lab.settled(placed).values()) == {"CONFIRMED"}
    for order_id in placed:
        assert [(e["outcome"], e["data"].get("by")) for e in lab.complete(order_id) if e["step"] == 9][-1] == (
            "ok",
            "relay",
        )
    lab.check_books(placed)


def test_while_postgresql_is_down_orders_are_503_with_retry_after_and_no_message_dies(lab: RunningLab) -> None:
    dead_before = len(dead_letters.read(lab.amqp_url))
    in_flight = [lab.place(payment_token="tok_slow") for _ in range(5)]
    refused = lab.order()
    lab.stop("postgresql")
    try:
        for _ in range(3):
            response = lab.post(refused)
            problem(response, 503)
            assert int(response.headers["retry-after"]) >= 1
        problem(lab.http.get("/health/ready"), 503)
        assert lab.http.get("/health/live").status_code == 200
        time.sleep(3)  # the outage itself: long enough for hundreds of requeues, were there any
    finally:
        lab.revive("postgresql")
    assert set(lab.settled(in_flight).values()) == {"CONFIRMED"}
    assert lab.place_many([refused]) == [refused["order_id"]]
    assert lab.settled([refused["order_id"]]) == {refused["order_id"]: "CONFIRMED"}
    assert len(dead_letters.read(lab.amqp_url)) == dead_before
    lab.check_books([*in_flight, refused["order_id"]])


def test_while_the_inbox_is_down_the_worker_goes_on_and_the_webhooks_come_later(lab: RunningLab) -> None:
    lab.stop("portal")
    try:
        order_ids = lab.place_many([lab.order() for _ in range(20)])
        lab.wait_for(
            lambda: lab.value(
                "SELECT count(*) = 20 FROM orders WHERE order_id = ANY(%s) AND status = 'CONFIRMED'", order_ids
            ),
            "20 orders confirmed without an inbox",
            seconds=5,
        )
    finally:
        lab.revive("portal")
    lab.settled(order_ids)
    assert len(lab.inbox(order_ids)) == 40


def test_an_inbox_that_stays_away_is_given_up_with_the_reason(lab: RunningLab) -> None:
    lab.stop("portal")
    lab.stop("notifier")
    try:
        with lab.another("notifier", ORDERLAB_WEBHOOK_PATIENCE="1"):
            order_id = lab.place()
            events = lab.recorded(order_id, "webhook_failed", "ack_message")
            lab.settled([order_id])
    finally:
        lab.revive("portal")
        lab.revive("notifier")
    failed = [event for event in events if event["name"] == "webhook_failed"]
    assert {event["outcome"] for event in failed} == {"failed"}
    assert all("given up after" in event["data"]["reason"] for event in failed)
    rows = lab.sql("SELECT status, reason FROM notifications WHERE order_id = %s", order_id)
    assert [row["status"] for row in rows] == ["failed", "failed"]
    assert all(row["reason"] for row in rows)


def test_three_workers_share_the_queue_and_nothing_is_done_twice(lab: RunningLab) -> None:
    lab.scale("worker", 3)
    try:
        bodies = many(lab, 60)
        order_ids = lab.place_many(bodies)
        check_all(lab, bodies, order_ids)
    finally:
        lab.scale("worker", 1)
