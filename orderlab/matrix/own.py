"""A matrix for a worker of one's own: its code is taken up, run in each square, and what was there before is put back.

Results are kept by the file's content: the same file goes on from where it was interrupted, a changed one begins anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orderlab.drawing.score import Score, Square
from orderlab.language import _
from orderlab.matrix.results import Results
from orderlab.matrix.runner import Runner, together
from orderlab.matrix.stages import like
from orderlab.stack import own
from orderlab.stack.candidate import NotUsed
from orderlab.verdicts.predictions import Cell

Say = Callable[[str], None]


def run(
    home: Path, file: Path, kind: str, cells: Iterable[Cell], known: Iterable[str], *, fresh: bool, say: Say
) -> Results:
    """Run squares that there are no results of yet, or all of them if `fresh`. `known` are the orders that are still
    there: a square whose order is gone is run again. `say` gets a line for each lot.

    Raises `NotUsed` for a file that can't be used.
    """
    wanted = list(cells)
    results = _kept(home, file, kind)
    there = set(known)
    results.forget([c for c, result in results.cells.items() if result.order_id not in there])
    results.forget(wanted if fresh else [])
    todo = [cell for cell in wanted if cell not in results.cells]
    if todo:
        with taken_up(home, file):
            runner = Runner(home, own=True)
            results.begin(runner.servers())
            for lot in together(todo):
                for part in runner.run(lot):
                    results.add(part)
                    results.write()
                say(f"{kind}: {sum(cell in results.cells for cell in wanted)} of {len(wanted)}")
    return Results(kind, {cell: results.cells[cell] for cell in wanted}, results.run)


def score(name: str, results: Results, opens: Callable[[str], Any] | None = None) -> Score:
    """What a run amounts to; `opens` gives an order's run."""
    squares = {
        (cell.step, cell.side): Square(result.word, result.reason, result.order_id, result.reached)
        for cell, result in results.cells.items()
    }
    return Score(name, results.kind, squares, [str(stage) for stage in like(results.cells.values())], opens)


@contextmanager
def taken_up(home: Path, file: Path) -> Iterator[None]:
    """Have this file run as the worker; what was in use before is back afterwards."""
    before = own.in_use(home).get("worker")
    try:
        own.put(home, own.look_at(home, "worker", file))
        yield
    except NotUsed as error:
        own.put_back(home, "worker")
        raise error.told(_("The lab's own worker is back.")) from None
    except BaseException:
        own.put_back(home, "worker")
        raise
    if before is None:
        own.put_back(home, "worker")
    elif before != str(file):
        own.put(home, own.look_at(home, "worker", Path(before)))


def _kept(home: Path, file: Path, kind: str) -> Results:
    content = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    return Results.read(kind, home / "matrix" / "own" / f"{content}-{kind}.json")
