"""One way to perform a step, and what it records."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime

import pytest

from orderlab.client import ClientSteps
from orderlab.errors import BrokerAway, OrderConflict
from orderlab.journal import Steps
from orderlab.order import Design
from orderlab.sequence import (
    ACK_MESSAGE,
    ORDER_ID_FREE,
    POST_ORDER,
    PROCESS_PAYMENT,
    REJECT_ORDER,
    RELEASE_INVENTORY,
    Outcome,
)


@pytest.fixture
def step() -> Steps:
    return Steps("ws-001", "0" * 32)


def a_new_moment() -> datetime:
    """The present moment, once it is another than when this was called."""
    called = datetime.now(UTC)
    while (now := datetime.now(UTC)) == called:
        pass
    return now


def test_performing_a_step_gives_its_result_and_records_it(step: Steps) -> None:
    assert step(ACK_MESSAGE, lambda a, b: a + b, 1, b=2) == 3
    (event,) = step.events
    assert (event.step, event.outcome, event.order_id, event.attempt) == (ACK_MESSAGE, Outcome.OK, "ws-001", 1)
    assert event.ended_at is not None
    assert event.started_at <= event.ended_at


@pytest.mark.parametrize("error", [None, OrderConflict(), BrokerAway(), ValueError()])
def test_a_step_begins_before_its_effect_and_ends_after_it(step: Steps, error: Exception | None) -> None:
    inside = []

    def effect() -> None:
        inside.append(a_new_moment())
        a_new_moment()
        if error:
            raise error

    with nullcontext() if error is None else pytest.raises(type(error)):
        step(ACK_MESSAGE, effect)
    told = step.events.as_rows()[0]
    assert datetime.fromisoformat(told["started_at"]) < inside[0] < datetime.fromisoformat(told["ended_at"])


def test_a_step_in_two_halves_begins_with_the_first_and_ends_with_the_second(step: Steps) -> None:
    opened = step.begin(ACK_MESSAGE)
    between = a_new_moment()
    a_new_moment()
    step.end(opened)
    (event,) = step.events
    assert event.ended_at is not None
    assert event.started_at < between < event.ended_at


def test_a_client_step_begins_before_its_effect_and_ends_after_it() -> None:
    steps = ClientSteps("ws-001")
    between = steps(POST_ORDER, lambda: (a_new_moment(), a_new_moment())[0])
    (told,) = steps.events
    assert datetime.fromisoformat(told["started_at"]) < between < datetime.fromisoformat(told["ended_at"])


def test_a_result_that_is_an_outcome_is_the_outcome(step: Steps) -> None:
    step(PROCESS_PAYMENT, lambda: Outcome.DECLINED)
    assert step.events[0].outcome is Outcome.DECLINED


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(OrderConflict(), Outcome.CONFLICT), (BrokerAway(), Outcome.FAILED), (ValueError(), Outcome.FAILED)],
)
def test_an_error_ends_the_step_with_its_own_outcome_and_goes_on(
    step: Steps, error: Exception, outcome: Outcome
) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        step(ORDER_ID_FREE, fail)
    assert step.events[0].outcome is outcome
    assert step.events[0].ended_at is not None


def test_while_a_step_goes_on_it_is_the_open_event_that_its_own_statement_writes(step: Steps) -> None:
    seen = step(ACK_MESSAGE, step.events.as_rows)
    assert [row["ended_at"] for row in seen] == [None]


def test_two_steps_that_one_transaction_takes_are_both_recorded(step: Steps) -> None:
    step((RELEASE_INVENTORY, REJECT_ORDER), lambda: Outcome.REJECTED)
    assert [event.step for event in step.events] == [RELEASE_INVENTORY, REJECT_ORDER]


def test_what_is_written_does_not_wait_any_more(step: Steps) -> None:
    step(ACK_MESSAGE, step.events.written)
    assert not step.events


def test_earlier_steps_join_the_order_and_its_trace(step: Steps) -> None:
    earlier = Steps("", "1" * 32)
    earlier(ACK_MESSAGE, lambda: None)
    step.belong_to("ws-002", Design())
    step.include(earlier.events)
    assert [(event.order_id, event.trace_id) for event in step.events] == [("ws-002", "0" * 32)]
    assert earlier.events[0].order_id == ""


def test_what_is_known_of_a_step_beforehand_is_in_its_event_before_the_effect(step: Steps) -> None:
    step.known = {ACK_MESSAGE.label: {"published_by": "relay"}}
    assert step(ACK_MESSAGE, lambda: dict(step.events[-1].data)) == {"published_by": "relay"}
    step(PROCESS_PAYMENT, lambda: None)
    assert step.events[-1].data == {}
