"""The diagram as data is the diagram as drawn."""

from __future__ import annotations

import pytest

from orderlab.sequence import CLIENT_STEPS, OTHER_STEPS, STEPS, Lane, Outcome, find_step


def test_there_are_six_lanes_in_the_order_of_the_columns() -> None:
    assert list(Lane) == ["user", "portal", "orders-api", "rabbitmq", "worker", "postgresql"]


def test_there_are_nineteen_steps_numbered_from_1() -> None:
    assert [step.number for step in STEPS] == list(range(1, 20))
    assert all(step.part == "" for step in STEPS)


def test_each_arrow_begins_where_the_one_before_could_have_brought_the_order() -> None:
    lanes = {Lane.USER}
    for step in STEPS:
        assert step.source in lanes, step
        lanes |= {step.target}


def test_every_name_is_used_once_but_for_the_two_webhooks() -> None:
    names = [step.name for step in (*STEPS, *OTHER_STEPS)]
    assert sorted({name for name in names if names.count(name) > 1}) == ["webhook_delivered"]


@pytest.mark.parametrize(
    ("which", "name"), [(9, "publish_order_created"), ("15c", "release_inventory"), (16, "confirm_order")]
)
def test_a_step_is_found_by_number_label_or_name(which: int | str, name: str) -> None:
    assert find_step(which).name == name
    assert find_step(name).name == name


def test_a_step_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(KeyError, match=r"no step 20.*1 click_create_order.*19 ack_message"):
        find_step(20)


def test_every_outcome_but_ok_and_failed_belongs_to_some_step() -> None:
    used = {outcome for step in (*STEPS, *OTHER_STEPS) for outcome in step.outcomes}
    assert used | {Outcome.OK} == set(Outcome)


def test_a_client_reports_the_steps_that_start_or_end_outside() -> None:
    assert [step.number for step in CLIENT_STEPS] == [1, 2, 4, 11]
