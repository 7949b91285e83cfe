"""What stepping shows and how it chooses, with no lab: moments, changes, runs from a file, who is shown first."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from orderlab.access.button import _TOLD
from orderlab.errors import LabError
from orderlab.faults.model import AFTER, BEFORE
from orderlab.sequence import STEPS, find_step
from orderlab.stepping import strands
from orderlab.stepping.changes import queue_changes, table_changes
from orderlab.stepping.course import Course
from orderlab.stepping.moment import Moment
from orderlab.stepping.run import Run
from orderlab.stepping.watch import Halt, Watch, performed, queues
from orderlab.trace import baggage, order_in

TRACE = "0" * 31 + "1"


def event(label: str, *, at: int = 0, **more: Any) -> dict[str, Any]:
    moment = f"2026-01-01T00:00:{at or find_step(label).number:02}.000000+00:00"
    fields = {"started_at": moment, "ended_at": moment, "trace_id": TRACE, **more}
    return performed(find_step(label), **fields)


def moments(count: int = 4) -> list[Moment]:
    events = [event(step.label) for step in STEPS[:count]]
    shown = [Moment("ws-1", events[: n + 1], (e["label"],)) for n, e in enumerate(events)]
    return [*shown, Moment("ws-1", events, said=("ws-1 is CONFIRMED.",), ended=True)]


ORDER = {
    "order_id": "ws-1",
    "status": "RECEIVED",
    "rejection_reason": None,
    "deliveries": 0,
    "total": "49.90",
    "currency": "EUR",
    "design_outbox": True,
    "design_idempotent_consumer": False,
}
OUTBOX = {"event_id": "1", "type": "OrderCreated", "source": "/orders-api", "data": {}, "published": False}
EMPTY: dict[str, list[dict[str, Any]]] = {
    name: [] for name in ("orders", "order_items", "products", "payments", "outbox", "notifications")
}


# moments


def test_a_moment_reads_the_same_every_time_and_lights_its_arrow() -> None:
    moment = moments()[2]
    later = replace(moment, events=[{**e, "started_at": "2027-02-02T10:00:00+00:00"} for e in moment.events])
    assert str(moment) == str(later)
    assert moment.title == "3 issue_token"
    assert moment.drawing.text.splitlines()[2].endswith("JWT token ◀ now")


def test_a_moment_shows_its_own_arrow_and_the_whole_diagram_when_asked() -> None:
    moment = moments()[2]
    assert [line.split()[0] for line in str(moment).splitlines() if "→" in line] == ["3"]
    assert [line.split()[0] for line in moment.drawing.text.splitlines()] == ["1", "2", "3"]
    assert moment.drawing.svg != moment.arrow.svg if moment.arrow else False


def test_arrows_of_one_transaction_are_lit_together() -> None:
    text = str(Moment("ws-1", [event("14"), event("15c"), event("16")], ("15c", "16")))
    assert [line.split()[0] for line in text.splitlines() if line.endswith("◀ now")] == ["15c", "16"]


def test_a_crash_shows_where_it_hit_and_what_died_with_it() -> None:
    lost = {**event("15"), "event_id": "1"}
    hit = {"kind": "crash", "step": "16", "side": "before", "attempt": 1, "process": "worker"}
    firing = {**hit, "at": "2026-01-01T00:00:16+00:00", "unwritten": [lost]}
    text = str(Moment("ws-1", [event("12"), event("14")], died=True, firings=[firing]))
    assert [line for line in text.splitlines() if "15" in line or "✗" in line] == [
        " 15  Worker      ↺              Process payment ◀ not recorded",
        "--- ✗ crash before 16: worker ---",
    ]


def test_an_arrow_that_is_to_come_is_shown_as_such() -> None:
    assert "Publish OrderCreated ◀ later" in str(Moment("ws-1", [event("8")], before="9"))


def test_a_moment_tells_all_of_it_in_text_and_escapes_it_in_html() -> None:
    moment = Moment(
        "ws-1",
        [event("9")],
        ("9",),
        said=("A <fault> has fired.",),
        tables_before=EMPTY,
        tables={**EMPTY, "orders": [ORDER]},
        messages=[{"exchange": "orders.created", "headers": {"cloudEvents_id": "1"}, "body": {"order_id": "<b>"}}],
        claims={"sub": "demo"},
    )
    text, html = str(moment), moment._repr_mimebundle_()["text/html"]
    for told in (
        "+ RECEIVED, 49.90 EUR, outbox on, idempotent consumer off",
        "cloudEvents_id",
        "payload   sub",
        "••••",
    ):
        assert told in text
        assert told in html
    assert "A <fault> has fired." in text
    assert "A &lt;fault&gt; has fired." in html
    assert '<b>"' not in html


def test_a_quiet_arrow_says_that_nothing_has_changed() -> None:
    moment = Moment("ws-1", [event("13")], ("13",), tables_before=EMPTY, tables=EMPTY, queues_before={}, queues={})
    assert "No row and no queue has changed." in str(moment)


@pytest.mark.parametrize(
    ("moment", "title"),
    [
        (Moment("ws-1", [event("8")], before="9"), "before 9 publish_order_created"),
        (Moment("ws-1", [event("15c"), event("16")], ("15c", "16")), "15c release_inventory and 16 confirm_order"),
        (Moment("ws-1", [], died=True), "a crash"),
        (Moment("ws-1", []), "no arrow"),
        (Moment("ws-1", [], ended=True), "the end"),
    ],
)
def test_a_moment_is_called_by_what_it_is_about(moment: Moment, title: str) -> None:
    assert moment.title == title
    assert title in str(moment)


# what changed


def test_rows_that_come_change_and_go_are_told_without_ids_and_times() -> None:
    before = {**EMPTY, "outbox": [OUTBOX], "orders": [ORDER], "products": [{"sku": "MOUSE", "reserved": 3}]}
    after = {
        **EMPTY,
        "outbox": [{**OUTBOX, "published": True}],
        "orders": [{**ORDER, "status": "REJECTED", "rejection_reason": "out_of_stock"}],
        "products": [{"sku": "MOUSE", "reserved": 5}],
    }
    after["order_items"] = before["order_items"] = [{"line": 1, "sku": "MOUSE", "quantity": 2}]
    news = [event("14")]
    assert list(table_changes(before, after, news)) == [
        ("orders", "status RECEIVED → REJECTED, rejection_reason none → out_of_stock"),
        ("products", "MOUSE: reserved +2"),
        ("outbox", "OrderCreated: published, and marked so"),
    ]
    assert "products" not in dict(table_changes(before, after, []))
    assert "products" not in dict(table_changes(before, after, [event("14", outcome="already_done")]))
    assert list(table_changes(after, after, [])) == []
    assert next(table_changes(before, EMPTY, [])) == (
        "orders",
        "- RECEIVED, 49.90 EUR, outbox on, idempotent consumer off",
    )


@pytest.mark.parametrize(
    ("before", "after", "died", "said"),
    [
        ((0, 0), (0, 1), False, "+ 1 message, delivered and not yet acknowledged"),
        ((0, 1), (0, 0), False, "- 1 message, acknowledged: the broker forgets it"),
        ((0, 1), (1, 0), True, "1 message back in the queue: nobody has acknowledged it"),
        ((0, 0), (2, 0), False, "+ 2 messages, waiting for a consumer"),
        ((2, 1), (1, 1), False, None),
    ],
)
def test_queues_tell_where_the_message_is(
    before: tuple[int, int], after: tuple[int, int], died: bool, said: str | None
) -> None:
    was, now = ({"q": {"waiting": w, "in hand": h}} for w, h in (before, after))
    assert dict(queue_changes(was, now, died)).get("q") == said


# a run, and its file


def test_a_run_goes_forward_and_back_and_says_where_it_ends() -> None:
    run = Run("ws-1", moments())
    with pytest.raises(LabError, match="Nothing was looked at yet"):
        _ = run.now
    with pytest.raises(LabError, match="no earlier arrow"):
        run.back()
    assert [run.next().arrows for _ in range(3)] == [("1",), ("2",), ("3",)]
    assert run.back().arrows == ("2",)
    assert run.until("post_order").arrows == ("4",)
    assert run.next().ended
    with pytest.raises(LabError, match="has come to its end"):
        run.next()
    assert run.back() is run.now
    assert run.back("click_create_order").arrows == ("1",)
    with pytest.raises(LabError, match="no earlier arrow post_order"):
        run.back("post_order")
    with pytest.raises(LabError, match="There is no step 'dance'"):
        run.back("dance")
    assert run.now.arrows == ("1",)


def test_a_run_says_what_it_has_not_come_to() -> None:
    with pytest.raises(LabError, match=r"ws-1 has not come to publish_order_created\. ws-1 is CONFIRMED\."):
        Run("ws-1", moments()).until("publish_order_created")
    with pytest.raises(LabError, match="'before' or 'after' a step"):
        Run("ws-1", moments()).until(2, "during")
    assert Run("ws-1", moments()).finish().ended


def test_a_capsule_gives_back_what_was_put_in(tmp_path: Path) -> None:
    run = Run("ws-1", moments(), [{"kind": "crash", "step": "16"}], [{"kind": "crash"}])
    kept = Run.open(run.save(tmp_path / "run.json"))
    assert [str(moment) for moment in kept.moments] == [str(moment) for moment in run.moments]
    assert (kept.order_id, kept.faults, kept.firings) == (run.order_id, run.faults, run.firings)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "can't be read: No such file"),
        ("{", "it is not JSON"),
        (json.dumps([1]), "is no run capsule"),
        (
            json.dumps({"format": "orderlab run capsule", "version": 99}),
            "version 99, and this orderlab reads version 1",
        ),
    ],
)
def test_a_file_that_is_no_capsule_is_refused_in_one_line(tmp_path: Path, content: str | None, said: str) -> None:
    file = tmp_path / "run.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(LabError, match=said):
        Run.open(file)


# which halt comes next


class StillWatch:
    """A watch on an order that nothing happens to."""

    def __init__(self, journal: list[dict[str, Any]] | None = None, outbox: list[dict[str, Any]] | None = None) -> None:
        self.released: list[int] = []
        self._journal, self._outbox = journal or [], outbox or []

    def journal(self) -> list[dict[str, Any]]:
        return self._journal

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        return {**EMPTY, "outbox": self._outbox}

    def release(self, halt: Halt, reason: str = "") -> None:
        self.released.append(halt.id)


def course(watch: StillWatch | None = None, **state: Any) -> Course:
    made = Course(cast(Watch, watch or StillWatch()))
    for name, value in state.items():
        setattr(made, name, value)
    return made


def halt(id: int, process: str, step: str, side: str, *events: dict[str, Any], alive: bool = True) -> Halt:
    return Halt(id, step, side, 1, process, 100, events, alive)


API_9, WORKER_12 = halt(1, "orders-api", "9", AFTER), halt(2, "worker", "12", BEFORE)
HOOK_A, HOOK_B = halt(3, "notifier", "18a", BEFORE), halt(4, "notifier", "18b", BEFORE)
RELAY_9 = halt(5, "relay", "9", BEFORE)


def test_the_strand_that_is_shown_is_shown_to_its_end() -> None:
    assert course().choose([WORKER_12, API_9], stalled=False) == API_9
    assert course().choose([WORKER_12], stalled=False) is None
    assert course().choose([WORKER_12], stalled=True) == WORKER_12
    assert course(answered=True).choose([WORKER_12], stalled=False) == WORKER_12
    over = course(strand="worker", answered=True)
    assert over.choose([HOOK_B, HOOK_A], stalled=False) == HOOK_A
    assert course(strand="worker", delivering=True).choose([HOOK_A], stalled=False) is None


def test_the_relay_waits_for_the_publisher_and_is_let_go_when_there_is_nothing_left() -> None:
    unpublished = StillWatch(outbox=[OUTBOX])
    assert course(unpublished).choose([RELAY_9], stalled=False) is None
    assert course(unpublished, answered=True).choose([RELAY_9], stalled=False) == RELAY_9
    assert course(unpublished, answered=True).choose([RELAY_9, WORKER_12], stalled=False) == RELAY_9
    assert course(StillWatch(outbox=[{**OUTBOX, "published": True}])).choose([RELAY_9], stalled=False) == RELAY_9


def test_a_second_delivery_waits_for_its_turn_unless_the_first_has_broken_off() -> None:
    failed = StillWatch(journal=[event("13", outcome="failed")])
    busy = {"strand": "worker", "delivering": True}
    assert course(**busy).choose([WORKER_12], stalled=False) is None
    broken_off = course(**busy)
    broken_off._watch = cast(Watch, failed)
    assert broken_off.choose([WORKER_12], stalled=False) == WORKER_12


def test_the_answer_is_shown_to_leave_before_it_is_shown_to_arrive() -> None:
    after_4 = halt(6, "portal", "4", AFTER)
    assert course().choose([after_4], stalled=False) is None
    assert course(events=[event("10")]).choose([after_4], stalled=False) == after_4


def test_a_halt_whose_process_was_killed_is_over() -> None:
    watch = StillWatch()
    watch.halts = lambda: [replace(WORKER_12, alive=False), API_9]  # type: ignore[attr-defined]
    stands = course(watch, delivering=True)
    assert stands.halts() == [API_9]
    assert watch.released == [WORKER_12.id]
    assert not stands.delivering


def test_arrows_of_other_strands_and_of_earlier_requests_are_not_shown() -> None:
    watch = StillWatch(journal=[event("1", at=1), event("8", at=2)])
    stands = course(watch)
    late = event("10", at=29, trace_id="another")
    watch._journal = [*watch._journal, event("8", at=30), event("12", at=31), late]
    at_9 = halt(1, "orders-api", "9", AFTER, event("9", at=40))
    assert [e["label"] for e in stands.unseen(at_9)] == ["8", "9"]


def test_a_request_that_has_arrived_is_seen_before_it_has_ended() -> None:
    stands = course()
    (asked,) = stands.unseen(halt(1, "orders-api", "3", BEFORE))
    assert (asked["label"], asked["ended_at"]) == ("2", None)
    stands.events.append(asked)
    assert stands.unseen(halt(1, "orders-api", "3", BEFORE)) == []
    real = event("2")
    assert stands.news([real]) == []
    assert stands.events == [real]


def test_a_queue_counts_the_messages_that_are_in_hand() -> None:
    waiting = {"orders.created.worker": 0, "notifications.operations": 0, "notifications.customer": 4}
    told = queues(waiting, [WORKER_12, HOOK_A, API_9, replace(HOOK_B, alive=False)])
    assert told is not None
    assert [told[name]["in hand"] for name in waiting] == [1, 1, 0]
    acked = queues(waiting, [halt(1, "worker", "19", AFTER)])
    assert acked is not None
    assert acked["orders.created.worker"]["in hand"] == 0
    assert queues(None, []) is None


# sentences


@pytest.mark.parametrize(
    ("firing", "said"),
    [
        (("crash", "16", "before", "worker"), "The worker was killed (SIGKILL) before 16."),
        (("drop", "9", "before", "orders-api"), "A fault has fired: drop before 9, in the orders-api."),
        (("freeze", None, None, "rabbitmq"), "rabbitmq was frozen."),
    ],
)
def test_what_has_fired_is_told_in_a_sentence(firing: tuple[str | None, ...], said: str) -> None:
    assert strands.told(dict(zip(("kind", "step", "side", "process"), firing, strict=True))).startswith(said)


def test_faults_are_kept_with_the_orders_they_can_hit() -> None:
    armed = [{"order_id": "ws-*"}, {"order_id": "x"}, {"order_id": None}]
    assert strands.meant_for("ws-1", armed) == [armed[0], armed[2]]


def test_what_the_page_says_is_wrong_is_read_from_it() -> None:
    page = '<p class="error" id="order_id-error">Taken.</p><p class="problem">It says so.</p><p>Not this.</p>'
    assert _TOLD.findall(page) == ["Taken.", "It says so."]


@pytest.mark.parametrize(
    ("header", "order_id"),
    [
        (baggage("ws-1.a_b"), "ws-1.a_b"),
        ("user=1, order_id=ws-1;ttl=5", "ws-1"),
        ("order_id=", ""),
        ("order_id=a b", ""),
        ("other_order_id=ws-1", ""),
        (None, ""),
    ],
)
def test_baggage_says_which_order_a_request_is_for(header: str | None, order_id: str) -> None:
    assert order_in(header) == order_id
