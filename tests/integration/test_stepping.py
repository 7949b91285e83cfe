"""Stepping through orders in the real services: every arrow in its place, whatever becomes of the order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orderlab import Lab, stack
from orderlab.errors import LabError
from orderlab.faults.model import ImpossibleFault
from orderlab.faults.script import Planned, crash, drop
from orderlab.sequence import STEPS
from orderlab.stepping.moment import Moment
from orderlab.stepping.stepping import SteppingRun
from tests.support import RunningLab

REQUEST = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"]
WEBHOOKS = ["18a", "18b"]
HAPPY = [*(step.label for step in STEPS), *WEBHOOKS]


@pytest.fixture(scope="module")
def notebook(lab: RunningLab) -> Iterator[Lab]:
    lab_ = Lab(lab.home)
    yield lab_
    lab_.faults.clear()


def to_the_end(run: SteppingRun) -> list[Moment]:
    """Every moment from where it stands."""
    moments = [run.next()]
    while not moments[-1].ended:
        moments.append(run.next())
        assert len(moments) < 60, "it does not end"
    return moments


def labels(moments: list[Moment]) -> list[str]:
    return [arrow for moment in moments for arrow in moment.arrows]


def changes(moments: list[Moment], label: str) -> dict[str, list[str]]:
    """What changed at this arrow, by where."""
    (moment,) = [moment for moment in moments if label in moment.arrows]
    found: dict[str, list[str]] = {}
    for where, what in moment.changes:
        found.setdefault(where, []).append(what)
    return found


@pytest.fixture(scope="module")
def happy(notebook: Lab, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Moment], Path]:
    """All moments of an order that goes well, and its capsule."""
    run = notebook.step_through(notebook.new_id("st"))
    moments = to_the_end(run)
    return moments, run.save(tmp_path_factory.mktemp("capsule") / "run.json")


def test_an_order_that_goes_well_is_shown_arrow_by_arrow_as_the_diagram_stands(
    happy: tuple[list[Moment], Path],
) -> None:
    moments, _ = happy
    assert [moment.arrows for moment in moments] == [(label,) for label in HAPPY] + [()]
    assert moments[-1].ended
    assert "CONFIRMED" in moments[-1].said[0]


def test_each_moment_lights_its_own_arrow_and_draws_none_that_is_yet_to_come(
    happy: tuple[list[Moment], Path],
) -> None:
    moments, _ = happy
    for n, moment in enumerate(moments[:-1], start=1):
        lit = [line for line in moment.drawing.text.splitlines() if line.endswith("◀ now")]
        assert [line.split()[0] for line in lit] == [HAPPY[n - 1]]
        assert [event["label"] for event in moment.events] == HAPPY[:n]
        assert "<img" in moment._repr_mimebundle_()["text/html"]


def test_each_moment_tells_what_the_arrow_has_changed(happy: tuple[list[Moment], Path]) -> None:
    moments, _ = happy
    assert changes(moments, "7") == {}
    assert changes(moments, "8")["table orders"] == ["+ RECEIVED, 49.90 EUR, outbox on, idempotent consumer on"]
    assert changes(moments, "8")["table outbox"] == ["+ OrderCreated from /orders-api, not marked as published"]
    assert changes(moments, "9") == {"queue orders.created.worker": ["+ 1 message, delivered and not yet acknowledged"]}
    assert changes(moments, "11") == {"table outbox": ["OrderCreated: published, and marked so"]}
    assert changes(moments, "12") == {"table orders": ["deliveries 0 → 1"]}
    assert changes(moments, "14") == {
        "table orders": ["status RECEIVED → INVENTORY_RESERVED"],
        "table products": ["KEYBOARD: reserved +1"],
    }
    assert changes(moments, "15") == {"table payments": ["+ 49.90 EUR with tok_ok; idempotency key: the order's id"]}
    assert changes(moments, "16")["table orders"] == ["status INVENTORY_RESERVED → CONFIRMED"]
    assert len(changes(moments, "18")) == 2
    assert changes(moments, "19") == {
        "queue orders.created.worker": ["- 1 message, acknowledged: the broker forgets it"]
    }


def test_what_travels_is_shown_the_token_at_3_and_messages_at_9_17_and_18(happy: tuple[list[Moment], Path]) -> None:
    at = {moment.arrows[0]: moment for moment in happy[0] if moment.arrows}
    assert at["3"].claims is not None
    assert at["3"].claims["sub"] == "demo"
    assert "••••" in str(at["3"])
    carried = {label: [message["headers"]["cloudEvents_type"] for message in at[label].messages] for label in at}
    assert {label: types for label, types in carried.items() if types} == {
        "9": ["OrderCreated"],
        "17": ["OrderConfirmed"],
        "18": ["Notification", "Notification"],
    }
    assert at["9"].messages[0]["body"] == {"order_id": at["9"].order_id}


def test_a_capsule_is_stepped_and_drawn_where_there_is_no_lab(happy: tuple[list[Moment], Path], tmp_path: Path) -> None:
    moments, file = happy
    code = f"""
