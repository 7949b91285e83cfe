"""What `order_events` holds: all nineteen steps, the truth about refusals and retries, and at what cost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from orderlab import stack
from orderlab.client import ClientSteps, OrdersClient
from orderlab.journal import now
from orderlab.sequence import CLICK_CREATE_ORDER, POST_ORDER, REQUEST_DEMO_TOKEN, SHOW_CONFIRMATION, STEPS
from orderlab.trace import new_traceparent, trace_id
from tests.support import RunningLab, problem


def place_like_the_portal(lab: RunningLab, **fields: object) -> tuple[str, str]:
    """Steps 1, 2, 4 and 11, reported together; the order's id and the trace."""
    client, body, trace = OrdersClient(lab.api_url), lab.order(**fields), new_traceparent()
    steps = ClientSteps(body["order_id"])
    steps(CLICK_CREATE_ORDER, lambda: None)
    token = steps(REQUEST_DEMO_TOKEN, client.login, trace)
    steps(POST_ORDER, client.create_order, body, token, trace)
    steps(SHOW_CONFIRMATION, lambda: None)
    client.report(body["order_id"], steps.events, token, trace)
    return body["order_id"], trace


def test_a_happy_order_leaves_all_nineteen_steps_and_two_webhooks(lab: RunningLab) -> None:
    order_id, trace = place_like_the_portal(lab)
    lab.recorded(order_id, "show_confirmation")
    events = lab.complete(order_id)
    nineteen = [event for event in events if event["part"] is None]
    assert [(event["step"], event["name"]) for event in nineteen] == [(step.number, step.name) for step in STEPS]
    assert [(e["label"], e["name"]) for e in events if e["part"]] == [
        ("18a", "webhook_delivered"),
        ("18b", "webhook_delivered"),
    ]
    assert {event["outcome"] for event in events} == {"ok"}
    assert {event["attempt"] for event in events} == {1}
    assert {event["trace_id"] for event in events} == {trace_id(trace)}
    for event, step in zip(nineteen, STEPS, strict=True):
        assert event["lane"] == step.source
        assert datetime.fromisoformat(event["started_at"]) <= datetime.fromisoformat(event["ended_at"])


def test_steps_reported_before_the_order_exists_are_held_and_written_with_it(lab: RunningLab) -> None:
    body = lab.order()
    moment = now().isoformat()
    reported = {"events": [{"step": n, "started_at": moment, "ended_at": moment} for n in (1, 2)]}
    path = f"/orders/{body['order_id']}/events"
    assert lab.http.post(path, json=reported, headers=lab.bearer).json() == {"accepted": 2}
    assert lab.value("SELECT count(*) FROM order_events WHERE order_id = %s", body["order_id"]) == 0
    lab.post(body)
    held = lab.sql("SELECT xmin::text, step FROM order_events WHERE order_id = %s ORDER BY step", body["order_id"])
    inserted = lab.value("SELECT xmin::text FROM order_items WHERE order_id = %s", body["order_id"])
    in_the_insert = [row["step"] for row in held if row["xmin"] == inserted]
    assert in_the_insert == [1, 2, 3, 5, 6, 7, 8]


@pytest.mark.parametrize("step", [3, 5, 8, 12, 19, 0, 20, "ack_message", None, True, [1]])
def test_a_client_can_report_no_step_but_its_own(lab: RunningLab, step: object) -> None:
    order_id, moment = lab.place(), now().isoformat()
    report = {"events": [{"step": step, "started_at": moment, "ended_at": moment}]}
    response = lab.http.post(f"/orders/{order_id}/events", json=report, headers=lab.bearer)
    assert problem(response, 422)["errors"][0]["field"] == "events[0].step"


def test_nobody_can_report_steps_of_an_order_that_is_not_theirs(lab: RunningLab) -> None:
    order_id, moment = lab.place(), now().isoformat()
    report = {"events": [{"step": 11, "started_at": moment, "ended_at": moment}]}
    mallory = {"Authorization": f"Bearer {lab.mint(sub='mallory')}"}
    problem(lab.http.post(f"/orders/{order_id}/events", json=report, headers=mallory), 403)
    assert "show_confirmation" not in [event["name"] for event in lab.complete(order_id)]


