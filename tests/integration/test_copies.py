"""Which copy of a message led to what: told by ids, also where the broker has forgotten what it handed out."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from orderlab.faults import arming
from tests.support import RunningLab


@pytest.fixture
def gates(lab: RunningLab) -> Iterator[psycopg.Connection[Any]]:
    """A connection to arm faults with; what is left of them is cleared."""
    with psycopg.connect(lab.database_url, autocommit=True) as connection:
        yield connection
    with psycopg.connect(lab.database_url, autocommit=True) as connection:
        arming.clear(connection)


def of(events: list[dict[str, Any]], step: int) -> list[dict[str, Any]]:
    """The order's events of this step, the first delivery's first."""
    found = [event for event in events if event["step"] == step and not event["part"]]
    return sorted(found, key=lambda event: event["started_at"])


def told(lab: RunningLab, order_id: str) -> dict[str, Any]:
    """All that the API tells of an order's journal."""
    answer: dict[str, Any] = lab.http.get(f"/orders/{order_id}/events", headers=lab.bearer).json()
    return answer


def test_what_the_relay_publishes_again_is_a_second_copy_and_no_redelivery(
    lab: RunningLab, gates: psycopg.Connection[Any]
) -> None:
    body = lab.order()
    order_id = body["order_id"]
    arming.arm(gates, "crash", 9, "after", order_id=order_id)
    assert lab.place_many([body]) == [order_id]

    def both() -> list[dict[str, Any]]:
        events = lab.events(order_id)
        return events if len(of(events, 19)) == 2 else []

    events = lab.wait_for(both, "both copies are consumed and acknowledged")
    first, second = of(events, 12)
    (relayed,) = of(events, 9)  # the API's own died with it
    assert (first["outcome"], second["outcome"]) == ("ok", "second_copy")
    assert [each["data"]["published_by"] for each in (first, second)] == ["orders-api", "relay"]
    assert relayed["data"] == {"by": "relay", "copies": [second["data"]["copy"]]}
    assert first["data"]["copy"] != second["data"]["copy"]

    (firing,) = told(lab, order_id)["firings"]
    (lost,) = firing["unwritten"]
    assert (lost["step"], lost["data"]["copies"]) == (9, [first["data"]["copy"]])
    lab.check_books([order_id])


def test_after_rabbitmq_was_killed_the_message_in_hand_comes_again_as_the_same_copy(
    lab: RunningLab, gates: psycopg.Connection[Any]
) -> None:
    order_id = f"it-{uuid.uuid4().hex[:10]}"
    pause = arming.arm(gates, "pause", 13, "before", order_id=order_id)
    lab.place(order_id)
    lab.wait_for(lambda: lab.sql("SELECT FROM lab.halted WHERE order_id = %s", order_id), "the worker is halted")
    lab.kill("rabbitmq")
    lab.revive("rabbitmq")
    arming.clear(gates, pause)

    def again() -> list[dict[str, Any]]:
        events = of(lab.events(order_id), 12)
        return events if len(events) > 1 else []

    first, *rest = lab.wait_for(again, "the message comes again")
    assert [each["outcome"] for each in rest] == ["redelivered"] * len(rest)
    assert {each["data"]["copy"] for each in rest} == {first["data"]["copy"]}
    assert lab.settled([order_id]) == {order_id: "CONFIRMED"}
    lab.check_books([order_id])


def test_a_webhook_says_which_copy_of_the_notification_it_stands_for(lab: RunningLab) -> None:
    events = lab.complete(lab.place())
    (notify,) = of(events, 18)
    webhooks = {event["data"]["copy"] for event in events if event["part"] in ("a", "b")}
    assert webhooks == set(notify["data"]["copies"])


def test_the_api_tells_what_a_crash_destroyed_and_what_the_tables_say(
    lab: RunningLab, gates: psycopg.Connection[Any]
) -> None:
    body = lab.order(design={"outbox": False, "idempotent_consumer": False})
    order_id = body["order_id"]
    arming.arm(gates, "crash", 16, "before", order_id=order_id)
    lab.post(body)
    lab.complete(order_id)
    answer = told(lab, order_id)
    (firing,) = answer["firings"]
    assert {name: firing[name] for name in ("kind", "step", "side", "process")} == {
        "kind": "crash",
        "step": "16",
        "side": "before",
        "process": "worker",
    }
    assert [event["name"] for event in firing["unwritten"]] == ["process_payment"]
    evidence = answer["evidence"]
    assert (evidence["charges"], evidence["deliveries"], evidence["wants"]) == (2, 2, 1)
    assert evidence["design"] == {"outbox": False, "idempotent_consumer": False}
