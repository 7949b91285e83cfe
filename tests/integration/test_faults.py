"""Every kind of fault at every step where it can be: what is seen when it is armed, and silence when it is not."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from orderlab import Lab, stack
from orderlab.access.button import Pressed, Wanted, press
from orderlab.faults import arming
from orderlab.faults.model import AFTER, BEFORE, DROPPABLE, ERRORS, PROCESS, REPEATABLE, ImpossibleFault, Kind, chance
from orderlab.sequence import find_step
from tests.support import RunningLab

AT_ONCE = 12
"""Orders under way at a time: a worker takes 16 in hand, and the portal has threads for as many."""
DELAY = 0.4

LABELS = sorted(PROCESS, key=lambda label: (find_step(label).number, find_step(label).part))
SIDES = (BEFORE, AFTER)


@dataclass
class Cell:
    """One order with one fault of its own."""

    kind: Kind
    step: str
    side: str
    design: str = "default"
    order_id: str = ""
    page: Pressed | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    firing: dict[str, Any] = field(default_factory=dict)
    halted: bool = False  # when every order of its batch had come to its gate
    happened: bool = False  # whether its step had, then

    def __str__(self) -> str:
        return f"{self.kind} {self.side} {self.step} ({self.order_id})"

    @property
    def payment_token(self) -> str:
        """Only an order whose payment is declined comes to 15c."""
        return "tok_declined" if self.step == "15c" else "tok_ok"

    def of(self, label: str) -> list[dict[str, Any]]:
        """The order's events at a step."""
        return [event for event in self.events if event["label"] == label]


@pytest.fixture(scope="module")
def notebook(lab: RunningLab) -> Iterator[Lab]:
    yield Lab(lab.home)
    stack.reset(lab.home)


@pytest.fixture(autouse=True)
def _nothing_armed_afterwards(lab: RunningLab, notebook: Lab) -> Iterator[None]:
    yield
    notebook.faults.clear()


Batch = dict[tuple[str, str], Cell]
"""One order a gate, by step and side: placed together, looked at one by one."""


def gates(steps: Sequence[str], sides: Sequence[str]) -> Any:
    """A test for each gate."""
    return pytest.mark.parametrize(
        ("step", "side"), [pytest.param(step, side, id=f"{side}-{step}") for step in steps for side in sides]
    )


def cells(kind: Kind, steps: Sequence[str], sides: Sequence[str], designs: dict[str, str] | None = None) -> list[Cell]:
    return [Cell(kind, step, side, (designs or {}).get(step, "default")) for step in steps for side in sides]


def arm(notebook: Lab, cell: Cell, **more: Any) -> None:
    cell.order_id = notebook.new_id(f"f-{cell.kind.value[:2]}{cell.step}{cell.side[0]}")
    getattr(notebook.faults, cell.kind)(cell.step, cell.side, cell.order_id, **more)


def run(lab: RunningLab, notebook: Lab, batch: Sequence[Cell], **more: Any) -> Batch:
    """Arm, press the button for each order and for one that nothing is armed for; what came of them, gate by gate."""
    done: Batch = {}
    for first in range(0, len(batch), AT_ONCE):
        part = batch[first : first + AT_ONCE]
        for cell in part:
            arm(notebook, cell, **more)
        quiet = Cell(Kind.DELAY, "", "", order_id=notebook.new_id("f-quiet"))
        with ThreadPoolExecutor(AT_ONCE + 1) as pool:
            pages = pool.map(lambda cell: push(lab, cell), [quiet, *part])
            for cell, page in zip([quiet, *part], pages, strict=True):
                cell.page = page
        finish(lab, notebook, [quiet, *part])
        assert quiet.page is not None
        assert quiet.page.shown
        assert not quiet.firing
        assert Counter(event["outcome"] for event in quiet.events) == {"ok": 21}
        done |= {(cell.step, cell.side): cell for cell in part}
    return done


def fired(batch: Batch, step: str, side: str) -> Cell:
    """The cell of a gate, whose fault must have fired there, in the process that performs the step."""
    cell = batch[step, side]
    assert cell.firing, f"{cell} did not fire"
    assert (cell.firing["side"], cell.firing["process"]) == (side, PROCESS[step]), cell
    assert not cell.events or any(event["step"] == 16 for event in cell.events), f"{cell} was not decided"
    return cell


def push(lab: RunningLab, cell: Cell) -> Pressed:
    return press(lab.portal_url, Wanted(cell.order_id, payment_token=cell.payment_token, design=cell.design))


