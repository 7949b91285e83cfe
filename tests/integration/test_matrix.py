"""A representative part of the matrices, with real crashes: every cell comes to what was predicted.

`./lab matrix` runs them whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from orderlab import Lab, cli, stack
from orderlab.matrix import Result, Results, Runner, command
from orderlab.verdicts.judge import Judge
from orderlab.verdicts.predictions import Cell, cells, expect
from orderlab.verdicts.rules import Word
from tests.support import RunningLab

CRASHES = ("8", "9", "14", "15", "16", "17", "19")
DESIGNS = ("default", "as-drawn")
OTHERS = (
    ("fail", "17", "before"),
    ("drop", "9", "before"),
    ("drop", "19", "before"),
    ("duplicate", "15", "before"),
    ("rabbitmq", "9", "before"),
    ("postgresql", "15", "before"),
)


@pytest.fixture(scope="module")
def runner(lab: RunningLab) -> Iterator[Runner]:
    yield Runner(lab.home)
    stack.reset(lab.home)  # what the faulty designs took stays with them


def run(runner: Runner, wanted: list[Cell]) -> list[Result]:
    return [result for together in runner.run(wanted) for result in together]


@pytest.mark.parametrize("step", CRASHES)
def test_a_crash_comes_to_what_was_predicted(runner: Runner, step: str) -> None:
    wanted = [cell for cell in cells("crash") if cell.step == step and cell.design in DESIGNS]
    results = run(runner, wanted)
    assert {r.cell.name: r.word for r in results} == {c.name: expect(c).words[0] for c in wanted}
    assert all("crash" in result.why for result in results if result.word is not Word.CORRECT)


@pytest.mark.parametrize(("kind", "step", "side"), OTHERS, ids=lambda value: str(value))
def test_another_fault_comes_to_what_was_predicted(runner: Runner, kind: str, step: str, side: str) -> None:
    wanted = [c for c in cells(kind) if (c.step, c.side) == (step, side) and c.design in DESIGNS]
    results = run(runner, wanted)
    assert len(results) == len(DESIGNS)
    assert [str(result.why) for result in results if not result.as_expected] == []


def test_the_stock_that_is_off_is_the_stock_that_oversold_orders_are_blamed_for(
    lab: RunningLab, runner: Runner
) -> None:
    judge = Judge(lab.database_url, lab.amqp_url, lab.portal_data)
    before = judge.stock_off().get("KEYBOARD", 0)
    results = run(runner, [Cell("crash", "14", "after", design) for design in DESIGNS])
    assert [result.word for result in results] == [Word.CORRECT, Word.OVERSOLD]
    assert judge.stock_off()["KEYBOARD"] - before == 1


def test_a_run_goes_on_from_where_it_was_interrupted(lab: RunningLab, runner: Runner, tmp_path: Path) -> None:
    file, console = tmp_path / "duplicate.json", Console(quiet=True)
    wanted = command.chosen("duplicate", steps=["2", "4"], designs=["default"])
    interrupted = Results.read("duplicate", file)
    command.run(lab.home, wanted[:1], interrupted, console)
    gone_on = Results.read("duplicate", file)
    first = gone_on.cells[wanted[0]]
    command.run(lab.home, wanted, gone_on, console)
    again = Results.read("duplicate", file)
    assert set(again.cells) == set(wanted)
    assert again.cells[wanted[0]] == first  # the same order: it was not run again
    assert again.surprises == []
    assert {"began", "seconds", "machine", "postgresql", "rabbitmq"} <= set(again.run)


def test_the_command_runs_cells_draws_the_grid_and_keeps_the_results(
    lab: RunningLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERLAB_HOME", str(lab.home))
    words = ["matrix", "--kind", "drop", "--step", "10", "--design", "default", "--fresh"]
    ran = CliRunner().invoke(cli.main, words)
    assert ran.exit_code == 0, ran.output
    assert "before 10" in ran.output
    kept = Results.read("drop", lab.home / "matrix" / "drop.json")
    assert [result.word for result in kept.cells.values()] == [Word.CORRECT]
    refused = CliRunner().invoke(cli.main, ["matrix", "--kind", "drop", "--step", "8"])
    assert refused.exit_code == 1
    assert "No such step can drop. These can: 9, 10" in refused.output


def test_a_notebook_runs_cells_and_asks_for_the_verdicts(lab: RunningLab, runner: Runner) -> None:
    notebook = Lab(lab.home)
    grid = notebook.matrix("fail", steps=["publish_order_created"], side="before", designs=["default", "no-outbox"])
    assert {cell.design: words for cell, words in grid.found.items()} == {
        "default": (Word.CORRECT,),
        "no-outbox": (Word.LOST,),
    }
    assert grid.surprises == []
    lost = grid.order_id(9, "no-outbox")
    assert notebook.verdict(lost).reason == "lost: OrderCreated"
    table = notebook.verdicts(patience=5).set_index("order_id")
    assert table.verdict[lost] == "lost"
    assert table.verdict[grid.order_id(9)] == "correct"
