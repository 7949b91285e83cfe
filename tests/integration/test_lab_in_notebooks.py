"""`Lab` on a running lab: what notebooks call does what it says, on the real servers."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from orderlab import Lab
from orderlab.client import ApiProblem
from orderlab.errors import LabError
from orderlab.sequence import STEPS
from tests.support import RunningLab


@pytest.fixture(scope="module")
def notebook(lab: RunningLab) -> Lab:
    return Lab(lab.home)


@pytest.fixture(scope="module")
def happy(notebook: Lab) -> str:
    """An order that has come to its end well."""
    order_id = notebook.new_id("nb")
    notebook.create_order(order_id)
    notebook.wait(order_id)
    return order_id


def test_an_order_by_hand_is_the_same_nineteen_arrows_as_at_the_portal(notebook: Lab, happy: str) -> None:
    portal = notebook.portal(notebook.new_id("nb"))
    portal.click_create_order()
    assert portal.request_demo_token().claims["sub"] == "demo"
    assert portal.post_order().status == 201
    assert portal.order_id in portal.show_confirmation()
    assert notebook.wait(portal.order_id)["status"] == "CONFIRMED"
    assert str(notebook.sequence(portal.order_id)) == str(notebook.sequence(happy))


def test_the_journal_of_an_order_that_went_well_has_the_nineteen_and_two_webhooks(notebook: Lab, happy: str) -> None:
    labels = [event["label"] for event in notebook.journal(happy)]
    assert labels == [*(step.label for step in STEPS[:18]), "18a", "18b", "19"]
    frame = notebook.events(happy)
    assert list(frame.step) == labels
    assert frame.began.min() == 0
    assert (frame.took >= 0).all()


def test_waiting_in_vain_says_what_is_missing(notebook: Lab) -> None:
    order_id = notebook.create_order(payment_token="tok_slow")["order_id"]
    with pytest.raises(LabError, match=r"still missing: CONFIRMED or REJECTED.*19 \(ack_message\)"):
        notebook.wait(order_id, timeout=0.1)
    assert notebook.wait(order_id)["status"] == "CONFIRMED"


def test_waiting_for_an_order_that_is_not_there_says_so(notebook: Lab) -> None:
    with pytest.raises(ApiProblem, match="no order with this id"):
        notebook.wait(notebook.new_id("nb"))


def test_waiting_includes_every_post_that_was_answered_here(notebook: Lab) -> None:
    order_id = notebook.create_order()["order_id"]
    assert notebook.post_order(order_id).headers["Idempotent-Replayed"] == "true"
    assert notebook.post_order(order_id, {"MOUSE": 1}).status == 409
    notebook.wait(order_id)
    assert Counter(e["data"].get("status") for e in notebook.journal(order_id) if e["step"] == 10) == {
        201: 1,
        200: 1,
        409: 1,
    }


def test_fifty_at_once_are_one_order_one_charge_one_message(notebook: Lab) -> None:
    order_id = notebook.new_id("nb")
    with notebook.tap("orders.created") as tap:
        answers = notebook.at_once(50, notebook.post_order, order_id, token=notebook.login())
        assert Counter(answer.status for answer in answers) == {201: 1, 200: 49}
        notebook.wait(order_id)
        assert len(tap.messages(order_id)) == 1
    assert len(notebook.table("payments", order_id)) == 1


def test_a_tap_sees_a_copy_and_takes_nothing_from_the_worker(notebook: Lab) -> None:
    with notebook.tap("orders.rejected") as tap:
        order_id = notebook.create_order(items={"SOLD-OUT": 1})["order_id"]
        copy = tap.message(order_id)
        assert copy.headers["cloudEvents_type"] == "OrderRejected"
        assert copy.body["rejection_reason"] == "out_of_stock"
        assert notebook.wait(order_id)["status"] == "REJECTED"


def test_a_tap_that_gets_nothing_says_so(notebook: Lab) -> None:
    with notebook.tap("orders.created") as tap, pytest.raises(LabError, match="before you place the order"):
        tap.message("nobody", timeout=0.1)


@pytest.mark.parametrize("exchange", ["orders.deleted", ""])
def test_tapping_what_is_not_there_names_what_is(notebook: Lab, exchange: str) -> None:
    with pytest.raises(LabError, match=r"orders\.created, orders\.confirmed, orders\.rejected"):
        notebook.tap(exchange)


@pytest.mark.parametrize("name", ["orders", "order_items", "payments", "notifications", "outbox", "order_events"])
def test_a_table_shows_the_rows_of_an_order(notebook: Lab, happy: str, name: str) -> None:
    frame = notebook.table(name, happy)
    assert set(frame.order_id) == {happy}
    assert len(notebook.table(name, limit=1)) == 1


def test_a_table_that_is_not_there_is_refused_by_name(notebook: Lab) -> None:
    with pytest.raises(LabError, match="no table 'pg_authid'"):
        notebook.table("pg_authid")
    with pytest.raises(LabError, match="belong to no order"):
        notebook.table("products", "ws-1")


def test_what_is_reserved_follows_an_order(notebook: Lab) -> None:
    before = notebook.reserved("MONITOR")
    notebook.wait(notebook.create_order(items={"MONITOR": 2})["order_id"])
    notebook.wait(notebook.create_order(items={"MONITOR": 2}, payment_token="tok_declined")["order_id"])
    assert notebook.reserved("MONITOR") == before + 2
    with pytest.raises(LabError, match="KEYBOARD"):
        notebook.reserved("TYPEWRITER")


def test_queues_are_all_there_and_the_worker_s_is_empty_when_nothing_is_on_its_way(notebook: Lab, happy: str) -> None:
    depths = notebook.queues()
    assert set(depths) == {
        "orders.created.worker",
        "notifications.operations",
        "notifications.customer",
        "orders.dead",
    }
    assert depths["orders.created.worker"] == 0


def test_forged_tokens_are_refused_except_one_as_good_as_the_api_s_own(notebook: Lab) -> None:
    answers = {
        201: [notebook.forge()],
        401: [
            "",
            notebook.forge(expires_in=-1),
            notebook.forge(audience="another"),
            notebook.forge(issuer="another"),
            notebook.forge(key="another key of the right length, at least"),
            notebook.forge(algorithm="none"),
        ],
        403: [notebook.forge(scope="orders:read")],
    }
    for status, tokens in answers.items():
        assert {notebook.post_order(token=token).status for token in tokens} == {status}


def test_the_latest_orders_come_first(notebook: Lab) -> None:
    order_id = notebook.create_order()["order_id"]
    assert notebook.orders(limit=2).order_id[0] == order_id


def test_a_token_for_reading_is_renewed_before_it_expires(notebook: Lab, happy: str) -> None:
    notebook._reading._own_token = notebook.forge(expires_in=30)
    old = notebook._reading._own_token
    assert notebook.order(happy)["order_id"] == happy
    assert notebook._reading._own_token != old


def test_an_order_writes_what_was_recorded_of_it_for_the_viewers_of_traces(notebook: Lab, tmp_path: Path) -> None:
    order = notebook.create_order()
    notebook.wait(order)
    recorded = notebook.journal(order)
    told = json.loads(order.otlp(tmp_path / "otlp.json").read_text("utf-8"))
    spans = [span for each in told["resourceSpans"] for scope in each["scopeSpans"] for span in scope["spans"]]
    assert sorted((span["traceId"], span["name"]) for span in spans) == sorted(
        (event["trace_id"], event["name"]) for event in recorded
    )
    slices = json.loads(notebook.order(order).perfetto(tmp_path / "trace.json").read_text("utf-8"))["traceEvents"]
    assert len([one for one in slices if one["ph"] == "b"]) == len(recorded)