def finish(lab: RunningLab, notebook: Lab, batch: Sequence[Cell]) -> None:
    """Wait for the end of those orders that there are, and take down what happened to each."""
    ids = [cell.order_id for cell in batch]
    there = {row["order_id"] for row in lab.sql("SELECT order_id FROM orders WHERE order_id = ANY(%s)", ids)}
    with suppress(AssertionError):  # whichever is missing fails at its own gate
        lab.settled(there)
    unacked = {cell.order_id for cell in batch if (cell.kind, cell.step) == (Kind.DROP, "19")}
    acked = "SELECT count(DISTINCT order_id) FROM order_events WHERE step = 19 AND order_id = ANY(%s)"
    wanted = sorted(there - unacked)
    with suppress(AssertionError):
        lab.wait_for(lambda: lab.value(acked, wanted) == len(wanted), "the acks")
    firings = notebook.faults.firings()
    for cell in batch:
        mine = firings.query("order_id == @cell.order_id and kind == @cell.kind.value and step == @cell.step")
        if len(mine) == 1:
            cell.firing = mine.iloc[0].to_dict()
        if cell.order_id in there:
            cell.events = lab.events(cell.order_id)


def delivered_twice(lab: RunningLab, order_id: str) -> bool:
    return bool(lab.value("SELECT deliveries FROM orders WHERE order_id = %s", order_id) == 2)


def halted(notebook: Lab) -> set[tuple[str, str, str]]:
    frame = notebook.faults.halts()
    return set(zip(frame.order_id, frame.step, frame.side, strict=True))


def all_halted(notebook: Lab, wanted: set[tuple[str, str, str]], pressed: Sequence[Future[Pressed]]) -> bool:
    """Whether each stands where it must; a page that tells of an error is the end of the waiting."""
    pages = [each.result() for each in pressed if each.done()]
    assert all(page.shown for page in pages), pages
    return halted(notebook) == wanted


@contextmanager
def let_go_if_it_goes_wrong(notebook: Lab) -> Iterator[None]:
    """Nobody waits for an order that stays halted."""
    try:
        yield
    except BaseException:
        notebook.faults.clear()
        raise


def at(moment: str | datetime) -> datetime:
    return moment if isinstance(moment, datetime) else datetime.fromisoformat(moment)


# delay and pause: at every step, before and after

_IN_TURN = (("1", "2", "4", "11"), ("5", "6", "7", "8", "9", "10"), ("12", "13", "14", "15", "16", "17", "18", "19"))
NEXT = {one: other for steps in _IN_TURN for one, other in pairwise(steps)}
"""The step that the same process takes next; after 3, 10, 11, 15c (one transaction with 16) and 19 it takes none."""


@pytest.fixture(scope="module")
def delayed(lab: RunningLab, notebook: Lab) -> Batch:
    return run(lab, notebook, cells(Kind.DELAY, LABELS, SIDES), seconds=DELAY)


@gates(LABELS, SIDES)
def test_a_delay_holds_the_order_up_at_every_gate(delayed: Batch, step: str, side: str) -> None:
    cell = fired(delayed, step, side)
    began = at(cell.firing["fired_at"])
    (event,) = cell.of(step)
    if side == BEFORE:
        assert at(event["started_at"]) - began >= timedelta(seconds=DELAY * 0.98)
        return
    assert at(event["ended_at"]) <= began + timedelta(seconds=0.05)
    if following := NEXT.get(step):
        assert at(cell.of(following)[0]["started_at"]) - began >= timedelta(seconds=DELAY * 0.98)


@pytest.fixture(scope="module")
def paused(lab: RunningLab, notebook: Lab) -> Batch:
    every = cells(Kind.PAUSE, LABELS, SIDES)
    for first in range(0, len(every), AT_ONCE):
        part = every[first : first + AT_ONCE]
        for cell in part:
            arm(notebook, cell)
        wanted = {(cell.order_id, cell.step, cell.side) for cell in part}
        with ThreadPoolExecutor(AT_ONCE) as pool, let_go_if_it_goes_wrong(notebook):
            pressed = [pool.submit(push, lab, cell) for cell in part]
            with suppress(AssertionError):  # whichever is missing fails at its own gate
                lab.wait_for(partial(all_halted, notebook, wanted, pressed), f"halts at {sorted(wanted)}")
            there = halted(notebook)
            journal = {
                (row["order_id"], row["label"])
                for row in lab.sql(
                    "SELECT order_id, step || coalesce(part, '') AS label FROM order_events WHERE order_id = ANY(%s)"
                    " UNION ALL SELECT order_id, (p ->> 'step') || coalesce(p ->> 'part', '')"
                    " FROM lab.halts, jsonb_array_elements(pending) AS p WHERE released_at IS NULL",
                    [cell.order_id for cell in part],
                )
            }
            for cell in part:
                cell.halted = (cell.order_id, cell.step, cell.side) in there
                cell.happened = (cell.order_id, cell.step) in journal
            notebook.faults.release()
            for cell, each in zip(part, pressed, strict=True):
                cell.page = each.result()
        finish(lab, notebook, part)
    return {(cell.step, cell.side): cell for cell in every}