def test_a_retry_and_a_conflict_are_told_in_the_journal_of_the_order(lab: RunningLab) -> None:
    body = lab.order()
    lab.post(body)
    lab.post(body, traceparent=(retry := new_traceparent()))
    lab.post({**body, "payment_token": "tok_slow"}, traceparent=(conflict := new_traceparent()))

    def seventh(trace: str) -> list[str]:
        return [
            e["outcome"] for e in lab.events(body["order_id"]) if e["trace_id"] == trace_id(trace) and e["step"] == 7
        ]

    assert lab.wait_for(lambda: seventh(retry), "the retry's steps") == ["duplicate"]
    assert lab.wait_for(lambda: seventh(conflict), "the conflict's steps") == ["conflict"]
    answers = [e["data"]["status"] for e in lab.events(body["order_id"]) if e["name"] == "respond_created"]
    assert answers == [201, 200, 409]


def test_reading_with_wait_answers_at_the_next_event(lab: RunningLab) -> None:
    order_id = lab.place(payment_token="tok_slow")
    seen, names = 0, set[str]()
    while "ack_message" not in names:
        answer = lab.http.get(f"/orders/{order_id}/events", params={"after": seen, "wait": 20}, headers=lab.bearer)
        events = answer.json()["events"]
        newest = max(event["id"] for event in events)
        assert newest > seen, "it waited its time out although something happened"
        seen, names = newest, {event["name"] for event in events}


def test_a_declined_payment_gives_the_reservation_back(lab: RunningLab) -> None:
    order_id = lab.place(payment_token="tok_declined")
    assert lab.settled([order_id]) == {order_id: "REJECTED"}
    told = [(e["label"], e["name"], e["outcome"]) for e in lab.complete(order_id) if e["step"] >= 14]
    assert told[:5] == [
        ("14", "reserve_inventory", "ok"),
        ("15", "process_payment", "declined"),
        ("15c", "release_inventory", "ok"),
        ("16", "reject_order", "rejected"),
        ("17", "publish_order_rejected", "ok"),
    ]
    assert lab.value("SELECT rejection_reason FROM orders WHERE order_id = %s", order_id) == "payment_declined"
    lab.check_books([order_id])


def test_an_order_for_what_is_sold_out_is_rejected_before_anything_is_reserved_or_charged(lab: RunningLab) -> None:
    order_id = lab.place(items=[{"sku": "SOLD-OUT", "quantity": 1}, {"sku": "MOUSE", "quantity": 1}])
    assert lab.settled([order_id]) == {order_id: "REJECTED"}
    names = [event["name"] for event in lab.complete(order_id)]
    assert "reserve_inventory" not in names
    assert "process_payment" not in names
    assert lab.value("SELECT rejection_reason FROM orders WHERE order_id = %s", order_id) == "out_of_stock"
    lab.check_books([order_id])


def test_of_ten_orders_for_the_last_three_exactly_three_are_confirmed(lab: RunningLab) -> None:
    free = lab.value("SELECT on_hand - reserved FROM products WHERE sku = 'LAST-THREE'")
    bodies = [lab.order(items=[{"sku": "LAST-THREE", "quantity": 1}]) for _ in range(10)]
    statuses = lab.settled(lab.place_many(bodies, clients=10))
    assert list(statuses.values()).count("CONFIRMED") == free
    lab.check_books(statuses)


def test_a_gateway_that_fails_twice_charges_once(lab: RunningLab) -> None:
    order_id = lab.place(payment_token="tok_gateway_error")
    assert lab.settled([order_id]) == {order_id: "CONFIRMED"}
    lab.check_books([order_id])


@pytest.mark.parametrize("token", ["tok_insufficient_funds", "tok_expired_card"])
def test_a_card_that_can_not_pay_is_declined(lab: RunningLab, token: str) -> None:
    order_id = lab.place(payment_token=token)
    assert lab.settled([order_id]) == {order_id: "REJECTED"}


def test_a_reset_in_the_middle_of_orders_gets_its_way(lab: RunningLab) -> None:
    _ = lab.token
    with ThreadPoolExecutor(8) as pool:
        placing = [pool.submit(lab.place_many, [lab.order()], 1) for _ in range(100)]
        for _ in range(5):
            stack.reset(lab.home)  # services that have something in hand are killed, and a client insists
        assert all(each.result() for each in placing)
    last = lab.place()
    assert lab.settled([last]) == {last: "CONFIRMED"}
    stack.reset(lab.home)
    assert lab.value("SELECT count(*) FROM orders WHERE order_id = %s", last) == 0
