"""The stages of a worker of one's own: what each comes to in each square, and which of them a run looks like."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from orderlab.faults.model import BEFORE
from orderlab.matrix.results import Result
from orderlab.verdicts.predictions import Cell, cells
from orderlab.verdicts.rules import Word

YOURS = "default"
"""The design of the orders that meet a worker of one's own: what is not the worker's is the lab's."""


@dataclass(frozen=True)
class Expected:
    """What a square must come to, why, and whether the order comes to that gate at all."""

    words: tuple[Word, ...] = (Word.CORRECT,)
    because: str = ""
    reached: bool = True

    @property
    def won(self) -> bool:
        """Whether the order meets the fault there and comes through, for sure."""
        return self.reached and self.words == (Word.CORRECT,)


@dataclass(frozen=True)
class Stage:
    """One stage: its number, its title, and what it loses."""

    number: int
    title: str
    loses: tuple[Mapping[str, Any], ...]

    def expect(self, cell: Cell) -> Expected:
        """What this square must come to."""
        found = Expected()
        for line in self.loses:
            if not _fits(line, cell):
                continue
            if "words" in line:
                words = tuple(Word(word) for word in str(line["words"]).split("|"))
                found = Expected(words, str(line.get("because", "")), found.reached)
            if not line.get("reached", True):
                found = Expected(found.words, found.because, reached=False)
        return found

    def squares(self, kind: str) -> dict[Cell, Expected]:
        """All of a matrix."""
        return {cell: self.expect(cell) for cell in yours(kind)}

    def fits(self, results: Iterable[Result]) -> bool:
        """Whether these results are what this stage comes to."""
        for result in results:
            expected = self.expect(result.cell)
            if result.word not in expected.words or result.reached != expected.reached:
                return False
        return True

    def __str__(self) -> str:
        return f"stage {self.number} ({self.title})"


def yours(kind: str) -> list[Cell]:
    """The squares of a matrix that a worker of one's own is judged by."""
    return [cell for cell in cells(kind) if cell.design == YOURS]


@cache
def stages() -> tuple[Stage, ...]:
    """All of them, from the first."""
    told = tomllib.loads(files("orderlab.matrix").joinpath("stages.toml").read_text("utf-8"))
    return tuple(Stage(row["number"], row["title"], tuple(row["loses"])) for row in told["stage"])


def like(results: Iterable[Result]) -> list[Stage]:
    """The stages that come to just this; few squares can fit several."""
    found = list(results)
    return [stage for stage in stages() if stage.fits(found)] if found else []


def _fits(line: Mapping[str, Any], cell: Cell) -> bool:
    gates = str(line["gates"]).split()
    asked = {"*", cell.step, cell.step + ("-" if cell.side == BEFORE else "+")}
    return cell.kind in str(line["kinds"]).split() and not asked.isdisjoint(gates)