@gates(LABELS, SIDES)
def test_a_pause_halts_the_order_at_every_gate_until_it_is_released(paused: Batch, step: str, side: str) -> None:
    cell = fired(paused, step, side)
    assert cell.halted
    assert cell.happened == (side == AFTER)
    assert cell.page is not None
    assert cell.page.shown


def test_orders_that_were_halted_and_released_leave_the_books_right(lab: RunningLab, paused: Batch) -> None:
    lab.check_books(cell.order_id for cell in paused.values())


# fail, drop, duplicate: where they can be

PAGE = {"2": 503, "4": 503, "5": 401, "6": 503, "7": 503, "8": 503}
"""What the person is shown when the request breaks off."""


@pytest.fixture(scope="module")
def failed(lab: RunningLab, notebook: Lab) -> Batch:
    return run(lab, notebook, cells(Kind.FAIL, sorted(ERRORS), SIDES))


@gates(sorted(ERRORS), SIDES)
def test_a_failure_is_the_error_that_the_step_would_meet(failed: Batch, step: str, side: str) -> None:
    cell = fired(failed, step, side)
    assert cell.page is not None
    assert (cell.page.status, cell.page.shown) == (PAGE.get(step, 200), step not in PAGE)
    happened = {(event["label"], event["outcome"]) for event in cell.events}
    if step in PAGE:
        assert bool(cell.events) == (step in ("4", "8") and side == AFTER)
    elif step in ("9", "17", "18"):
        assert (step, "deferred") in happened
        assert step in [event["label"] for event in cell.events if event["data"].get("by") == "relay"]
    elif step in ("18a", "18b"):
        assert {(step, "failed"), (step, "ok")} <= happened
    elif (step, side) == ("19", AFTER):
        assert ("19", "failed") in happened  # the ack is out: nothing comes again
        assert len(cell.of("12")) == 1
    else:
        assert ("12", "redelivered") in happened or len(cell.of("12")) == 2


def test_orders_that_met_a_failure_leave_the_books_right(lab: RunningLab, failed: Batch) -> None:
    lab.check_books(cell.order_id for cell in failed.values() if cell.events)


@pytest.fixture(scope="module")
def dropped(lab: RunningLab, notebook: Lab) -> Batch:
    return run(lab, notebook, cells(Kind.DROP, sorted(DROPPABLE), [BEFORE]))


@gates(sorted(DROPPABLE), [BEFORE])
def test_what_is_dropped_is_lost_and_the_default_design_makes_up_for_it(dropped: Batch, step: str, side: str) -> None:
    cell = fired(dropped, step, side)
    first = min(cell.of(step), key=lambda event: event["started_at"])
    assert first["data"]["fault"] == "drop"
    if step in ("9", "17", "18"):
        assert any(event["data"].get("by") == "relay" for event in cell.of(step))
    elif step == "10":
        assert [event["outcome"] for event in cell.of("7")] == ["ok", "duplicate"]
    elif step in ("12", "18a", "18b"):
        assert sorted(event["outcome"] for event in cell.of(step)) == ["failed", "ok"]


def test_a_dropped_ack_is_made_up_for_when_the_worker_dies(lab: RunningLab, dropped: Batch) -> None:
    unacked = dropped["19", BEFORE].order_id
    lab.kill("worker")  # the broker holds the message as unacknowledged until then
    lab.revive("worker")
    lab.wait_for(partial(delivered_twice, lab, unacked), "the redelivery")
    lab.wait_for(lambda: len([e for e in lab.events(unacked) if e["label"] == "19"]) == 2, "its ack")
    lab.check_books(cell.order_id for cell in dropped.values())


