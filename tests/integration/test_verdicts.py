"""Verdicts on real orders: lost, stuck, duplicated and oversold are seen to be so in tables and queues."""

from __future__ import annotations

import uuid

import pytest

from orderlab import dead_letters
from orderlab.order import DESIGNS
from orderlab.verdicts.judge import Judge
from orderlab.verdicts.rules import Word
from tests.support import RunningLab


@pytest.fixture
def judge(lab: RunningLab) -> Judge:
    return Judge(lab.database_url, lab.amqp_url, lab.portal_data)


def test_confirmed_and_rejected_orders_are_correct_and_so_is_one_that_nobody_was_told_of(
    lab: RunningLab, judge: Judge
) -> None:
    ids = [lab.place(), lab.place(payment_token="tok_declined"), lab.place(items=[{"sku": "SOLD-OUT", "quantity": 1}])]
    verdicts = judge.verdicts([*ids, "t-nobody-knows"])
    assert [(v.word, v.status) for v in verdicts] == [
        (Word.CORRECT, "CONFIRMED"),
        (Word.CORRECT, "REJECTED"),
        (Word.CORRECT, "REJECTED"),
        (Word.CORRECT, None),
    ]
    assert judge.verdicts(["t-nobody-knows"], told={"t-nobody-knows"})[0].word is Word.LOST


def test_every_order_can_be_judged_at_once(lab: RunningLab, judge: Judge) -> None:
    order_id = lab.place()
    assert order_id in judge.every_order()
    assert {verdict.order_id for verdict in judge.verdicts(judge.every_order(), patience=5)} >= {order_id}


def test_an_order_whose_message_waits_while_no_worker_runs_is_stuck_and_correct_when_one_is_back(
    lab: RunningLab, judge: Judge
) -> None:
    lab.stop("worker")
    try:
        order_id = lab.place()
        lab.wait_for(lambda: judge.evidence([order_id])[0].outbox[0]["published"], "OrderCreated is published")
        (verdict,) = judge.verdicts([order_id], patience=1)
        assert verdict.word is Word.STUCK
        assert "OrderCreated is still in its queue" in verdict.reason
    finally:
        lab.revive("worker")
    assert judge.verdicts([order_id])[0].word is Word.CORRECT  # looking has not lost the message


def test_an_order_whose_message_is_dead_is_stuck_with_the_reason(lab: RunningLab, judge: Judge) -> None:
    # A message of another type in the worker's queue, in the name of an order that has come to nothing else.
    from kombu import Connection

    from orderlab import topology
    from orderlab.messages import Message
    from orderlab.trace import new_traceparent

    order_id = f"t-{uuid.uuid4().hex[:12]}"
    body, headers = Message("OrderImagined", "/test", order_id, {}, new_traceparent()).to_amqp()
    with Connection(lab.amqp_url) as connection:
        producer = connection.Producer()
        producer.publish(body, routing_key=topology.WORKER_QUEUE.name, headers=headers, content_type="application/json")
    lab.wait_for(lambda: order_id in {letter.order_id for letter in dead_letters.read(lab.amqp_url)}, "a dead letter")
    try:
        (verdict,) = judge.verdicts([order_id])
        assert verdict.word is Word.STUCK
        assert "OrderImagined" in verdict.reason
    finally:
        topology.purge(lab.amqp_url)


def test_an_order_that_was_inserted_and_never_told_of_is_lost(lab: RunningLab, judge: Judge) -> None:
    order_id = lab.place(design=DESIGNS["as-drawn"].as_dict(), payment_token="tok_declined")
    lab.settled([order_id])
    judge.verdicts([order_id])
    # What a crash between 8 and 9 leaves behind: the row, and no message anywhere.
    lost = f"{order_id}-lost"
    lab.sql(
        """INSERT INTO orders (order_id, subject, customer_name, customer_email, payment_token, total, currency,
                               design_outbox, design_idempotent_consumer, request, traceparent)
           SELECT %s, subject, customer_name, customer_email, payment_token, total, currency, design_outbox,
                  design_idempotent_consumer, request, traceparent FROM orders WHERE order_id = %s RETURNING 1""",
        lost,
        order_id,
    )
    assert judge.verdicts([lost])[0].reason == "lost: OrderCreated"


def test_a_second_delivery_to_a_consumer_that_forgets_is_duplicated_and_oversold_and_stock_says_so_too(
    lab: RunningLab, judge: Judge
) -> None:
    assert judge.stock_off() == {}
    order_id = lab.place(design=DESIGNS["no-idempotent-consumer"].as_dict())
    judge.verdicts([order_id])
    lab.sql("UPDATE outbox SET published_at = NULL WHERE order_id = %s AND type = 'OrderCreated' RETURNING 1", order_id)
    lab.wait_for(lambda: judge.evidence([order_id])[0].deliveries == 2, "the second delivery")
    (verdict,) = judge.verdicts([order_id])
    assert verdict.word is Word.DUPLICATED
    assert verdict.reason == (
        "duplicated: charged 2 times; duplicated: customer notified under 2 ids; "
        "duplicated: operations notified under 2 ids; oversold: 2 set aside, 1 would be right"
    )
    assert [e["label"] for e in verdict.events if e["label"] == "15"] == ["15", "15"]
    assert judge.stock_off() == {"KEYBOARD": 1}  # the tables agree with what the journal gave the order the blame for
    lab.sql("UPDATE products SET reserved = reserved - 1 WHERE sku = 'KEYBOARD' RETURNING 1")
