"""A worker of one's own in the crash matrix: square by square as predicted, and each square a run to look at.

The other stages and kinds: `python -m tests.stages`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from orderlab import Lab, Run, cli, stack
from orderlab.drawing.score import Score
from orderlab.errors import LabError
from orderlab.matrix import Result, Runner
from orderlab.matrix.runner import together
from orderlab.stack.candidate import NotUsed
from orderlab.verdicts.predictions import Cell, cells
from orderlab.verdicts.rules import Word
from tests.stages import REFERENCES, differences
from tests.support import RunningLab

NAIVE, LAST = REFERENCES / "stage1_naive.py", REFERENCES / "stage5_compensation.py"


@pytest.fixture(scope="module")
def notebook(lab: RunningLab) -> Iterator[Lab]:
    yield Lab(lab.home)
    stack.reset(lab.home)  # what faulty workers took stays with them


def score_of(notebook: Lab, file: Path, steps: tuple[int, ...] = (), side: str | None = None) -> Score:
    found = notebook.matrix("crash", steps=steps, side=side, worker=file)
    assert isinstance(found, Score)
    assert notebook.own == {}  # the lab's own is back
    return found


@pytest.mark.parametrize(("number", "file"), [(1, NAIVE), (5, LAST)], ids=["naive", "the last"])
def test_a_reference_comes_to_what_was_written_down_in_every_square_of_the_crash_matrix(
    notebook: Lab, number: int, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = score_of(notebook, file)
    assert differences(number, found) == []
    assert found.of == 44
    assert found.stage.startswith(f"This is what stage {number}")
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "crash: 44 of 44"
    again = score_of(notebook, file)  # all of it is kept
    assert again.squares == found.squares
    assert capsys.readouterr().out == ""


def test_a_square_is_a_run_with_the_crash_in_its_place_and_what_it_left_unrecorded(
    notebook: Lab, tmp_path: Path
) -> None:
    found = score_of(notebook, NAIVE, steps=(15,), side="after")
    assert found.square(15).word is Word.DUPLICATED
    run = found.run(15, "after")
    titles = []
    while not (moment := run.next()).ended:
        titles.append("crash" if moment.died else moment.title.split()[0])
    crash = titles.index("crash")
    assert titles[crash - 1] == "14"
    assert titles[crash + 1 :] == ["12", "14", "15", "16", "17", "18", "18a", "18b", "19"]
    moment = run.moments[crash]
    assert moment.said[-1] == "Done, and not recorded: 15 process_payment."
    assert [where for where, _ in moment.changes] == ["table payments"]
    assert "not recorded" in moment.drawing.text
    assert run.back(15).changes == [("table payments", "+ 49.90 EUR with tok_ok; idempotency key: none")]
    text = run.sequence().text
    assert "crash after 15" in text
    assert "second charge" in text
    assert Run.open(run.save(tmp_path / "run.json")).finish().drawing.text == run.finish().drawing.text


def test_a_file_that_has_changed_is_run_anew_and_one_that_cant_be_used_is_told(
    notebook: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(f"{LAST.read_text()}\n# {tmp_path}\n")  # no other test has run this
    first = score_of(notebook, file, steps=(17,), side="before")
    assert first.told == "1 of 1 correct"
    file.write_text(f"{NAIVE.read_text()}\n# {tmp_path}\n")
    second = score_of(notebook, file, steps=(17,), side="before")
    assert second.told == "0 of 1 correct, 1 duplicated"
    assert capsys.readouterr().out.count("crash: 1 of 1") == 2
    file.write_text("def process_order(:")
    with pytest.raises(NotUsed, match=r"mine\.py, line 1: SyntaxError"):
        score_of(notebook, file, steps=(17,))


def test_where_the_code_never_takes_an_order_nothing_is_won(notebook: Lab) -> None:
    found = score_of(notebook, REFERENCES.parents[1] / "notebooks/worker/stage1_naive.py", steps=(14,), side="after")
    assert found.told == "0 of 1 correct, 1 lost (1 where the order never comes)"
    assert "acknowledged, and the work was not done" in found.square(14).reason


def test_a_cell_of_the_labs_own_is_a_run_too(notebook: Lab) -> None:
    grid = notebook.matrix("crash", steps=[8], side="after", designs=["as-drawn"])
    run = grid.run(8, "after", "as-drawn")
    run.finish()
    assert "crash after 8" in run.sequence().text
    with pytest.raises(LabError, match="0 orders of this grid"):
        grid.run(9)


def test_in_a_terminal_the_exit_status_says_whether_all_is_won(
    lab: RunningLab, notebook: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERLAB_HOME", str(lab.home))
    words = ["matrix", "--kind", "duplicate", "--step", "15", "--worker"]
    won = CliRunner().invoke(cli.main, [*words, str(LAST)])
    assert (won.exit_code, "1 of 1 correct" in won.output) == (0, True)
    lost = CliRunner().invoke(cli.main, [*words, str(NAIVE)])
    assert (lost.exit_code, "0 of 1 correct, 1 duplicated" in lost.output) == (1, True)


def test_cells_that_are_broken_together_come_to_what_they_come_to_alone(lab: RunningLab, notebook: Lab) -> None:
    wanted = [c for c in cells("crash") if c.design == "as-drawn" and c.step in ("12", "14", "15", "16", "18")]
    assert len(list(together(wanted))) == 1
    runner = Runner(lab.home)
    at_once = {result.cell: result.word for lot in runner.run(wanted) for result in lot}
    alone = {result.cell: result.word for cell in wanted[3:6] for result in one(runner, cell)}
    assert {cell: at_once[cell] for cell in alone} == alone
    assert set(at_once.values()) == {Word.CORRECT, Word.OVERSOLD, Word.DUPLICATED}


def one(runner: Runner, cell: Cell) -> list[Result]:
    return next(runner.run([cell]))