def test_what_is_duplicated_happens_twice_where_no_safeguard_absorbs_it(lab: RunningLab, notebook: Lab) -> None:
    unsafe = dict.fromkeys(("14", "15", "16"), "no-idempotent-consumer")
    batch = cells(Kind.DUPLICATE, sorted(REPEATABLE), [BEFORE], unsafe)
    reserved = notebook.reserved("KEYBOARD")
    notebook.faults.delay(3, order_id="f-du2b-*", seconds=0.01, times=None)  # counts the tokens that are asked for
    with notebook.tap("orders.confirmed") as tap:
        ran = run(lab, notebook, batch)
        done = {step: fired(ran, step, side) for step, side in ran}
        assert len(tap.messages(done["17"].order_id)) == 2
    assert len(notebook.faults.firings(done["2"].order_id).query("step == '3'")) == 2
    assert sorted(event["outcome"] for event in done["4"].of("7")) == ["duplicate", "ok"]
    assert len(notebook.table("orders", done["8"].order_id)) == 1
    for step in ("9", "12"):
        order_id = done[step].order_id
        lab.wait_for(partial(delivered_twice, lab, order_id), f"the second delivery of {order_id}")
    assert len(notebook.table("payments", done["15"].order_id)) == 2
    assert len(notebook.table("notifications", done["16"].order_id)) == 4
    quiet = 1  # the order that nothing is armed for
    twice = 2  # 14 has; and 16, whose repetition the outbox refused, so that its message came again
    assert notebook.reserved("KEYBOARD") == reserved + len(done) + quiet + twice

    def repeats(step: str) -> int:
        return sum(row["repeats"] for row in lab.inbox([done[step].order_id]))

    lab.wait_for(lambda: repeats("18") == 2 and repeats("18a") == repeats("18b") == 1, "webhooks that come again")
    stack.reset(lab.home)  # its books are wrong on purpose


# crash: one of each process; the whole matrix is a command of its own


@pytest.mark.parametrize(
    ("step", "side", "status"),
    [
        ("1", BEFORE, None),
        ("11", AFTER, "CONFIRMED"),
        ("5", BEFORE, "CONFIRMED"),
        ("8", AFTER, "CONFIRMED"),
        ("13", BEFORE, "CONFIRMED"),
        ("15c", AFTER, "REJECTED"),
        ("18b", BEFORE, "CONFIRMED"),
    ],
)
def test_a_crash_kills_the_process_of_the_step(
    lab: RunningLab, notebook: Lab, step: str, side: str, status: str | None
) -> None:
    cell = Cell(Kind.CRASH, step, side)
    process = PROCESS[step]
    (pid,) = stack.pids(lab.home, process)
    arm(notebook, cell)
    page = push(lab, cell)
    lab.wait_for(lambda: not notebook.faults.firings(cell.order_id).empty, f"{cell} fires")
    firing = notebook.faults.firings(cell.order_id).iloc[0]
    assert (firing.kind, firing.step, firing.side, firing.pid) == ("crash", step, side, pid)
    lab.revive(process)
    assert pid not in stack.pids(lab.home, process)
    assert not Path(f"/proc/{pid}").exists()
    if status is None:
        assert page.status is None
        assert not lab.sql("SELECT FROM orders WHERE order_id = %s", cell.order_id)
    else:
        push(lab, cell)  # the person tries again if the page did not come
        assert set(lab.settled([cell.order_id]).values()) == {status}
        lab.check_books([cell.order_id])


# arming


