"""`./lab matrix`: runs a matrix to its end, or on from where a run was interrupted, and shows it in the terminal."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from orderlab.language import _
from orderlab.matrix.results import Result, Results
from orderlab.matrix.runner import MatrixError, Runner
from orderlab.order import DESIGNS
from orderlab.verdicts.predictions import KINDS, LABELS, Cell, cells, expect
from orderlab.verdicts.rules import Word

STYLES = {
    Word.CORRECT: "green",
    Word.STUCK: "yellow",
    Word.OVERSOLD: "bold dark_orange",
    Word.LOST: "bold magenta",
    Word.DUPLICATED: "bold red",
}


def chosen(
    kind: str, steps: Collection[str] = (), designs: Collection[str] = (), side: str | None = None
) -> list[Cell]:
    """The cells of a matrix, only those of some steps, designs or a side if they are given; raise `MatrixError`."""
    if kind not in KINDS:
        raise MatrixError(_("There is no matrix {kind!r}. There are: {known}.", kind=kind, known=", ".join(KINDS)))
    if unknown := (set(steps) - set(LABELS)) | (set(designs) - set(DESIGNS)):
        raise MatrixError(_("There is no {known}: neither a step nor a design.", known=", ".join(sorted(unknown))))
    found = [
        cell
        for cell in cells(kind)
        if (not steps or cell.step in steps) and (not designs or cell.design in designs) and side in (None, cell.side)
    ]
    if not found:
        raise MatrixError(
            _(
                "No such step can {kind}. These can: {known}.",
                kind=kind,
                known=", ".join(dict.fromkeys(c.step for c in cells(kind))),
            )
        )
    return found


def run(home: Path, wanted: Iterable[Cell], results: Results, console: Console) -> None:
    """Run what `results` does not have yet, and keep each lot's results as soon as they are there."""
    todo = [cell for cell in wanted if cell not in results.cells]
    if not todo:
        return
    runner = Runner(home)
    results.begin(runner.servers())
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(results.kind, total=len(todo))
        begun = time.monotonic()
        for together in runner.run(todo):
            results.add(together)
            results.run["seconds"] = round(results.run["seconds"] + time.monotonic() - begun, 1)
            results.write()
            begun = time.monotonic()
            gate = together[-1].cell
            progress.update(task, advance=len(together), description=f"{gate.kind} {gate.side} {gate.step}")
            if not console.is_terminal:  # where no bar can be drawn, a line per gate
                for (side, step), there in groupby(together, key=lambda result: (result.cell.side, result.cell.step)):
                    console.print(f"{_(side)} {step}: {', '.join(_(result.word.value) for result in there)}")
            for result in together:
                if not result.as_expected:
                    progress.console.print(surprise(result))


def grid(results: Results) -> Table:
    """The grid for a terminal: one line per gate, one column per design."""
    table = Table(
        _("gate"), *DESIGNS, title=f"{results.kind}: {_(KINDS[results.kind])}", box=None, title_justify="left"
    )
    gates = dict.fromkeys((cell.step, cell.side) for cell in cells(results.kind))
    for step, side in gates:
        row = [results.cells.get(Cell(results.kind, step, side, design)) for design in DESIGNS]
        if any(row):
            table.add_row(f"{_(side)} {step}", *map(_square, row))
    return table


def surprise(result: Result) -> Text:
    """What differed from the prediction, and what shows it."""
    return Text(
        _(
            "{name}: expected {expect}, and it is\n{why}",
            name=result.cell.name,
            expect=expect(result.cell),
            why=result.why,
        )
    )


def _square(result: Result | None) -> Text:
    if result is None:
        return Text("")
    return Text(f"{_(result.word.value)}{'' if result.as_expected else ' (!)'}", STYLES[result.word])