from orderlab import Run
import sys
run = Run.open({str(file)!r})
while not (moment := run.next()).ended:
    print(moment, end="\\n=====\\n")
assert moment.drawing.svg.startswith("<svg")
print(moment)
assert run.back().arrows == ("18b",)
assert not {{"eventlet", "nameko"}} & set(sys.modules)
"""
    away = {"PATH": os.environ["PATH"], "ORDERLAB_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=away, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.removesuffix("\n").split("\n=====\n") == [str(moment) for moment in moments]


def test_an_order_that_was_not_stepped_is_saved_with_its_tables_at_the_end(notebook: Lab, tmp_path: Path) -> None:
    from orderlab import Run

    order_id = notebook.create_order()["order_id"]
    notebook.wait(order_id)
    run = Run.open(notebook.save(order_id, tmp_path / "order.json"))
    assert run.until("confirm_order").arrows == ("16",)
    end = run.finish()
    assert end.tables is not None
    assert end.tables["orders"][0]["status"] == "CONFIRMED"
    assert str(run.sequence()) == str(notebook.sequence(order_id))


# (name: order, arrows, what is said at the end)
REFUSALS: dict[str, tuple[dict[str, Any], list[str], str]] = {
    "out of stock": (
        {"items": {"SOLD-OUT": 1}},
        [*REQUEST, "12", "13", "16", "17", "18", "19", *WEBHOOKS],
        "REJECTED (out_of_stock)",
    ),
    "payment declined": (
        {"payment_token": "tok_declined"},
        [*REQUEST, "12", "13", "14", "15", "15c", "16", "17", "18", "19", *WEBHOOKS],
        "REJECTED (payment_declined)",
    ),
    "not in the catalogue": ({"items": {"TYPEWRITER": 1}}, REQUEST[:7], "nothing was inserted"),
    "more than the form allows": ({"items": {"KEYBOARD": 5000}}, ["1"], "nothing was inserted"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refused_order_is_shown_to_its_end(notebook: Lab, name: str) -> None:
    order, arrows, said = REFUSALS[name]
    moments = to_the_end(notebook.step_through(notebook.new_id("st"), **order))
    assert labels(moments) == arrows
    assert said in " ".join(moments[-1].said)


def test_compensation_is_one_transaction_and_one_moment(notebook: Lab) -> None:
    run = notebook.step_through(notebook.new_id("st"), payment_token="tok_declined")
    moment = run.until("15c")
    assert moment.arrows == ("15c", "16")
    told = dict(moment.changes)
    assert told["table products"] == "KEYBOARD: reserved -1"
    assert "REJECTED" in told["table orders"]
    assert run.finish().ended


def test_a_retry_is_shown_as_one_and_a_conflict_with_what_the_page_says(notebook: Lab) -> None:
    order_id = notebook.new_id("st")
    notebook.step_through(order_id).finish()
    again = to_the_end(notebook.step_through(order_id))
    assert labels(again) == [*REQUEST[:7], "10", "11"]
    assert again[6].events[-1]["outcome"] == "duplicate"
    assert "200 OK" in again[7].drawing.text
    conflict = to_the_end(notebook.step_through(order_id, {"MOUSE": 1}))
    assert labels(conflict) == [*REQUEST[:7], "10"]
    assert "answers 409: This id is taken by an order with other content" in conflict[-1].said[0]


def test_a_bad_token_is_shown_at_5_with_the_answer_401(notebook: Lab) -> None:
    order_id = notebook.new_id("st")
    notebook.faults.fail(5, order_id=order_id)
    moments = to_the_end(notebook.step_through(order_id))
    assert labels(moments) == REQUEST[:5]
    assert moments[4].events[-1]["outcome"] == "invalid_token"
    assert "answers 401" in " ".join(moments[4].said)


def test_a_crash_is_told_and_the_message_comes_again(lab: RunningLab, notebook: Lab) -> None:
    run = notebook.step_through(notebook.new_id("st"))
    run.until(15)
    notebook.faults.crash(16, order_id=run.order_id)
    moments = to_the_end(run)
    assert moments[0].died
    assert "The worker was killed (SIGKILL) before 16" in moments[0].said[0]
    assert dict(moments[0].changes)["queue orders.created.worker"].startswith("1 message back in the queue")
    assert labels(moments) == ["12", "14", "15", "16", "17", "18", "19", *WEBHOOKS]
    outcomes = [moment.events[-1]["outcome"] for moment in moments[1:4]]
    assert outcomes == ["redelivered", "already_done", "already_done"]
    assert "--- delivery 2 ---" in moments[-1].drawing.text
    lab.check_books([run.order_id])


def test_a_worker_killed_from_outside_while_it_is_halted_is_noticed(lab: RunningLab, notebook: Lab) -> None:
    run = notebook.step_through(notebook.new_id("st"))
    run.until("reserve_inventory")
    notebook.processes.kill("worker")
    moment = run.until(12)
    assert moment.events[-1]["outcome"] == "redelivered"
    assert "worker was killed (SIGKILL)." in " ".join(said for each in run.moments for said in each.said)
    assert run.finish().ended
    lab.check_books([run.order_id])


def test_as_drawn_a_crash_between_8_and_9_loses_the_order_and_that_is_said(notebook: Lab) -> None:
    order_id = notebook.new_id("st")
    run = notebook.step_through(order_id, design="as-drawn", patience=8)
    run.until(8)
    notebook.faults.crash(9, order_id=order_id)
    moments = [run.next()]
    while moments[-1].arrows or moments[-1].died:
        moments.append(run.next())
    assert moments[0].died
    assert f"{order_id} is RECEIVED. Still missing: CONFIRMED or REJECTED; 12" in " ".join(moments[-1].said)
    run._patience = 1
    assert run.finish().idle
    run.close()


def test_with_an_outbox_the_relay_s_arrow_is_shown_in_its_place(lab: RunningLab, notebook: Lab) -> None:
    order_id = notebook.new_id("st")
    run = notebook.step_through(order_id)
    run.until(8)
    notebook.faults.drop(9, order_id=order_id)
    moments = to_the_end(run)
    assert labels(moments) == ["9", "10", "11", "9", *HAPPY[11:]]
    assert moments[3].events[-1]["data"]["by"] == "relay"
    lab.check_books([order_id])


def test_a_long_look_does_not_make_the_relay_publish_again(lab: RunningLab, notebook: Lab) -> None:
    run = notebook.step_through(notebook.new_id("st"))
    run.until(9)
    lab.wait_for(lambda: "relay" in set(notebook.faults.halts(run.order_id).process), "the relay's sweep")
    moments = to_the_end(run)
    assert labels(moments) == HAPPY[9:]
    assert lab.value("SELECT deliveries FROM orders WHERE order_id = %s", run.order_id) == 1


def test_going_back_looks_and_moves_nothing(notebook: Lab) -> None:
    run = notebook.step_through(notebook.new_id("st"))
    seen = [run.next() for _ in range(4)]
    halted = list(notebook.faults.halts(run.order_id).id)
    assert run.back() is seen[2]
    assert run.back() is seen[1]
    assert run.now is seen[1]
    assert [run.next(), run.next()] == seen[2:]
    assert list(notebook.faults.halts(run.order_id).id) == halted
    assert run.next().arrows == ("5",)
    run.finish()
    with pytest.raises(LabError, match="has come to its end"):
        run.next()


def test_from_an_arrow_that_was_seen_another_order_takes_another_way(lab: RunningLab, notebook: Lab) -> None:
    run = notebook.step_through(notebook.new_id("st"))
    run.until(16, "before")
    run.finish()
    run.back("process_payment")
    other = run.branch(crash(16), design="as-drawn")
    assert labels(other.moments) == HAPPY[:15]
    assert other.now.title == run.now.title
    moments = to_the_end(other)
    assert moments[0].died
    charges = "SELECT count(*) FROM payments WHERE order_id = %s"
    assert [lab.value(charges, each.order_id) for each in (run, other)] == [1, 2]
    assert notebook.verdict(run.order_id).word == "correct"
    notebook.reset(everything=True)


def test_an_order_that_stands_at_an_arrow_stays_there_while_another_goes_another_way(
    lab: RunningLab, notebook: Lab
) -> None:
    with notebook.step_through(notebook.new_id("st")) as run:
        run.until("insert_order", "before")
        with run.branch(drop(9)) as other:
            assert other.now.before == "8"
            assert labels(to_the_end(other))[:4] == ["8", "9", "10", "11"]
            assert other.moments[-1].events[8]["data"]["fault"] == "drop"
        assert run.next().arrows == ("8",)
        assert "drop" not in set(notebook.faults.firings(run.order_id).kind)
    for each in (run, other):
        notebook.wait(each.order_id)
    lab.check_books([run.order_id, other.order_id])


def test_there_is_no_branch_where_the_way_can_t_be_gone_again(notebook: Lab) -> None:
    run = notebook.step_through(notebook.new_id("st"), items={"LAST-THREE": 2})
    run.until(14)
    with pytest.raises(LabError, match="-1 came another way: 16 reject_order, and not 14"):
        run.branch()
    with pytest.raises(ImpossibleFault, match="Step 6 "):
        run.back(5) and run.branch(Planned("drop", 6))
    run.finish()
    with pytest.raises(LabError, match="This way can't be gone again"):
        run.branch()
    notebook.reset(everything=True)


def test_an_order_halts_before_a_step_that_is_asked_for(notebook: Lab) -> None:
    run = notebook.step_through(notebook.new_id("st"))
    moment = run.until("publish_order_created", "before")
    assert moment.before == "9"
    assert moment.events[-1]["label"] == "8"
    (halt,) = notebook.faults.halts(run.order_id).itertuples()
    assert (halt.step, halt.side, halt.process) == ("9", "before", "orders-api")
    assert run.next().arrows == ("9",)
    with pytest.raises(LabError, match="has not come to 15c"):
        run.until("15c")


def test_a_step_that_is_not_there_is_refused(notebook: Lab) -> None:
    with notebook.step_through(notebook.new_id("st")) as run, pytest.raises(LabError, match="no step 'publish'"):
        run.until("publish")


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"items": {}}, "one product at least"),
        ({"design": "none"}, "no design 'none'"),
        ({"order_id": "a b"}, "can't be an order's id"),
    ],
)
def test_an_order_that_the_form_can_t_place_is_refused(notebook: Lab, order: dict[str, Any], said: str) -> None:
    with pytest.raises(LabError, match=said):
        notebook.step_through(**order)


def test_other_orders_flow_on_while_one_is_halted(lab: RunningLab, notebook: Lab) -> None:
    runs = [notebook.step_through(notebook.new_id("st")) for _ in range(2)]
    runs[0].until(8)
    runs[1].until(14)
    others = [lab.place() for _ in range(20)]
    assert set(lab.settled(others).values()) == {"CONFIRMED"}
    assert [notebook.order(run.order_id)["status"] for run in runs] == ["RECEIVED", "INVENTORY_RESERVED"]
    assert [run.finish().ended for run in runs] == [True, True]


def test_leaving_a_run_lets_the_order_go_on(lab: RunningLab, notebook: Lab) -> None:
    with notebook.step_through(notebook.new_id("st")) as run:
        run.until(13)
    lab.complete(run.order_id)
    assert notebook.faults.list().empty


def test_what_does_not_come_is_said_and_can_come_later(lab: RunningLab, notebook: Lab) -> None:
    run = notebook.step_through(notebook.new_id("st"), patience=1)
    notebook.processes.stop("worker")
    try:
        run.until(11)
        moment = run.next()
        assert "Nothing has come for 1 s" in " ".join(moment.said)
        assert "12 (consume_order_created)" in " ".join(moment.said)
    finally:
        notebook.processes.start("worker")
    run._patience = 30
    assert run.next().arrows == ("12",)
    run.finish()


def test_a_killed_kernel_leaves_nothing_halted(lab: RunningLab, notebook: Lab) -> None:
    order_id = notebook.new_id("st")
    code = f"""
from orderlab import Lab
run = Lab({str(lab.home)!r}).step_through({order_id!r})
run.until(14)
print("halted", flush=True)
run._watch.wait(600)
input()
"""
    kernel = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert kernel.stdout is not None
    assert kernel.stdout.readline() == "halted\n"
    assert len(notebook.faults.halts(order_id)) >= 1
    kernel.send_signal(signal.SIGKILL)
    kernel.wait()
    lab.complete(order_id)
    assert notebook.faults.halts(order_id).empty
    assert notebook.faults.list().empty
    lab.check_books([order_id])


def test_a_lab_taken_down_in_the_middle_comes_back_whole(lab: RunningLab, notebook: Lab) -> None:
    run = notebook.step_through(notebook.new_id("st"))
    run.until(15)
    stack.down(lab.home)
    try:
        with pytest.raises(LabError, match="PostgreSQL has gone away"):
            run.next()
    finally:
        stack.up(lab.home, jupyter=False)
    assert stack.attached(lab.home).api_url == lab.api_url
    lab.complete(run.order_id)
    lab.check_books([run.order_id])
