"""How an order is judged, from evidence made up for each rule."""

from __future__ import annotations

from typing import Any

import pytest

from orderlab.order import DESIGNS, Status
from orderlab.verdicts.rules import Evidence, Word, judge
from orderlab.verdicts.verdict import Verdict

SENT = [
    {"type": "OrderCreated", "audience": None, "published": True},
    {"type": "OrderConfirmed", "audience": None, "published": True},
    {"type": "Notification", "audience": "operations", "published": True},
    {"type": "Notification", "audience": "customer", "published": True},
]


def event(label: str, outcome: str = "ok", attempt: int = 1, **data: Any) -> dict[str, Any]:
    return {
        "label": label,
        "name": f"step {label}",
        "outcome": outcome,
        "attempt": attempt,
        "data": data,
        "started_at": f"2026-01-01T00:00:0{attempt}.{label.rstrip('abc'):>03}",
    }


def notified(*audiences: str, status: str = "delivered") -> tuple[dict[str, Any], ...]:
    return tuple(
        {"id": f"id-{n}", "audience": audience, "status": status, "reason": "given up after 3 tries"}
        for n, audience in enumerate(audiences)
    )


def confirmed(**changed: Any) -> Evidence:
    """An order as it is after all went well, but for what is changed."""
    good: dict[str, Any] = {
        "order_id": "ws-1",
        "status": Status.CONFIRMED,
        "deliveries": 1,
        "charges": 1,
        "wants": 2,
        "notifications": notified("operations", "customer"),
        "outbox": tuple(SENT),
        "events": tuple(event(label) for label in ("9", "12", "14", "15", "16", "17", "18", "19")),
    }
    return Evidence(**{**good, **changed})


def received(**changed: Any) -> Evidence:
    """An order that was inserted and nothing more, by the design as drawn."""
    return Evidence(
        **{"order_id": "ws-1", "status": Status.RECEIVED, "design": DESIGNS["as-drawn"], "wants": 1, **changed}
    )


def without(*labels: str) -> tuple[dict[str, Any], ...]:
    return tuple(each for each in confirmed().events if each["label"] not in labels)  # type: ignore[misc]


def word(evidence: Evidence) -> Word:
    return Verdict.of(evidence).word


def test_an_order_that_went_its_way_is_correct_and_at_its_end() -> None:
    assert Verdict.of(confirmed()).findings == ()
    assert judge(confirmed()).ended


def test_an_order_that_is_not_there_is_correct_if_nobody_was_told_of_it_and_lost_otherwise() -> None:
    assert word(Evidence("ws-1")) is Word.CORRECT
    assert Verdict.of(Evidence("ws-1", told=True)).reason == (
        "lost: the order: somebody was told of it, and it is not there"
    )


def test_a_received_order_that_nothing_remembers_is_lost() -> None:
    verdict = Verdict.of(received(events=(event("8"),)))
    assert verdict.reason == "lost: OrderCreated"
    assert [each["label"] for each in verdict.events] == ["8"]


def test_a_message_that_was_dropped_did_not_go_out_whatever_the_journal_says() -> None:
    assert word(received(events=(event("9", fault="drop"),))) is Word.LOST


@pytest.mark.parametrize(
    "somewhere",
    [
        {"outbox": ({"type": "OrderCreated", "audience": None, "published": False},)},
        {"queued": "is still in its queue"},
        {"deliveries": 1},
        {"events": (event("9"),)},
    ],
    ids=["in the outbox", "in the queue", "in a worker's hands", "on its way"],
)
def test_an_order_with_a_message_left_somewhere_may_still_move_and_is_stuck_when_patience_is_out(
    somewhere: dict[str, Any],
) -> None:
    evidence = received(**somewhere)
    judged = judge(evidence)
    assert (judged.findings, judged.ended) == ((), False)
    assert judged.waits
    assert word(evidence) is Word.STUCK


def test_a_dead_message_makes_an_order_stuck_with_the_reason() -> None:
    assert Verdict.of(received(dead="There is no such product.")).reason == "stuck: dead: There is no such product."


def test_an_order_halted_at_a_gate_is_stuck_there_whether_or_not_it_is_in_the_tables() -> None:
    halts = ({"step": "9", "side": "before", "process": "orders-api"},)
    assert Verdict.of(received(halts=halts)).reason == "stuck: halted before 9 in orders-api"
    assert word(Evidence("ws-1", halts=halts)) is Word.STUCK
    assert judge(received(halts=halts)).ended


def test_two_charges_are_duplicated_and_shown_by_deliveries_and_payments() -> None:
    events = (*confirmed().events, event("12", "redelivered", 2), event("15", attempt=2))
    verdict = Verdict.of(confirmed(charges=2, deliveries=2, events=events))
    assert verdict.reason == "duplicated: charged 2 times"
    assert [each["label"] for each in verdict.events] == ["12", "15", "12", "15"]


