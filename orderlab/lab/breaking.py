"""The half of `Lab` that breaks things: faults, processes, stepping, designs side by side, verdicts, matrices."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orderlab.client import OrdersClient
from orderlab.lab.attach import Attached, LabError
from orderlab.sequence import find_step

if TYPE_CHECKING:
    import pandas as pd

    from orderlab.judge import Verdict
    from orderlab.lab.compare import Comparison
    from orderlab.lab.faults import Faults
    from orderlab.lab.grid import Grid
    from orderlab.lab.processes import Processes
    from orderlab.lab.script import Planned
    from orderlab.lab.stepping import SteppingRun
    from orderlab.verdicts import Judge


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
        **order: Any,
    ) -> Comparison:
        """Run one script of faults (`orderlab.lab.script`) on an order of each design, and show them side by side.

        The orders go through the real portal, one after the other, and their ids begin with `name`; `order` is what
        its form takes: sku, quantity, payment_token. Waits until nothing more comes. Raises `ImpossibleFault` if a
        fault can't fire, `LabError` for a design that there is not.
        """
        from orderlab.lab.compare import compare

        read = lambda order_id: self.client.events(order_id, self._token())  # noqa: E731
        return compare(self._lab, self._judge, read, script, designs, name, order)

    def step_through(
        self, order_id: str | None = None, items: Mapping[str, int] | None = None, **more: Any
    ) -> SteppingRun:
        """Have the portal's button pressed for an order that halts at every arrow: `run.next()` goes on by one.

        `items` is {sku: quantity}, of one product; `more` is `payment_token`, `design` ("default", "no-outbox",
        "no-idempotent-consumer", "as-drawn") and `patience`, in seconds.
        """
        from orderlab.lab.stepping import begin

        return begin(self._lab, order_id or self.new_id(), items, **more)

    def save(self, order_id: str, file: str | Path) -> Path:
        """Write an order's run into one file, which `Run.open` shows with no lab: its events, and its tables now."""
        from orderlab.lab.saving import save

        return save(self._lab, order_id, file)

    # what it amounts to

    def verdict(self, order_id: str, patience: float = 30) -> Verdict:
        """What the order's end state amounts to, and the events that show it. Waits until nothing is left that could
        move it; what has not happened after `patience` seconds is stuck.
        """
        told = [order_id] if self._answered[order_id] else []
        return self._judge.verdicts([order_id], told=told, patience=patience)[0]

    def verdicts(self, patience: float = 30) -> pd.DataFrame:
        """The verdict on every order, oldest first."""
        import pandas as pd

        found = self._judge.verdicts(self._judge.every_order(), patience=patience)
        rows = [(each.order_id, each.status, str(each.word), each.reason) for each in found]
        return pd.DataFrame(rows, columns=["order_id", "status", "verdict", "reason"])

    def matrix(
        self,
        kind: str = "crash",
        steps: Iterable[int | str] = (),
        designs: Sequence[str] = (),
        when: str | None = None,
    ) -> Grid:
        """Run cells of a matrix here and now (all, if no steps are given: that takes minutes), and draw what came.

        `kind` is crash, fail, drop, duplicate, rabbitmq or postgresql. Nobody else may place orders meanwhile. Raises
        `MatrixError` if a cell can't be run.
        """
        from orderlab.lab.grid import Grid
        from orderlab.matrix import Runner, command

        if self._lab.home is None:
            raise LabError("This lab was not brought up by ./lab up here, so nothing can be killed in it.")
        cells = command.chosen(kind, [find_step(step).label for step in steps], designs, when)
        results = [result for together in Runner(self._lab.home).run(cells) for result in together]
        words = {result.cell: (result.word,) for result in results}
        return Grid(kind, words, order_ids={result.cell: result.order_id for result in results})

    def predicted_matrix(self, kind: str = "crash") -> Grid:
        """What was predicted of each cell before any was run."""
        from orderlab.lab.grid import Grid

        return Grid.expected(kind)

    def measured_matrix(self, kind: str = "crash") -> Grid:
        """What each cell came to in the full run that came with this version (docs/matrix.md)."""
        from orderlab.lab.grid import Grid
        from orderlab.matrix import Results

        results = Results.measured(kind)
        if not results.cells:
            raise LabError(f"No full run of {kind!r} came with this version. Run one: ./lab matrix --kind {kind}")
        return Grid(kind, {cell: (result.word,) for cell, result in results.cells.items()}, f"{kind}: {results.when}")

    @cached_property
    def _judge(self) -> Judge:
        from orderlab.stack import Home
        from orderlab.verdicts import Judge

        inbox = Home(self._lab.home).inbox if self._lab.home else None
        return Judge(self._lab.database_url, self._lab.amqp_url, inbox)
