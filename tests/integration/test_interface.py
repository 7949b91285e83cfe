"""The one interface on a running lab: an order answers for itself, and what a notebook asks for by name is there."""

from __future__ import annotations

import pytest
from kombu import Connection

from orderlab import Lab, crash, topology
from orderlab.errors import LabError
from tests.support import RunningLab

TWO = {"MOUSE": 2, "KEYBOARD": 1}
EVA = {"name": "Eva", "email": "eva@example.com"}


@pytest.fixture(scope="module")
def notebook(lab: RunningLab) -> Lab:
    return Lab(lab.home)


def test_an_order_answers_for_itself(notebook: Lab, tmp_path: object) -> None:
    order = notebook.create_order(notebook.new_id("face"), TWO, customer=EVA, design="as-drawn")
    assert order.wait().status == "CONFIRMED" == order["status"]
    assert order["design"] == {"outbox": False, "idempotent_consumer": False}
    assert order["customer"] == EVA
    assert order.step in ("18a", "18b", "19")
    assert set(order.events().step) >= {"1", "19", "18a", "18b"}
    assert "\n 19  " in order.sequence().text
    assert order.verdict().word == "correct"
    assert notebook.last.order_id == order.order_id


def test_verdicts_are_of_those_that_are_asked_for(notebook: Lab) -> None:
    ids = [notebook.create_order(notebook.new_id("pick")).wait().order_id for _ in range(2)]
    assert list(notebook.verdicts("pick-*").order_id) == ids
    assert list(notebook.verdicts(ids[:1]).verdict) == ["correct"]
    assert notebook.verdicts("nobody-*").empty
    with pytest.raises(LabError, match=f"Did you mean '{ids[0]}'"):
        notebook.verdicts([f"{ids[0]}x"])


def test_more_orders_than_the_api_gives_at_once_are_listed(lab: RunningLab, notebook: Lab) -> None:
    ids = [lab.place() for _ in range(105)]
    listed = list(notebook.orders(limit=105).order_id)
    assert listed == ids[::-1]
    assert len(notebook.orders(limit=7)) == 7
    for order_id in ids:
        lab.complete(order_id)


def test_several_products_and_a_customer_go_through_the_portal_s_form_too(notebook: Lab) -> None:
    with notebook.step_through(notebook.new_id("form"), TWO, customer=EVA, design="no-outbox") as run:
        run.until(8)
    order = notebook.wait(run)
    assert {item["sku"]: item["quantity"] for item in order["items"]} == TWO
    assert order["customer"] == EVA
    compared = notebook.compare(crash(15, "after"), ("no-outbox", "default"), "form", items=TWO, customer=EVA)
    assert compared.verdicts == {"no-outbox": "correct", "default": "correct"}
    for order_id in compared.order_ids.values():
        assert {item["sku"]: item["quantity"] for item in notebook.order(order_id)["items"]} == TWO


def test_an_order_of_several_products_is_taken_up_as_it_is(lab: RunningLab, notebook: Lab) -> None:
    first = notebook.step_through(notebook.new_id("form"), TWO, customer=EVA)
    first.until(14)
    second = notebook.step_through(first.order_id)
    second.until(16)
    second.close()
    lab.complete(first.order_id)


def test_a_shelf_is_filled_and_a_service_scaled_from_a_notebook(notebook: Lab) -> None:
    assert notebook.restock("SOLD-OUT", 2) == 2
    assert notebook.restock("SOLD-OUT") == 3
    notebook.reset(everything=True)  # puts the shelves back as they were, too
    assert notebook.catalogue().set_index("sku").available["SOLD-OUT"] == 0
    with pytest.raises(LabError, match="Did you mean 'LAST-THREE'"):
        notebook.restock("LAST-TREE")
    notebook.scale(relay=2)
    try:
        assert len(notebook.processes.status().set_index("process").pids["relay"]) == 2
    finally:
        notebook.scale(relay=1)
    with pytest.raises(LabError, match="how many of what"):
        notebook.scale()


def test_a_dead_message_is_listed_shown_and_sent_back(lab: RunningLab, notebook: Lab) -> None:
    headers = {"cloudEvents_id": "face-dead", "cloudEvents_subject": "face-nobody"}
    with Connection(lab.amqp_url) as broker:
        broker.Producer().publish({"order_id": "face-nobody"}, exchange="orders.created", headers=headers)
    lab.wait_for(lambda: "face-dead" in set(notebook.dead.list().event_id), "the dead message")
    assert "face-nobody" in str(notebook.dead.show("face-dead"))
    assert "face-dead" in repr(notebook.dead)
    assert notebook.dead.resend("face-dead") == 1
    with pytest.raises(LabError, match="no dead message"):
        notebook.dead.resend("face-gone")
    lab.wait_for(lambda: "face-dead" in set(notebook.dead.list().event_id), "that it died again")
    topology.purge(lab.amqp_url, [topology.DEAD])