@pytest.mark.parametrize(
    ("kind", "step", "more", "said"),
    [
        ("fail", 1, {}, "Step 1 talks to nothing that could fail"),
        ("drop", 8, {}, "Step 8 waits for an answer"),
        ("duplicate", 13, {}, "Step 13 can't happen twice"),
        ("drop", 9, {"side": AFTER}, "armed 'before' it"),
        ("pause", 20, {}, "no step 20"),
        ("crash", 9, {"side": "during"}, "'before' or 'after'"),
        ("delay", 9, {"seconds": 0}, "needs its seconds"),
        ("crash", 9, {"probability": 2}, "at most 1"),
        ("crash", 9, {"times": 0}, "at least once"),
    ],
)
def test_a_fault_that_can_t_fire_is_refused_with_the_reason(
    notebook: Lab, kind: str, step: int, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(ImpossibleFault, match=said):
        getattr(notebook.faults, kind)(step, **more)
    assert notebook.faults.list().empty


def test_a_fault_is_armed_in_every_process_when_arming_returns(lab: RunningLab, notebook: Lab) -> None:
    with faults_connection(lab) as connection:
        took = []
        for _ in range(20):
            began = time.perf_counter()
            arming.arm(connection, Kind.DELAY, 9, order_id="nobody", seconds=1)
            took.append((time.perf_counter() - began) * 1000)
            behind = lab.sql(
                "SELECT process FROM lab.listeners l JOIN pg_stat_activity a ON a.pid = l.backend, lab.fault_list f"
                " WHERE l.version < f.version"
            )
            assert not behind
    print(f"\narming: {sorted(took)[10]:.1f} ms in the middle, {max(took):.1f} ms at most")
    assert len(notebook.faults.list()) == 20


def test_a_step_whose_process_is_away_or_frozen_is_refused(lab: RunningLab, notebook: Lab) -> None:
    notebook.processes.stop("notifier")
    try:
        with pytest.raises(ImpossibleFault, match="Step 18a is the notifier's, which does not run now"):
            notebook.faults.pause("18a")
    finally:
        notebook.processes.start("notifier")
    notebook.processes.freeze("notifier")
    try:
        with pytest.raises(ImpossibleFault, match=r"notifier \(\d+\) did not take the fault in"):
            notebook.faults.pause(9)
    finally:
        notebook.processes.thaw("notifier")
    assert notebook.faults.list().empty
    done = notebook.faults.firings()
    assert list(done[done.process == "notifier"].kind)[-4:] == ["stop", "start", "freeze", "thaw"]


def test_with_a_probability_the_same_orders_are_hit_in_every_run(lab: RunningLab, notebook: Lab) -> None:
    ids = [f"f-chance-{n}" for n in range(30)]
    expected = {order_id for order_id in ids if chance(7, order_id, "13", 1) < 0.4}
    assert 0 < len(expected) < 30
    for _ in range(2):
        stack.reset(lab.home)
        notebook.faults.delay(13, order_id="f-chance-*", seconds=0.01, probability=0.4, seed=7, times=None)
        lab.place_many([lab.order(order_id) for order_id in ids])
        lab.settled(ids)
        assert set(notebook.faults.firings().order_id) == expected


def test_a_fault_fires_as_often_as_it_may_and_only_at_its_attempt(lab: RunningLab, notebook: Lab) -> None:
    notebook.faults.delay(13, order_id="f-twice-*", seconds=0.01, times=2)
    ids = [lab.place(f"f-twice-{n}") for n in range(5)]
    lab.settled(ids)
    assert len(notebook.faults.firings().query("order_id.str.startswith('f-twice-', na=False)")) == 2
    notebook.faults.delay(13, order_id="f-attempt", seconds=0.01, attempt=2, times=None)
    notebook.faults.fail(13, order_id="f-attempt", attempt=1)
    lab.complete(lab.place("f-attempt"))
    assert list(notebook.faults.firings("f-attempt")[["kind", "attempt"]].itertuples(index=False, name=None)) == [
        ("fail", 1),
        ("delay", 2),
    ]


def test_a_fault_outlives_its_process(lab: RunningLab, notebook: Lab) -> None:
    notebook.faults.fail(13, order_id="f-outlives")
    lab.kill("worker")
    lab.revive("worker")
    lab.complete(lab.place("f-outlives"))
    assert list(notebook.faults.firings("f-outlives").kind) == ["fail"]


@pytest.mark.parametrize("how", ["clear", "reset"])
def test_what_is_taken_away_fires_no_more_and_whoever_it_has_halted_goes_on(
    lab: RunningLab, notebook: Lab, how: str
) -> None:
    notebook.faults.pause(13, order_id="f-away-*", times=None)
    order_id = lab.place(notebook.new_id("f-away"))
    lab.wait_for(lambda: len(notebook.faults.halts(order_id)) == 1, "the halt")
    if how == "clear":
        notebook.faults.clear()
        lab.complete(order_id)
    else:
        stack.reset(lab.home)
    assert notebook.faults.list().empty
    assert notebook.faults.halts().empty
    lab.complete(lab.place(notebook.new_id("f-away")))


def test_what_is_done_to_a_process_is_refused_for_one_that_is_not_there(notebook: Lab) -> None:
    with pytest.raises(stack.StackError, match="no 'mailer' in this lab"):
        notebook.processes.kill("mailer")
    assert set(notebook.processes.status().process) >= {"postgresql", "rabbitmq", "worker"}


def faults_connection(lab: RunningLab) -> Any:
    import psycopg

    return psycopg.connect(lab.database_url, autocommit=True)
