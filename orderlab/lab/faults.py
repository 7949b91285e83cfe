"""`lab.faults`: break the lab on purpose, at any arrow, for the orders you choose."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from orderlab.access.tables import connected
from orderlab.calls.checking import checked, public
from orderlab.calls.kinds import OrderId
from orderlab.faults import arming
from orderlab.faults.model import BEFORE, Kind
from orderlab.language import _

if TYPE_CHECKING:
    import pandas as pd

_ARMED = (
    "id",
    "kind",
    "step",
    "side",
    "order_id",
    "attempt",
    "probability",
    "seed",
    "seconds",
    "times",
    "times_per_order",
    "fired",
)
_FIRED = ("id", "kind", "order_id", "step", "side", "attempt", "process", "pid", "fired_at")
_HALTED = ("id", "order_id", "step", "side", "attempt", "process", "pid", "halted_at")


@dataclass(frozen=True)
class _Which:
    """Whom a fault hits, and how often."""

    order_id: str | None
    attempt: int | None
    times: int | None
    times_per_order: int | None
    probability: float
    seed: int


@public
class Faults:
    """Arms faults in the running services.

    What all of them take: `step` is a number (9), a label ("15c") or a name; `side` is "before" or "after" the step;
    `order_id` is one order's (or the order), or a shell-style pattern (`ws-*`), or None for every order; `attempt` is
    which delivery; `times` is how often it fires in all (None: always), `times_per_order` how often for one order. With
    a `probability` the same `seed` hits the same orders in every run: `drop(9, probability=0.01, times=None,
    times_per_order=1)` loses one message in a hundred, and lets the relay's try go through. Each returns the fault's
    number once every process has it (a few milliseconds), and raises `ImpossibleFault`, with the reason, for a fault
    that can't fire.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url

    def pause(
        self,
        step: int | str,
        side: str = BEFORE,
        order_id: OrderId | None = None,
        *,
        seconds: float = 0,
        attempt: int | None = None,
        times: int | None = 1,
        times_per_order: int | None = None,
        probability: float = 1.0,
        seed: int = 0,
    ) -> int:
        """Halt the order there until `release`, or for so many `seconds`; ten minutes at most if none are given."""
        which = _Which(order_id, attempt, times, times_per_order, probability, seed)
        return self._arm(Kind.PAUSE, step, side, which, seconds)

    def delay(
        self,
        step: int | str,
        side: str = BEFORE,
        order_id: OrderId | None = None,
        *,
        seconds: float = 1,
        attempt: int | None = None,
        times: int | None = 1,
        times_per_order: int | None = None,
        probability: float = 1.0,
        seed: int = 0,
    ) -> int:
        """Let the order wait there for so many `seconds`."""
        which = _Which(order_id, attempt, times, times_per_order, probability, seed)
        return self._arm(Kind.DELAY, step, side, which, seconds)

    def fail(
        self,
        step: int | str,
        side: str = BEFORE,
        order_id: OrderId | None = None,
        *,
        attempt: int | None = None,
        times: int | None = 1,
        times_per_order: int | None = None,
        probability: float = 1.0,
        seed: int = 0,
    ) -> int:
        """Raise the error that the step would really meet: a server away, a token refused, a gateway silent."""
        which = _Which(order_id, attempt, times, times_per_order, probability, seed)
        return self._arm(Kind.FAIL, step, side, which)

    def crash(
        self,
        step: int | str,
        side: str = BEFORE,
        order_id: OrderId | None = None,
        *,
        attempt: int | None = None,
        times: int | None = 1,
        times_per_order: int | None = None,
        probability: float = 1.0,
        seed: int = 0,
    ) -> int:
        """SIGKILL the process that performs the step. The supervisor brings it back, and it knows of nothing."""
        which = _Which(order_id, attempt, times, times_per_order, probability, seed)
        return self._arm(Kind.CRASH, step, side, which)

    def drop(
        self,
        step: int | str,
        side: str = BEFORE,
        order_id: OrderId | None = None,
        *,
        attempt: int | None = None,
        times: int | None = 1,
        times_per_order: int | None = None,
        probability: float = 1.0,
        seed: int = 0,
    ) -> int:
        """Let the arrow get lost on its way, unseen by whoever sent it."""
        which = _Which(order_id, attempt, times, times_per_order, probability, seed)
        return self._arm(Kind.DROP, step, side, which)

    def duplicate(
        self,
        step: int | str,
        side: str = BEFORE,
        order_id: OrderId | None = None,
        *,
        attempt: int | None = None,
        times: int | None = 1,
        times_per_order: int | None = None,
        probability: float = 1.0,
        seed: int = 0,
    ) -> int:
        """Let the arrow's effect happen twice."""
        which = _Which(order_id, attempt, times, times_per_order, probability, seed)
        return self._arm(Kind.DUPLICATE, step, side, which)

    def list(self) -> pd.DataFrame:
        """What is armed and can still fire.

        Columns: `id`, `kind`, `step`, `side`, `order_id` (or a pattern), `attempt`, `probability`, `seed`, `seconds`,
        `times` and `times_per_order` (None: always), `fired` (how often it did).
        """
        with connected(self._database_url) as connection:
            return _frame(arming.queries.armed(connection), _ARMED)

    def firings(self, order_id: OrderId | None = None) -> pd.DataFrame:
        """What has fired, oldest first; with an order, only what hit that one.

        Columns: `id`, `kind`, `order_id`, `step`, `side`, `attempt`, `process`, `pid`, `fired_at`.
        """
        with connected(self._database_url) as connection:
            return _frame(arming.queries.firings(connection, order_id=order_id), _FIRED)

    def halts(self, order_id: OrderId | None = None) -> pd.DataFrame:
        """Who is halted now, and where; not those whose process was killed there.

        Columns: `id`, `order_id`, `step`, `side`, `attempt`, `process`, `pid`, `halted_at`.
        """
        with connected(self._database_url) as connection:
            rows = arming.queries.halts(connection, order_id=order_id)
            return _frame(((row[0], *row[2:8], row[9]) for row in rows), _HALTED)

    def release(self, order_id: OrderId | None = None) -> int:
        """Let halted orders go on, all of them or one; how many halts that ended. A pause that is armed stays so."""
        with connected(self._database_url) as connection:
            halts = [row[0] for row in arming.queries.halts(connection, order_id=order_id)]
            return sum(arming.queries.release(connection, halt_id=halt, reason="it was released")[0] for halt in halts)

    def clear(self) -> None:
        """Take every fault away; whoever is halted goes on."""
        with connected(self._database_url) as connection:
            arming.clear(connection)

    @checked
    def __repr__(self) -> str:
        frame = self.list()
        return _("nothing is armed") if frame.empty else frame.to_string(index=False)

    def _arm(self, kind: Kind, step: int | str, side: str, which: _Which, seconds: float = 0) -> int:
        with connected(self._database_url) as connection:
            return arming.arm(connection, kind, step, side, seconds=seconds, **asdict(which))


def record(connection: psycopg.Connection[Any], kind: str, process: str) -> None:
    """Write down what was done to a process or a server, where firings stand."""
    arming.queries.record_firing(connection, kind=kind, process=process)
    connection.execute("SELECT pg_notify('lab_firings', '')")


def _frame(rows: Iterable[Any], columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(columns))
