"""A run that nobody stepped through, told arrow by arrow from what was recorded: changes, crashes, ghosts."""

from __future__ import annotations

from typing import Any

from orderlab.stepping.changes import Tables
from orderlab.stepping.moment import Moment
from orderlab.stepping.replayed import moments
from orderlab.stepping.run import Run

ORDER_ID = "ws-1"


def at(second: int) -> str:
    return f"2026-03-01T10:00:{second:02}.000000+00:00"


def event(label: str, name: str, second: int, attempt: int = 1, outcome: str = "ok", **data: Any) -> dict[str, Any]:
    step, part = int(label.rstrip("abc")), label.lstrip("0123456789") or None
    told = {"id": second, "step": step, "part": part, "label": label, "name": name, "outcome": outcome}
    when = {"started_at": at(second), "ended_at": at(second + 1), "trace_id": "t"}
    return {**told, **when, "lane": "worker", "attempt": attempt, "data": data}


CHARGED = event("15", "process_payment", 16)
JOURNAL = [
    event("8", "insert_order", 8),
    event("9", "publish_order_created", 9),
    event("12", "consume_order_created", 12),
    event("14", "reserve_inventory", 14),
    event("12", "consume_order_created", 22, attempt=2, outcome="redelivered"),
    event("14", "reserve_inventory", 24, attempt=2),
    event("15", "process_payment", 26, attempt=2),
    event("16", "confirm_order", 28, attempt=2),
    event("18", "notify", 30, attempt=2),
    event("19", "ack_message", 34, attempt=2),
]
WEBHOOK = event("18a", "webhook_delivered", 32)
DIED = {"kind": "crash", "step": "15", "side": "after", "attempt": 1, "process": "worker", "at": at(18)}
CRASH = {**DIED, "unwritten": [CHARGED, {**event("16", "confirm_order", 18), "ended_at": None}]}


def charge(number: int) -> dict[str, Any]:
    paid = {"amount": "49.90", "currency": "EUR", "payment_token": "tok_ok", "idempotency_key": None}
    return {"payment_id": number, **paid}


def end() -> Tables:
    order = {"order_id": ORDER_ID, "status": "CONFIRMED", "rejection_reason": None, "deliveries": 2, "total": "49.90"}
    message = {"event_id": "m", "type": "OrderCreated", "source": "/orders-api", "attempt": 1, "data": {}}
    return {
        "orders": [{**order, "currency": "EUR", "design_outbox": True, "design_idempotent_consumer": True}],
        "order_items": [{"line": 1, "sku": "KEYBOARD", "quantity": 1, "price": "49.90"}],
        "products": [{"sku": "KEYBOARD", "reserved": 2}],
        "payments": [charge(1), charge(2)],
        "outbox": [{**message, "published": True, "published_at": at(9)}],
        "notifications": [],
    }


def told() -> list[Moment]:
    return list(moments(ORDER_ID, JOURNAL, [CRASH], end()))


def test_every_arrow_is_a_moment_the_crash_stands_where_the_process_died_and_the_end_comes_last() -> None:
    titles = [moment.title.split()[0] if not moment.died else "crash" for moment in told()]
    assert titles == ["8", "9", "12", "14", "crash", "12", "14", "15", "16", "18", "19", "the"]


def test_a_webhook_comes_behind_the_delivery_that_led_to_it() -> None:
    journal = [*JOURNAL[:4], WEBHOOK, *JOURNAL[4:]]  # in reading order it is of the first attempt
    titles = [moment.title.split()[0] for moment in moments(ORDER_ID, journal, [CRASH], end()) if moment.arrows]
    assert titles.index("18a") == titles.index("18") + 1


def test_each_arrow_tells_what_it_changed() -> None:
    changes = [[what for _, what in moment.changes] for moment in told()]
    assert changes[0][0] == "+ RECEIVED, 49.90 EUR, outbox on, idempotent consumer on"
    assert changes[1] == ["OrderCreated: published, and marked so"]
    assert changes[2] == ["deliveries 0 → 1"]
    assert changes[3] == ["status RECEIVED → INVENTORY_RESERVED", "KEYBOARD: reserved +1"]
    assert changes[5] == ["deliveries 1 → 2"]
    assert changes[6] == ["KEYBOARD: reserved +1"]
    assert changes[7] == ["+ 49.90 EUR with tok_ok; idempotency key: none"]
    assert changes[8] == ["status INVENTORY_RESERVED → CONFIRMED"]


def test_what_was_done_and_not_recorded_is_told_at_the_crash() -> None:
    crash = told()[4]
    assert crash.said[-1] == "Done, and not recorded: 15 process_payment."
    assert crash.changes == [("table payments", "+ 49.90 EUR with tok_ok; idempotency key: none")]
    assert "not recorded" in crash.drawing.text
    assert "crash after 15" in crash.drawing.text


def test_it_is_a_run_to_go_through_and_back() -> None:
    run = Run(ORDER_ID, told(), [], [CRASH])
    assert run.until(15).events[-1]["attempt"] == 2
    assert run.back().title == "14 reserve_inventory"
    assert run.finish().ended
    assert "delivery 2" in run.sequence().text


def test_what_had_been_written_down_before_the_crash_is_no_ghost() -> None:
    crash = {**CRASH, "unwritten": [JOURNAL[3]]}
    found = list(moments(ORDER_ID, JOURNAL, [crash], end()))[4]
    assert len(found.said) == 1
    assert found.changes == []