def test_a_charge_for_a_rejected_order_is_one_too_many() -> None:
    rejected = confirmed(
        status=Status.REJECTED,
        outbox=({"type": "OrderRejected", "audience": None, "published": True}, *SENT[2:]),
        events=without("14"),
    )
    assert Verdict.of(rejected).reason == "duplicated: charged, although it is REJECTED"


def test_two_ids_for_one_audience_are_duplicated_and_one_id_twice_is_not() -> None:
    twice = notified("operations", "customer", "customer")
    assert Verdict.of(confirmed(notifications=twice)).reason == "duplicated: customer notified under 2 ids"
    # The inbox is what the audience saw; where it can be read it goes before the table.
    seen_once = (("operations", "id-0"), ("customer", "id-1"))
    assert word(confirmed(notifications=twice, inbox=seen_once)) is Word.CORRECT


def test_stock_taken_twice_is_oversold_and_stock_given_back_is_not() -> None:
    twice = (*confirmed().events, event("14", attempt=2))
    assert Verdict.of(confirmed(events=twice)).reason == "oversold: 4 set aside, 2 would be right"
    declined = confirmed(
        status=Status.REJECTED,
        charges=0,
        outbox=({"type": "OrderRejected", "audience": None, "published": True}, *SENT[2:]),
        events=(event("14"), event("15", "declined"), event("15c"), event("19")),
    )
    assert word(declined) is Word.CORRECT


def test_a_reservation_that_was_made_to_happen_twice_counts_twice_only_where_the_consumer_is_not_idempotent() -> None:
    events = (*without("14"), event("14", fault="duplicate"))
    assert word(confirmed(events=events)) is Word.CORRECT
    assert word(confirmed(events=events, design=DESIGNS["no-idempotent-consumer"])) is Word.OVERSOLD


def test_a_confirmed_order_without_a_charge_has_lost_the_charge() -> None:
    assert Verdict.of(confirmed(charges=0)).reason == "lost: the charge"


def test_what_a_settled_order_has_not_told_and_nobody_remembers_is_lost() -> None:
    untold = confirmed(outbox=(), events=without("17", "18"), notifications=notified("operations", status="pending"))
    assert Verdict.of(untold).reason == (
        "lost: OrderConfirmed; lost: the notification of customer; lost: the notification of operations"
    )


def test_a_queue_on_the_fanouts_knows_better_than_a_journal_whose_writer_died() -> None:
    untold = {"outbox": (), "events": without("17")}
    assert word(confirmed(**untold)) is Word.LOST
    assert word(confirmed(**untold, seen=frozenset({"OrderConfirmed"}))) is Word.CORRECT
    assert word(confirmed(outbox=(), seen=frozenset())) is Word.LOST


def test_a_webhook_that_was_given_up_is_lost_with_the_reason() -> None:
    given_up = (*notified("operations"), *notified("customer", status="failed"))
    assert Verdict.of(confirmed(notifications=given_up)).reason == (
        "lost: the notification of customer: given up after 3 tries"
    )


def test_a_notification_that_is_on_its_way_is_waited_for() -> None:
    assert [str(found) for found in judge(confirmed(notifications=notified("operations"))).waits] == [
        "stuck: the notification of customer is still on its way"
    ]


def test_an_order_is_not_at_its_end_before_each_delivery_was_acknowledged() -> None:
    assert not judge(confirmed(events=without("19"))).ended
    assert not judge(confirmed(deliveries=2)).ended
    assert not judge(confirmed(events=(*without("19"), event("19", fault="drop")))).ended


def test_the_worst_is_the_verdict_and_the_rest_is_told_too() -> None:
    events = (*confirmed().events, event("14", attempt=2))
    verdict = Verdict.of(confirmed(charges=2, events=events, notifications=notified("operations")))
    assert verdict.word is Word.DUPLICATED
    assert [found.word for found in verdict.findings] == [Word.DUPLICATED, Word.OVERSOLD, Word.STUCK]


def test_a_verdict_reads_as_what_is_wrong_and_what_happened_in_the_order_in_which_it_did() -> None:
    events = (event("12"), event("15"), event("12", "redelivered", 2), event("15", attempt=2), event("19", attempt=2))
    firings = ({"kind": "crash", "step": "15", "side": "after", "process": "worker", "at": "2026-01-01T00:00:01.5"},)
    told = str(Verdict.of(confirmed(charges=2, deliveries=2, wants=0, events=events, firings=firings)))
    assert told.splitlines() == [
        "ws-1 (CONFIRMED): duplicated",
        "  duplicated: charged 2 times",
        "       12 step 12 [ok]",
        "       15 step 15 [ok]",
        "    crash after 15",
        "       12 step 12 [redelivered]",
        "       15 step 15 [ok]",
    ]
