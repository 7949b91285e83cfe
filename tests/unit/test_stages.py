"""The stages of a worker of one's own: what a file says of itself is what is predicted, and what its reference does."""

from __future__ import annotations

import ast
import difflib
import re
from itertools import pairwise
from pathlib import Path

import pytest

from orderlab.matrix.results import Result
from orderlab.matrix.stages import like, stages, yours
from orderlab.verdicts.predictions import KINDS, Cell, expect
from orderlab.verdicts.rules import Word

ROOT = Path(__file__).parents[2]
STARTS = sorted((ROOT / "notebooks/worker").glob("*.py"))
REFERENCES = ROOT / "tests/worker"
STAGES = [file for file in STARTS if file.name.startswith("stage")]


def code(file: Path) -> list[str]:
    """A file's lines without its docstring."""
    return file.read_text().split('"""\n', 2)[-1].splitlines() if file.read_text().startswith('"""') else []


def doc(file: Path) -> str:
    return ast.get_docstring(ast.parse(file.read_text())) or ""


@pytest.mark.parametrize("file", STARTS, ids=lambda file: file.stem)
def test_a_starting_file_is_short_and_says_how_many_lines_its_reference_adds(file: Path) -> None:
    assert len(file.read_text().splitlines()) < 60
    changes = difflib.unified_diff(code(file), code(REFERENCES / file.name), n=0, lineterm="")
    added = [line for line in changes if line.startswith("+") and not line.startswith("+++")]
    said = re.search(r"Reference: (\d+) lines?", doc(file))
    assert said is not None
    assert int(said[1]) == len(added)


@pytest.mark.parametrize("file", STAGES, ids=lambda file: file.stem)
def test_a_starting_file_says_what_the_crash_matrix_will_show(file: Path) -> None:
    number = int(file.stem[5])
    before, after = (counts(n) for n in (number - 1, number))
    said = " ".join(doc(file).split())
    assert f"The crash matrix before: {before}. After: {after}." in said


def counts(number: int) -> str:
    """How a score is told, of what a stage is predicted to come to."""
    squares = stages()[number].squares("crash").values()
    won = sum(square.won for square in squares)
    words = [square.words[0] for square in squares]
    lost = [f"{words.count(word)} {word}" for word in (Word.DUPLICATED, Word.LOST, Word.OVERSOLD) if word in words]
    return ", ".join([f"{won} of {len(words)} correct", *lost])


def test_each_stage_begins_with_what_the_one_before_came_to() -> None:
    for before, after in pairwise(STAGES):
        assert code(REFERENCES / before.name) == code(after), after.name


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_stage_is_predicted_to_come_to_what_the_default_design_does(kind: str) -> None:
    assert {c: e.words for c, e in stages()[-1].squares(kind).items()} == {c: expect(c).words for c in yours(kind)}


@pytest.mark.parametrize("kind", KINDS)
def test_no_stage_wins_less_than_the_one_before(kind: str) -> None:
    won = [sum(square.won for square in stage.squares(kind).values()) for stage in stages()]
    assert won == sorted(won)


def test_results_are_recognised_as_a_stages() -> None:
    naive = stages()[1]
    results = [Result(c, e.words[0], "", "x", reached=e.reached) for c, e in naive.squares("crash").items()]
    assert like(results) == [naive]
    few = [result for result in results if result.cell == Cell("crash", "1", "before", "default")]
    assert [stage.number for stage in like(few)] == [1, 2, 3, 4, 5]
    assert like([]) == []
