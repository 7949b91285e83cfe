"""`lab.compare` on a running lab: one script of faults, two designs, real crashes, and what came of it."""

from __future__ import annotations

import pytest

from orderlab import Lab
from orderlab.errors import LabError
from orderlab.faults.model import ImpossibleFault
from orderlab.faults.script import crash, fail
from orderlab.lab.compare import Comparison
from tests.support import RunningLab


@pytest.fixture(scope="module")
def notebook(lab: RunningLab) -> Lab:
    return Lab(lab.home)


@pytest.fixture(scope="module")
def between_8_and_9(notebook: Lab) -> Comparison:
    return notebook.compare(crash(9, "before"), name="cmp")


@pytest.fixture(scope="module")
def between_15_and_16(notebook: Lab) -> Comparison:
    return notebook.compare(crash(16, "before"), name="cmp")


def lines(comparison: Comparison, label: str) -> list[str]:
    return [line for line in comparison.text.splitlines() if line.startswith(f"{label:>3} ")]


def test_as_drawn_a_crash_between_8_and_9_loses_the_order_and_the_default_design_does_not(
    lab: RunningLab, between_8_and_9: Comparison
) -> None:
    told = between_8_and_9.results
    assert told["as-drawn"] == {"status": "RECEIVED", "charges": "not charged", "verdict": "lost"}
    assert told["default"] == {"status": "CONFIRMED", "charges": "charged once", "verdict": "correct"}
    query = "SELECT status FROM orders WHERE order_id = %s"
    assert lab.value(query, between_8_and_9.order_ids["as-drawn"]) == "RECEIVED"
    assert lab.value(query, between_8_and_9.order_ids["default"]) == "CONFIRMED"


def test_the_arrows_that_a_lost_order_never_came_to_are_ghosts(between_8_and_9: Comparison) -> None:
    missing = [line.split()[0] for line in between_8_and_9.text.splitlines() if "missing" in line]
    assert missing == ["9", "12", "13", "14", "15", "16", "17", "18", "18a", "18b", "19"]
    assert between_8_and_9.svg.count('data-mark="missing"') == 11
    assert between_8_and_9.svg.count('data-mark="only_here"') == 11
    assert "by the relay" in lines(between_8_and_9, "9")[0]


def test_the_person_saw_the_confirmation_of_the_lost_order_too(between_8_and_9: Comparison) -> None:
    assert lines(between_8_and_9, "11")[0].split()[-2:] == ["ok", "ok"]


def test_as_drawn_a_crash_between_15_and_16_charges_twice_and_the_default_design_does_not(
    lab: RunningLab, between_15_and_16: Comparison
) -> None:
    told = between_15_and_16.results
    assert told["as-drawn"] == {"status": "CONFIRMED", "charges": "charged twice", "verdict": "duplicated"}
    assert told["default"] == {"status": "CONFIRMED", "charges": "charged once", "verdict": "correct"}
    query = "SELECT count(*) FROM payments WHERE order_id = %s"
    assert lab.value(query, between_15_and_16.order_ids["as-drawn"]) == 2
    assert lab.value(query, between_15_and_16.order_ids["default"]) == 1


def test_a_redelivery_is_marked_and_where_it_went_otherwise(between_15_and_16: Comparison) -> None:
    assert "--- ✗ crash before 16: worker ---" in between_15_and_16.text
    assert "--- delivery 2 ---" in between_15_and_16.text
    first, second = lines(between_15_and_16, "15")
    assert first.count("not recorded") == 2
    assert second.endswith("◀")
    assert "already done" in second


def test_the_same_script_reads_the_same_when_it_runs_again(notebook: Lab, between_15_and_16: Comparison) -> None:
    assert notebook.compare(crash(16, "before"), name="cmp").text == between_15_and_16.text


def test_without_a_fault_two_designs_can_not_be_told_apart(notebook: Lab) -> None:
    comparison = notebook.compare(name="cmp")
    assert "◀" not in comparison.text
    assert "data-mark" not in comparison.svg
    assert {told["verdict"] for told in comparison.results.values()} == {"correct"}


def test_a_script_of_two_faults_goes_over_more_designs_and_other_orders(notebook: Lab) -> None:
    designs = ("no-idempotent-consumer", "no-outbox", "default")
    script = [fail(14), crash(15, "after", attempt=2)]
    comparison = notebook.compare(script, designs, name="cmp", items={"MOUSE": 2})
    assert [told["charges"] for told in comparison.results.values()] == [
        "charged twice",
        "charged once",
        "charged once",
    ]
    assert comparison.text.splitlines()[0].split() == list(designs)


def test_a_refusal_has_no_ghosts_of_what_it_never_should_have_come_to(notebook: Lab) -> None:
    comparison = notebook.compare(name="cmp", items={"SOLD-OUT": 1})
    assert "missing" not in comparison.text
    assert {told["status"] for told in comparison.results.values()} == {"REJECTED"}


def test_what_can_not_be_run_is_refused_with_the_reason_and_nothing_is_left_armed(
    lab: RunningLab, notebook: Lab
) -> None:
    with pytest.raises(LabError, match="no design 'better'"):
        notebook.compare(designs=("better",))
    with pytest.raises(ImpossibleFault):
        notebook.compare(crash(21))
    assert lab.value("SELECT count(*) FROM lab.faults WHERE times IS NULL OR fired < times") == 0
