"""Which cells are run together: those that do not disturb each other, and not too many."""

from __future__ import annotations

import pytest

from orderlab.faults.model import PROCESS
from orderlab.matrix.runner import MOST_TOGETHER, TOGETHER, together
from orderlab.verdicts.predictions import KINDS, cells


@pytest.mark.parametrize("kind", KINDS)
def test_every_cell_is_in_one_lot_and_no_lot_is_too_large(kind: str) -> None:
    lots = list(together(cells(kind)))
    assert sorted(cell.name for lot in lots for cell in lot) == sorted(cell.name for cell in cells(kind))
    assert max(map(len, lots)) <= TOGETHER.get(kind, MOST_TOGETHER)


@pytest.mark.parametrize("kind", ["crash", "rabbitmq", "postgresql"])
def test_where_something_is_killed_a_lot_is_at_one_processs_gates(kind: str) -> None:
    assert all(len({PROCESS[cell.step] for cell in lot}) == 1 for lot in together(cells(kind)))


def test_what_needs_the_worker_restarted_afterwards_is_alone() -> None:
    lots = [lot for lot in together(cells("drop")) if any(cell.step == "19" for cell in lot)]
    assert [{cell.step for cell in lot} for lot in lots] == [{"19"}]


def test_the_crash_matrix_of_one_design_takes_five_lots() -> None:
    assert len(list(together(cell for cell in cells("crash") if cell.design == "default"))) == 5
