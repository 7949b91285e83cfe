"""What led to what: strands, their order, crashes and what died with them, webhooks under the 18 that sent them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from orderlab.drawing.drawing import sequence_svg, sequence_text
from orderlab.drawing.story import Part, told
from orderlab.sequence import (
    ACK_MESSAGE,
    CHECK_IDEMPOTENCY,
    CONFIRM_ORDER,
    CONSUME_ORDER_CREATED,
    NOTIFY,
    ORDER_ID_FREE,
    PROCESS_PAYMENT,
    PUBLISH_ORDER_CONFIRMED,
    PUBLISH_ORDER_CREATED,
    RESERVE_INVENTORY,
    RESPOND_CREATED,
    STEPS,
    WEBHOOK_CUSTOMER,
    WEBHOOK_OPERATIONS,
    Step,
)
from tests.sample_events import NOON, Event, event, happy


def fired(step: str, process: str, at: float, side: str = "before", *unwritten: Event, **more: Any) -> dict[str, Any]:
    """A fault `at` milliseconds after noon."""
    hit = {"kind": "crash", "step": step, "side": side, "attempt": 1, "process": process, "unwritten": unwritten}
    return {**hit, "at": (NOON + timedelta(milliseconds=at)).isoformat(), **more}


def noted(step: Step, at: float, attempt: int = 1, outcome: str = "ok", **data: Any) -> Event:
    return {**event(step, at, outcome, attempt=attempt), "data": data}


def brief(events: list[Event], *firings: dict[str, Any]) -> list[str]:
    """The labels of the rows, and what the bands say."""
    lines = sequence_text(events, times=False, firings=firings).splitlines()
    return [line.strip("- ") if line.startswith("---") else line.split()[0] for line in lines if line[0] not in "*†"]


def redelivered(first: int = 14) -> list[Event]:
    """The worker gone after so many steps, and the message delivered again."""
    again = [
        noted(CONSUME_ORDER_CREATED, 900, 2, "redelivered", copy="a"),
        event(RESERVE_INVENTORY, 901, "already_done", attempt=2),
        event(PROCESS_PAYMENT, 902, "already_done", attempt=2),
        event(CONFIRM_ORDER, 903, attempt=2),
        noted(NOTIFY, 905, 2, copies=["o", "c"]),
        event(ACK_MESSAGE, 908, attempt=2),
    ]
    return [*happy()[:first], *again]


def test_a_crash_ends_its_delivery_with_a_band_after_what_died_unrecorded() -> None:
    crash = fired("16", "worker", 155, "before", event(PROCESS_PAYMENT, 150))
    rows = brief(redelivered(), crash)
    at = rows.index("✗ crash before 16: worker")
    assert rows[at - 2 : at + 3] == ["14", "15", rows[at], "delivery 2", "12"]
    assert "Process payment ◀ not recorded" in sequence_text(redelivered(), firings=[crash])
    assert 'data-mark="unrecorded"' in sequence_svg(redelivered(), firings=[crash])


def test_what_was_recorded_after_all_is_told_once() -> None:
    crash = fired("11", "portal", 105, "before", {k: happy()[3][k] for k in ("step", "started_at", "ended_at")})
    assert brief(happy(), crash).count("4") == 1


def test_what_somebody_who_steps_has_seen_before_it_was_lost_is_called_not_recorded() -> None:
    seen = {**event(PROCESS_PAYMENT, 150), "id": None}
    crash = fired("16", "worker", 155, "before", event(PROCESS_PAYMENT, 150))
    text = sequence_text([*happy()[:14], seen], firings=[crash])
    assert text.count("Process payment") == 1
    assert "Process payment ◀ not recorded" in text


def test_what_the_portal_had_noted_and_not_reported_is_drawn_too() -> None:
    crash = fired("11", "portal", 105, "before", {k: happy()[3][k] for k in ("step", "started_at", "ended_at")})
    events = [e for e in happy() if e["step"] not in (4, 11)]
    assert brief(events, crash)[:4] == ["1", "2", "3", "4"]


def test_a_request_that_a_crash_broke_off_goes_on_behind_it_though_its_trace_is_the_same() -> None:
    again = [event(CHECK_IDEMPOTENCY, 800), event(ORDER_ID_FREE, 801, "duplicate"), event(RESPOND_CREATED, 802)]
    events = sorted([*happy()[:9], *again, *happy()[11:]], key=lambda e: (e["step"], e["started_at"]))
    rows = brief(events, fired("9", "orders-api", 95, "after"))
    assert rows[8:14] == ["9", "✗ crash after 9: orders-api", "POST again", "6", "7", "10"]
    assert rows[14:] == [str(n) for n in range(12, 20)]


def test_webhooks_stand_under_the_18_that_sent_their_copy_whatever_attempt_they_carry() -> None:
    sent = [noted(WEBHOOK_OPERATIONS, 906, copy="o"), noted(WEBHOOK_CUSTOMER, 907, copy="c")]
    rows = brief([*redelivered(), *sent], fired("16", "worker", 155))
    assert rows[rows.index("delivery 2") :][-4:] == ["18", "18a", "18b", "19"]


def test_webhooks_of_an_18_whose_record_died_stand_behind_it_and_before_the_next_delivery() -> None:
    sent = [noted(WEBHOOK_OPERATIONS, 186, copy="o"), noted(WEBHOOK_CUSTOMER, 187, copy="c")]
    lost = noted(NOTIFY, 180, copies=["o", "c"])
    rows = brief(
        [*redelivered(16), *sent], fired("18", "worker", 185, "after", event(PUBLISH_ORDER_CONFIRMED, 170), lost)
    )
    at = rows.index("✗ crash after 18: worker")
    assert rows[at - 2 : at + 4] == ["17", "18", rows[at], "18a", "18b", "delivery 2"]


def test_without_copies_a_webhook_goes_to_the_last_18_that_had_begun() -> None:
    (strand,) = (s for s in told([*redelivered(), event(WEBHOOK_OPERATIONS, 906)]) if s.which == 2)
    assert [each.step.label for each in strand.happened][-3:] == ["18", "18a", "19"]
    (first, *_) = (s for s in told([*happy(), event(WEBHOOK_OPERATIONS, 181)]) if s.part is Part.DELIVERY)
    assert "18a" in [each.step.label for each in first.happened]


def test_which_of_two_copies_led_to_a_delivery_is_told_by_its_id_and_not_by_its_place() -> None:
    """Two relays have published: the first copy led to delivery 3, the second to delivery 2."""
    relayed = [noted(PUBLISH_ORDER_CREATED, 2500 + n, by="relay", copies=[copy]) for n, copy in enumerate("xy")]
    later = [
        noted(CONSUME_ORDER_CREATED, 2510, 2, "second_copy", copy="y", published_by="relay"),
        noted(CONSUME_ORDER_CREATED, 2520, 3, "second_copy", copy="x", published_by="relay"),
    ]
    strands = told([*happy(), *relayed, *later])
    order = [(strand.part, strand.which) for strand in strands][-4:]
    assert order == [(Part.RELAYED, 2), (Part.DELIVERY, 2), (Part.RELAYED, 3), (Part.DELIVERY, 3)]
    assert [strands[n].happened[0].at.microsecond for n in (-4, -2)] == [501_000, 500_000]


def test_a_copy_that_nobody_has_consumed_yet_stands_at_the_end() -> None:
    relayed = noted(PUBLISH_ORDER_CREATED, 2500, by="relay", copies=["b"])
    assert brief([*happy(), relayed])[-2:] == ["the relay publishes what the outbox still holds", "9"]


def test_what_the_relay_catches_up_with_stands_behind_its_delivery_with_its_webhooks() -> None:
    relayed = [noted(NOTIFY, 2960, by="relay", copies=["o"]), noted(WEBHOOK_OPERATIONS, 2970, copy="o")]
    rows = brief([*happy(), *relayed])
    assert rows[-4:] == ["19", "the relay publishes what the outbox still holds", "18", "18a"]


def test_a_second_charge_is_called_so_and_an_idempotent_one_is_none() -> None:
    twice = [*happy(), noted(CONSUME_ORDER_CREATED, 900, 2, "redelivered"), event(PROCESS_PAYMENT, 902, attempt=2)]
    assert "Process payment [second charge]" in sequence_text(twice, times=False)
    assert 'data-mark="harm"' in sequence_svg(twice)
    assert "second charge" not in sequence_text(redelivered(), times=False)


def test_a_webhook_that_comes_again_under_its_id_does_no_harm_and_under_another_it_does() -> None:
    first, again = (noted(WEBHOOK_OPERATIONS, at, webhook_id="1") for at in (190, 195))
    assert "a second time" not in sequence_text([*happy(), first, again])
    assert "told a second time" in sequence_text([*happy(), first, {**again, "data": {"webhook_id": "2"}}])


def test_a_fault_at_a_redelivered_message_s_12_belongs_to_the_delivery_that_had_begun() -> None:
    """The gate knows how often the broker has delivered this copy, and not which delivery of the order it is."""
    crash = fired("12", "worker", 899, "before", attempt=2)
    rows = brief(redelivered(), crash)
    assert rows[rows.index("delivery 2") + 1] == "✗ crash before 12: worker"


def test_a_pause_and_a_fault_of_no_step_are_no_rows() -> None:
    assert brief(happy(), {**fired("9", "worker", 1), "step": None}) == [str(n) for n in range(1, 20)]


def test_every_step_has_its_place_in_a_happy_run() -> None:
    (request, delivery) = told(happy())
    assert [each.step for each in (*request.happened, *delivery.happened)] == list(STEPS)
