"""Matrices for a notebook: as predicted, as measured once and for all, and run here and now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orderlab.access.attach import Attached
from orderlab.calls import kinds
from orderlab.drawing.grid import Grid
from orderlab.errors import LabError
from orderlab.faults.model import AFTER, BEFORE
from orderlab.language import N_, _
from orderlab.matrix import Results, Runner, command
from orderlab.stepping.replayed import replayed
from orderlab.verdicts.predictions import KINDS, cells

kinds.KINDS["kind"] = kinds.one_of(N_("matrix"), lambda: KINDS)


def run(
    lab: Attached, kind: str, steps: Iterable[int | str], designs: Sequence[str], side: str | None, everything: bool
) -> Grid:
    """Run cells of a matrix and draw what came; raises `LabError` where the call asks for more than it says."""
    if lab.home is None:
        raise LabError(_("This lab was not brought up by ./lab up here, so nothing can be killed in it."))
    if side not in (BEFORE, AFTER, None):
        raise LabError(
            _("A gate is {before!r} or {after!r} its step, and not {side!r}.", before=BEFORE, after=AFTER, side=side)
        )
    steps = list(steps)
    if not steps and not everything:
        raise LabError(
            _(
                "All of {kind!r} are {n} orders, and it breaks the lab for minutes. Name some steps, such as "
                "steps=[8, 15]; or say everything=True.",
                kind=kind,
                n=len(list(cells(kind))),
            )
        )
    chosen = command.chosen(kind, [kinds.label_of(step) for step in steps], designs, side)
    results = [result for together in Runner(lab.home).run(chosen) for result in together]
    words = {result.cell: (result.word,) for result in results}
    order_ids = {result.cell: result.order_id for result in results}
    return Grid(kind, words, order_ids=order_ids, opens=lambda order_id: replayed(lab, order_id))


def measured(kind: str) -> Grid:
    """What each cell came to in the full run that came with this version; raises `LabError` if there was none."""
    results = Results.measured(kind)
    if not results.cells:
        raise LabError(
            _("No full run of {kind!r} came with this version. Run one: ./lab matrix --kind {kind}", kind=kind)
        )
    return Grid(kind, {cell: (result.word,) for cell, result in results.cells.items()}, f"{kind}: {results.when}")
