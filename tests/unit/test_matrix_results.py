"""Which cells a run takes, and how its results are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from orderlab.matrix import Result, Results, command
from orderlab.matrix.runner import MatrixError
from orderlab.verdicts.predictions import Cell
from orderlab.verdicts.rules import Word

SERVERS = {"postgresql": "18.6", "rabbitmq": "3.10.8"}
LOST = Cell("crash", "9", "before", "as-drawn")
ODD = Cell("crash", "9", "before", "default")


def written(file: Path) -> Results:
    results = Results.read("crash", file)
    results.begin(SERVERS)
    results.add([Result(LOST, Word.LOST, "lost: OrderCreated", "ws-1", "why"), Result(ODD, Word.STUCK, "", "ws-2")])
    results.write()
    return results


def test_results_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    results = written(tmp_path / "a folder" / "crash.json")
    again = Results.read("crash", tmp_path / "a folder" / "crash.json")
    assert again == results
    assert [result.cell for result in again.surprises] == [ODD]
    assert "2 cells on 20" in again.when
    assert again.when.endswith("PostgreSQL 18.6, RabbitMQ 3.10.8")
    assert [file.name for file in (tmp_path / "a folder").iterdir()] == ["crash.json"]


def test_a_run_that_goes_on_keeps_its_beginning_and_one_that_forgets_all_begins_anew(tmp_path: Path) -> None:
    results = written(tmp_path / "crash.json")
    results.run["began"] = "2026-01-01T00:00:00+00:00"
    results.forget([ODD])
    results.begin(SERVERS)
    assert results.run["began"].startswith("2026-01-01")
    assert set(results.cells) == {LOST}
    results.forget([LOST])
    results.begin(SERVERS)
    assert not results.run["began"].startswith("2026-01-01T00:00:00")


def test_cells_are_chosen_by_step_design_and_side() -> None:
    assert command.chosen("crash", ["9"], ["as-drawn"], "before") == [LOST]
    assert len(command.chosen("crash", ["9"])) == 8


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("explode",), "There is no matrix 'explode'. There are: crash, fail"),
        (("crash", ["20"]), "There is no 20: neither a step nor a design."),
        (("crash", ["9"], ["perfect"]), "There is no perfect"),
        (("drop", ["8"]), "No such step can drop. These can: 9, 10"),
    ],
)
def test_what_there_is_not_is_said_with_what_there_is(words: tuple[str, ...], says: str) -> None:
    with pytest.raises(MatrixError, match=says):
        command.chosen(*words)  # type: ignore[arg-type]
