"""The half of `Lab` that breaks things: faults, processes, stepping, designs side by side, verdicts, matrices."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from orderlab.access.attach import Attached
from orderlab.calls import kinds
from orderlab.calls.checking import public
from orderlab.calls.kinds import OrderId, label_of
from orderlab.client import OrdersClient
from orderlab.errors import LabError
from orderlab.faults.model import AFTER, BEFORE
from orderlab.nearest import nearest
from orderlab.verdicts.predictions import KINDS

if TYPE_CHECKING:
    import pandas as pd

    from orderlab.drawing.grid import Grid
    from orderlab.faults.script import Planned
    from orderlab.lab.compare import Comparison
    from orderlab.lab.faults import Faults
    from orderlab.lab.processes import Processes
    from orderlab.stepping.stepping import SteppingRun
    from orderlab.verdicts.judge import Judge
    from orderlab.verdicts.verdict import Verdict

kinds.KINDS["kind"] = kinds.one_of("matrix", lambda: KINDS)

DATABASE_AWAY = 3.0
"""Seconds for which a verdict waits for a database that is away: a killed one takes less to be back."""


@public
class Breaking(ABC):
    """What a notebook breaks in the running lab, and how it sees what came of that."""

    _lab: Attached
    _answered: Mapping[str, set[str]]
    client: OrdersClient

    @abstractmethod
    def new_id(self, name: str = "ws") -> str:
        """An order id that nobody has used."""

    @abstractmethod
    def _token(self) -> str:
        """A token for reading."""

    @cached_property
    def faults(self) -> Faults:
        """Break the lab on purpose, at any arrow, for the orders you choose."""
        from orderlab.lab.faults import Faults

        return Faults(self._lab.database_url)

    @cached_property
    def processes(self) -> Processes:
        """Kill, stop and freeze whole programs, servers too, and bring them back."""
        from orderlab.lab.processes import Processes

        return Processes(self._lab)

    def compare(
        self,
        script: Planned | Iterable[Planned] = (),
        designs: Sequence[str] = ("as-drawn", "default"),
        name: str = "ws",
        *,
        items: Mapping[str, int] | None = None,
        payment_token: str = "tok_ok",
    ) -> Comparison:
        """Run one script of faults (`orderlab`) on an order of each design, and show them side by side.

        The orders go through the real portal, one after the other, and their ids begin with `name`; `items`
        is {sku: quantity}, of one product. Waits until nothing more comes. Raises `ImpossibleFault` if a fault can't
        fire, `LabError` for an order that the form or the API refuses though nothing was broken.
        """
        from orderlab.access.button import one_product
        from orderlab.lab.compare import compare

        read = lambda order_id: self.client.events(order_id, self._token())  # noqa: E731
        return compare(self._lab, self._judge, read, script, designs, name, one_product(items, payment_token))

    def step_through(
        self,
        order_id: OrderId | None = None,
        items: Mapping[str, int] | None = None,
        payment_token: str = "tok_ok",
        design: str = "default",
        patience: float = 20.0,
    ) -> SteppingRun:
        """Have the portal's button pressed for an order that halts at every arrow: `run.next()` goes on by one.

        `items` is {sku: quantity}, of one product; `design` is "default", "no-outbox", "no-idempotent-consumer" or
        "as-drawn"; `patience` is in seconds. An order that is halted already is taken up where it stands, as it is.
        """
        from orderlab.stepping.stepping import begin

        return begin(self._lab, order_id or self.new_id(), items, payment_token, design, patience)

    def save(self, order_id: OrderId, file: str | Path) -> Path:
        """Write an order's run into one file, which `Run.open` shows with no lab: its events, and its tables now."""
        from orderlab.stepping.saving import save

        return save(self._lab, order_id, file)

    # what it amounts to

    def verdict(self, order_id: OrderId, patience: float = 30) -> Verdict:
        """What the order's end state amounts to, and the events that show it. Waits until nothing is left that could
        move it; what has not happened after `patience` seconds is stuck. Raises `LabError` where nothing is known of
        such an order.
        """
        told = [order_id] if self._answered[order_id] else []
        if not told and not self._judge.knows(order_id):
            raise LabError(f"There is no order {order_id!r}.{nearest(order_id, self._judge.every_order())}")
        return self._judge.verdicts([order_id], told=told, patience=patience, away=DATABASE_AWAY)[0]

    def verdicts(self, patience: float = 30) -> pd.DataFrame:
        """The verdict on every order, oldest first."""
        import pandas as pd

        found = self._judge.verdicts(self._judge.every_order(), patience=patience, away=DATABASE_AWAY)
        rows = [(each.order_id, each.status, str(each.word), each.reason) for each in found]
        return pd.DataFrame(rows, columns=["order_id", "status", "verdict", "reason"])

    def matrix(
        self,
        kind: str = "crash",
        steps: Iterable[int | str] = (),
        designs: Sequence[str] = (),
        side: str | None = None,
    ) -> Grid:
        """Run cells of a matrix here and now (all, if no steps are given: that takes minutes), and draw what came.

        `kind` is crash, fail, drop, duplicate, rabbitmq or postgresql. Nobody else may place orders meanwhile. Raises
        `MatrixError` if a cell can't be run.
        """
        from orderlab.drawing.grid import Grid
        from orderlab.matrix import Runner, command

        if self._lab.home is None:
            raise LabError("This lab was not brought up by ./lab up here, so nothing can be killed in it.")
        if side not in (BEFORE, AFTER, None):
            raise LabError(f"A gate is {BEFORE!r} or {AFTER!r} its step, and not {side!r}.")
        cells = command.chosen(kind, [label_of(step) for step in steps], designs, side)
        results = [result for together in Runner(self._lab.home).run(cells) for result in together]
        words = {result.cell: (result.word,) for result in results}
        return Grid(kind, words, order_ids={result.cell: result.order_id for result in results})

    def predicted_matrix(self, kind: str = "crash") -> Grid:
        """What was predicted of each cell before any was run."""
        from orderlab.drawing.grid import Grid

        return Grid.expected(kind)

    def measured_matrix(self, kind: str = "crash") -> Grid:
        """What each cell came to in the full run that came with this version (docs/matrix.md)."""
        from orderlab.drawing.grid import Grid
        from orderlab.matrix import Results

        results = Results.measured(kind)
        if not results.cells:
            raise LabError(f"No full run of {kind!r} came with this version. Run one: ./lab matrix --kind {kind}")
        return Grid(kind, {cell: (result.word,) for cell, result in results.cells.items()}, f"{kind}: {results.when}")

    @cached_property
    def _judge(self) -> Judge:
        from orderlab.stack import Home
        from orderlab.verdicts.judge import Judge

        inbox = Home(self._lab.home).inbox if self._lab.home else None
        return Judge(self._lab.database_url, self._lab.amqp_url, inbox)
