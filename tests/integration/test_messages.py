"""The broker's side: topology, envelopes, a student's own queue, dead letters."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Exchange, Queue

from orderlab import dead_letters, stack, topology
from tests.support import RunningLab


@pytest.fixture
def broker(lab: RunningLab) -> Any:
    with Connection(lab.amqp_url, transport_options={"confirm_publish": True}) as connection:
        yield connection


def tap(broker: Any, exchange: str) -> Any:
    """A queue of our own on a fanout."""
    queue = Queue(f"tap-{uuid.uuid4().hex[:8]}", Exchange(exchange, type="fanout"), exclusive=True, auto_delete=True)
    bound = queue(broker.default_channel)
    bound.declare()
    return bound


def next_of(lab: RunningLab, queue: Any, order_id: str) -> Any:
    """The next message in a queue that is about this order."""

    def look() -> Any:
        while message := queue.get(no_ack=True):
            if message.headers["cloudEvents_subject"] == order_id:
                return message
        return None

    return lab.wait_for(look, f"a message about {order_id}")


@pytest.mark.parametrize(
    ("exchange", "kind", "payment_token"),
    [
        ("orders.created", "OrderCreated", "tok_ok"),
        ("orders.confirmed", "OrderConfirmed", "tok_ok"),
        ("orders.rejected", "OrderRejected", "tok_declined"),
    ],
)
def test_a_students_queue_on_the_fanout_sees_a_copy_in_the_standard_envelope(
    lab: RunningLab, broker: Any, exchange: str, kind: str, payment_token: str
) -> None:
    queue = tap(broker, exchange)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    body = lab.order(payment_token=payment_token)
    lab.post(body, traceparent=trace)
    message = next_of(lab, queue, body["order_id"])
    assert message.headers["cloudEvents_type"] == kind
    assert message.headers["cloudEvents_specversion"] == "1.0"
    assert message.headers["cloudEvents_traceparent"] == trace
    assert {"cloudEvents_id", "cloudEvents_source", "cloudEvents_time"} <= set(message.headers)
    assert json.loads(message.body)["order_id"] == body["order_id"]
    assert message.properties["delivery_mode"] == 2
    assert lab.settled([body["order_id"]])  # the worker had its own copy


def test_every_queue_that_holds_orders_is_a_durable_quorum_queue(lab: RunningLab, broker: Any) -> None:
    for queue in topology.QUEUES:
        assert queue.durable
        # Declaring it again with these arguments is refused if the one that exists is of another kind.
        queue(broker.default_channel).declare()
        assert queue.queue_arguments["x-queue-type"] == "quorum"


POISON = [
    (b"rubbish", {}),
    (b"\xff\xfe", {}),
    (b"{}", {"cloudEvents_id": "1", "cloudEvents_type": "OrderCreated", "cloudEvents_specversion": "1.0"}),
    (b"[1]", None),
    (b'{"order_id": "nope"}', None),
]


@pytest.mark.parametrize(("body", "headers"), POISON)
@pytest.mark.parametrize("content_type", ["application/json", "application/x-python-serialize"])
def test_a_message_that_can_not_be_processed_ends_in_orders_dead_with_the_reason(
    lab: RunningLab, broker: Any, body: bytes, headers: dict[str, str] | None, content_type: str
) -> None:
    mark = uuid.uuid4().hex
    good = {
        "cloudEvents_id": mark,
        "cloudEvents_type": "OrderCreated",
        "cloudEvents_specversion": "1.0",
        "cloudEvents_source": "/test",
        "cloudEvents_subject": f"nope-{mark}",
    }
    broker.Producer().publish(
        body,
        exchange="orders.created",
        headers={**(good if headers is None else headers), "mark": mark},
        content_type=content_type,
        content_encoding="utf-8",
    )

    def mine() -> list[dead_letters.DeadLetter]:
        return [letter for letter in dead_letters.read(lab.amqp_url) if letter.headers.get("mark") == mark]

    (letter,) = lab.wait_for(mine, "the dead letter")
    assert letter.reason.endswith(".")
    assert letter.queue == "orders.created.worker"
    assert letter.body.encode("utf-8", "replace") == body.decode("utf-8", "replace").encode("utf-8", "replace")
    order_id = lab.place()
    assert lab.settled([order_id]) == {order_id: "CONFIRMED"}  # poison does not stop the worker


def test_a_dead_letter_is_sent_back_and_processed_once_its_cause_is_gone(lab: RunningLab, broker: Any) -> None:
    body, event_id = lab.order(), str(uuid.uuid4())
    headers = {
        "cloudEvents_id": event_id,
        "cloudEvents_type": "OrderCreated",
        "cloudEvents_specversion": "1.0",
        "cloudEvents_source": "/test",
        "cloudEvents_subject": body["order_id"],
        "cloudEvents_traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    broker.Producer().publish({"order_id": body["order_id"]}, exchange="orders.created", headers=headers)

    def dead() -> list[dead_letters.DeadLetter]:
        return [letter for letter in dead_letters.read(lab.amqp_url) if letter.event_id == event_id]

    assert "There is no order" in lab.wait_for(dead, "the dead letter")[0].reason
    lab.post(body)
    lab.settled([body["order_id"]])
    assert dead_letters.send_back(lab.amqp_url, event_id) == 1
    assert not dead()
    again = lab.wait_for(
        lambda: [e for e in lab.events(body["order_id"]) if e["outcome"] == "second_copy"], "the second delivery"
    )
    assert again[0]["attempt"] == 2
    assert again[0]["data"]["published_by"] == "dead-letters"
    lab.check_books([body["order_id"]])


def test_a_message_that_comes_twice_changes_nothing_and_its_journal_says_already_done(
    lab: RunningLab, broker: Any
) -> None:
    queue = tap(broker, "orders.created")
    order_id = lab.place()
    message = next_of(lab, queue, order_id)
    lab.complete(order_id)
    headers = {name: value for name, value in message.headers.items() if not name.startswith("x-")}
    broker.Producer().publish(message.payload, routing_key="orders.created.worker", headers=headers)

    def second() -> list[dict[str, Any]]:
        events = [event for event in lab.events(order_id) if event["attempt"] == 2]
        return events if "ack_message" in [event["name"] for event in events] else []

    told = [(event["step"], event["outcome"]) for event in lab.wait_for(second, "the second delivery")]
    assert told == [(12, "second_copy"), (14, "already_done"), (15, "already_done"), (16, "already_done"), (19, "ok")]
    lab.check_books([order_id])


def test_resending_all_sends_what_was_there_when_it_began_and_ends(lab: RunningLab, broker: Any) -> None:
    topology.purge(lab.amqp_url)  # what other tests have left
    back = {"x-message-ttl": 0, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders.dead"}
    broker.channel().queue_declare("never-processed", exclusive=True, arguments=back)
    for number in range(20):  # each comes straight back, and the first long before the last is sent
        broker.Producer().publish(
            b"no order",
            routing_key="orders.dead",
            headers={"cloudEvents_id": str(number), "orderlab-queue": "never-processed"},
        )
    assert dead_letters.send_back(lab.amqp_url) == 20
    lab.wait_for(lambda: len(dead_letters.read(lab.amqp_url)) == 20, "all of them are back")
    topology.purge(lab.amqp_url)


def test_a_reset_leaves_no_dead_letter_of_the_orders_that_were_on_their_way(lab: RunningLab) -> None:
    for _ in range(30):
        lab.place()
    stack.reset(lab.home)
    assert lab.value("SELECT count(*) FROM orders") == 0
    after = lab.place()
    lab.complete(after)  # the queue is first in, first out: what was before it would have been worked at
    assert dead_letters.read(lab.amqp_url) == []
    assert lab.value("SELECT count(*) FROM orders") == 1


def test_an_order_may_be_halted_for_a_day_before_the_broker_takes_its_message_back(lab: RunningLab) -> None:
    told = json.loads((lab.home / "programs.json").read_text())["rabbitmq"]
    ask = [
        str(Path(told["command"][0]).with_name("rabbitmqctl")),
        "eval",
        "application:get_env(rabbit, consumer_timeout).",
    ]
    said = subprocess.run(ask, env=told["environment"], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "{ok,86400000}"
