"""One way to perform a step, and what it records."""

from __future__ import annotations

import pytest

from orderlab.errors import BrokerAway, OrderConflict
from orderlab.journal import Steps
from orderlab.order import Design
from orderlab.sequence import ACK_MESSAGE, ORDER_ID_FREE, PROCESS_PAYMENT, REJECT_ORDER, RELEASE_INVENTORY, Outcome


@pytest.fixture
def step() -> Steps:
    return Steps("ws-001", "0" * 32)


def test_performing_a_step_gives_its_result_and_records_it(step: Steps) -> None:
    assert step(ACK_MESSAGE, lambda a, b: a + b, 1, b=2) == 3
    (event,) = step.events
    assert (event.step, event.outcome, event.order_id, event.attempt) == (ACK_MESSAGE, Outcome.OK, "ws-001", 1)
    assert event.ended_at is not None
    assert event.started_at <= event.ended_at


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
