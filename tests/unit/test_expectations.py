"""The predictions, for every cell: sound in themselves. Whether they come true is asked in tests/integration."""

from __future__ import annotations

import pytest

from orderlab.faults.model import check
from orderlab.order import DESIGNS
from orderlab.verdicts.predictions import KINDS, LABELS, RULES, Cell, cells, expect
from orderlab.verdicts.rules import Word

EVERY = [cell for kind in KINDS for cell in cells(kind)]


def test_the_crash_matrix_has_every_step_before_and_after_on_every_design() -> None:
    assert " ".join(LABELS) == "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 15c 16 17 18 18a 18b 19"
    assert len(list(cells("crash"))) == len(set(cells("crash"))) == len(LABELS) * 2 * len(DESIGNS)


@pytest.mark.parametrize("kind", ["crash", "fail", "drop", "duplicate"])
def test_every_cell_is_of_a_fault_that_can_be_armed(kind: str) -> None:
    for cell in cells(kind):
        assert check(kind, cell.step, cell.side, 1, 0) == (cell.step, cell.side)


def test_the_default_design_is_expected_to_be_correct_everywhere() -> None:
    assert {expect(cell).words for cell in EVERY if cell.design == "default"} == {(Word.CORRECT,)}


def test_every_other_design_is_expected_to_break_somewhere_in_every_matrix_that_can_break_it() -> None:
    harmless = {("postgresql", "no-outbox"), ("duplicate", "no-outbox")}
    for kind in KINDS:
        for design in DESIGNS:
            broken = [c for c in cells(kind) if c.design == design and expect(c).words != (Word.CORRECT,)]
            if kind == "drop" and design == "no-idempotent-consumer":
                assert {cell.step for cell in broken} == {"19"}
            assert bool(broken) == (design != "default" and (kind, design) not in harmless), (kind, design)


def test_the_two_crashes_that_the_diagram_is_known_for() -> None:
    lost = expect(Cell("crash", "8", "after", "as-drawn"))
    assert lost.words == (Word.LOST,)
    assert "nobody remembers" in lost.because
    assert expect(Cell("crash", "9", "before", "as-drawn")) == lost
    charged_twice = expect(Cell("crash", "15", "after", "no-idempotent-consumer"))
    assert charged_twice.words == (Word.DUPLICATED,)
    assert "no key" in charged_twice.because
    assert expect(Cell("crash", "16", "before", "as-drawn")) == charged_twice


def test_every_expectation_gives_its_reason_in_sentences() -> None:
    for cell in EVERY:
        assert expect(cell).because.endswith(".")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.kinds}: {rule.gates}: {rule.designs}")
def test_every_rule_speaks_of_cells_that_there_are_and_decides_one_of_them(rule: object) -> None:
    assert any(next((each for each in RULES if each.fits(cell)), None) is rule for cell in EVERY)
    for named in rule.gates.split():  # type: ignore[attr-defined]
        assert named.rstrip("+-") in LABELS
    assert set(rule.kinds.split()) <= set(KINDS)  # type: ignore[attr-defined]
    assert set(rule.designs.split()) <= set(DESIGNS)  # type: ignore[attr-defined]


def test_only_races_leave_two_words_open() -> None:
    assert {cell.kind for cell in EVERY if len(expect(cell).words) > 1} == {"rabbitmq", "postgresql"}
