"""A student's hands on a running lab: no false word, no lost run, no look that changes what is looked at."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from orderlab import Lab, client
from orderlab.errors import LabError
from orderlab.faults.script import crash
from orderlab.topology import WORKER_QUEUE
from tests.every_call import in_one_line, instances, parameters, public_methods, required
from tests.support import RunningLab


@pytest.fixture(scope="module")
def notebook(lab: RunningLab) -> Lab:
    return Lab(lab.home)


def test_a_verdict_on_an_order_that_nobody_knows_is_refused_and_names_the_nearest(notebook: Lab) -> None:
    order = notebook.create_order(notebook.new_id("hand"))
    with pytest.raises(LabError, match=f"Did you mean '{order['order_id']}'"):
        notebook.verdict(order["order_id"].upper())
    assert notebook.verdict(order).word == "correct"  # the order does where its id is wanted


@pytest.mark.parametrize("order", [{"items": {"BANANA": 1}}, {"payment_token": "tok_typo"}])
def test_designs_are_not_compared_with_an_order_that_the_form_refuses(notebook: Lab, order: dict[str, object]) -> None:
    with pytest.raises(LabError, match="The portal refused the order, and nothing had been broken"):
        notebook.compare(designs=("default",), **order)


def test_two_orders_stepped_by_turns_are_told_their_own_stock_only(notebook: Lab) -> None:
    one, two = (notebook.step_through(notebook.new_id("hand")) for _ in range(2))
    one.until(13)
    two.until(13)
    assert [dict(run.next().changes)["table products"] for run in (one, two)] == ["KEYBOARD: reserved +1"] * 2
    one.close()
    two.close()


def test_an_arrow_that_was_shown_is_not_run_after_until_the_end(notebook: Lab) -> None:
    with notebook.step_through(notebook.new_id("hand")) as run:
        run.until(9)
        with pytest.raises(LabError, match=r"run\.back\(3\)"):
            run.until(3)
        assert run.until(9) is run.now
        assert run.next().arrows == ("10",)


def test_what_finish_has_shown_can_be_gone_back_to_and_branched_at(lab: RunningLab, notebook: Lab) -> None:
    run = notebook.step_through(notebook.new_id("hand"))
    run.until(8)
    assert run.finish().ended
    assert run.back(15).arrows == ("15",)
    with run.branch(crash(16), design="as-drawn") as other:
        assert other.now.title == "15 process_payment"
        assert other.next().died
    lab.complete(other.order_id)
    notebook.reset(everything=True)


def test_a_run_in_another_kernel_takes_a_halted_order_up_and_the_first_says_so(lab: RunningLab, notebook: Lab) -> None:
    first = notebook.step_through(notebook.new_id("hand"))
    first.until(14)
    second = Lab(lab.home).step_through(first.order_id)
    assert second.now.arrows == ("14",)
    with pytest.raises(LabError, match="Another notebook has taken"):
        first.next()
    assert second.next().arrows == ("15",)
    assert second.finish().ended
    lab.check_books([first.order_id])


def test_an_order_that_a_fault_has_halted_is_taken_up(lab: RunningLab, notebook: Lab) -> None:
    order_id = notebook.new_id("hand")
    notebook.faults.pause(13, order_id=order_id)
    notebook.create_order(order_id)
    lab.wait_for(lambda: len(notebook.faults.halts(order_id)), "the halt")
    run = notebook.step_through(order_id)
    assert run.now.arrows == ("12",)
    assert run.next().arrows == ("13",)
    assert run.finish().ended
    lab.check_books([order_id])


def test_a_fault_fires_once_per_order_however_many_processes_try(lab: RunningLab, notebook: Lab) -> None:
    notebook.faults.drop(9, order_id="once-*", times=None, times_per_order=1)
    ids = [lab.place(notebook.new_id("once")) for _ in range(5)]
    assert set(lab.settled(ids).values()) == {"CONFIRMED"}  # the relay's try goes through
    fired = notebook.faults.firings()
    assert sorted(fired[fired.kind == "drop"].order_id) == sorted(ids)
    notebook.faults.clear()

    fault = notebook.faults.delay(9, order_id="many", seconds=0.1, times=None, times_per_order=2)
    together = threading.Barrier(8)

    def fire(n: int) -> bool:
        with psycopg.connect(lab.database_url) as connection:  # each a transaction that is open for a moment
            together.wait()
            row = connection.execute(
                "SELECT lab.fire(%s, 'many', '9', 'before', 1, 'test', %s, '[]')", (fault, n)
            ).fetchone()
            return bool(row and row[0])

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(fire, range(8))) == 2
    notebook.faults.clear()


def test_a_number_of_a_server_before_is_nobody_s(lab: RunningLab, notebook: Lab) -> None:
    """What a restart leaves behind: rows whose numbers are taken again, by other connections."""
    mine = "SELECT backend, process FROM lab.listeners WHERE process = 'worker' LIMIT 1"
    backend = lab.sql(mine)[0]["backend"]
    lab.sql(
        "INSERT INTO lab.halts (fault_id, order_id, step, side, attempt, process, pid, life, pending)"
        " SELECT 0, 'ghost', '9', 'before', 1, process, pid, gen_random_uuid(), '[]' FROM lab.listeners"
        " WHERE process = 'worker' RETURNING id"
    )
    assert notebook.faults.halts("ghost").empty  # the worker has this pid, and is not the one that halted there
    before = "UPDATE lab.listeners SET server = server - interval '1 hour' WHERE backend = %s RETURNING 1"
    lab.sql(before, backend)
    with pytest.raises(Exception, match="Step 12 is the worker's, which does not run now"):
        notebook.faults.delay(12, seconds=0.01, order_id="nobody")
    lab.sql(before.replace("-", "+"), backend)
    fault = notebook.faults.pause(9, order_id="nobody")
    lab.sql(
        "UPDATE lab.faults SET owner = %s, server = server - interval '1 hour' WHERE id = %s RETURNING 1",
        backend,
        fault,
    )
    gone = "UPDATE lab.faults SET times = fired WHERE id = %s AND NOT lab.is_connected(owner, server) RETURNING 1"
    assert lab.sql(gone, fault)
    notebook.faults.clear()


def test_a_verdict_takes_no_message_out_of_the_queue(lab: RunningLab, notebook: Lab) -> None:
    lab.stop("worker")
    try:
        order_id = lab.place()
        lab.wait_for(lambda: notebook.queues()[WORKER_QUEUE.name], "the message")
        assert "OrderCreated is still in its queue" in notebook.verdict(order_id, patience=1).reason
        lost = f"{order_id}-lost"
        lab.sql(
            "INSERT INTO orders (order_id, subject, customer_name, customer_email, payment_token, total, currency,"
            " design_outbox, design_idempotent_consumer, request, traceparent) SELECT %s, subject, customer_name,"
            " customer_email, payment_token, total, currency, false, false, request, traceparent FROM orders"
            " WHERE order_id = %s RETURNING 1",
            lost,
            order_id,
        )
        assert notebook.verdict(lost, patience=1).reason == "lost: OrderCreated"
    finally:
        lab.revive("worker")
    lab.complete(order_id)
    (consumed,) = [event for event in lab.events(order_id) if event["label"] == "12"]
    assert (consumed["attempt"], consumed["outcome"]) == (1, "ok")
    lab.sql("DELETE FROM orders WHERE order_id = %s RETURNING 1", lost)


@pytest.mark.parametrize("how", ["stop", "freeze"])
def test_a_database_that_is_away_is_told_within_seconds_and_again(lab: RunningLab, notebook: Lab, how: str) -> None:
    run = notebook.step_through(notebook.new_id("hand"))
    run.until(8)
    getattr(notebook.processes, how)("postgresql")
    try:
        for call in (lambda: notebook.table("orders"), lambda: notebook.verdict(run), notebook.faults.list):
            began = time.monotonic()
            with pytest.raises(LabError, match="PostgreSQL does not answer"):
                call()
            assert time.monotonic() - began < 30  # it was told, and nobody's patience has run out
        for _ in range(2 if how == "stop" else 0):  # a frozen server's connections that are there go on
            with pytest.raises(LabError, match="PostgreSQL has gone away"):
                run.next()
    finally:
        if how == "stop":
            notebook.processes.start("postgresql")
        else:
            notebook.processes.thaw("postgresql")
    assert notebook.create_order(notebook.new_id("hand"))["status"] == "RECEIVED"  # the services are back too
    run.close()  # frozen, the server has kept the run too
    lab.complete(run.order_id)


NOT_WHILE_A_SERVER_IS_AWAY = {"matrix", "reset"}  # they kill for minutes, or empty the lab


@pytest.mark.parametrize("program", ["orders-api", "portal", "rabbitmq", "postgresql"])
def test_every_call_is_answered_in_one_line_while_one_server_is_away(
    lab: RunningLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("orderlab.client._PATIENT", client._BRISK)  # it is not coming back before this is over
    monkeypatch.setattr("orderlab.lab.compare.PATIENCE", 1.0)
    notebook = Lab(lab.home)
    order = notebook.create_order(notebook.new_id("hand"))
    lab.complete(order["order_id"])
    lab.stop(program)
    try:
        for instance in (*instances(notebook), order):
            for name in public_methods(type(instance)).keys() - NOT_WHILE_A_SERVER_IS_AWAY:
                method = getattr(instance, name)
                brief = {p.name: 1 for p in parameters(method) if p.name in ("patience", "timeout")}
                in_one_line(method, **{**required(method), **brief})
    finally:
        notebook.faults.clear() if program != "postgresql" else None
        notebook.processes.start(program)
        monkeypatch.undo()  # what one of the calls has crashed comes back
    assert notebook.create_order(notebook.new_id("hand"))["status"] == "RECEIVED"
