"""`lab.faults`: break the lab on purpose, at any arrow, for the orders you choose."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import psycopg

from orderlab import faults
from orderlab.gates import BEFORE, Kind
from orderlab.lab.tables import connected

if TYPE_CHECKING:
    import pandas as pd

_ARMED = ("id", "kind", "step", "side", "order_id", "attempt", "probability", "seed", "seconds", "times", "fired")
_FIRED = ("id", "kind", "order_id", "step", "side", "attempt", "process", "pid", "fired_at")
_HALTED = ("id", "order_id", "step", "side", "attempt", "process", "pid", "halted_at")


class Faults:
    """Arms faults in the running services.

    What all of them take: `step` is a number (9), a label ("15c") or a name; `when` is "before" or "after" the step;
    `order_id` is one order's, or a pattern as of a shell (`ws-*`), or None for every order; `attempt` is which
    delivery; `times` is how often it fires (None: always). With a `probability` the same `seed` hits the same orders
    in every run. Each returns the fault's number once every process has it (a few milliseconds), and raises
    `ImpossibleFault`, with the reason, for a fault that can't fire.
    """

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url

    def pause(
        self, step: int | str, when: str = BEFORE, order_id: str | None = None, *, seconds: float = 0, **more: Any
    ) -> int:
        """Halt the order there until `release`, or for so many `seconds`; ten minutes at most if none are given."""
        return self._arm(Kind.PAUSE, step, when, order_id, seconds=seconds, **more)

    def delay(
        self, step: int | str, when: str = BEFORE, order_id: str | None = None, *, seconds: float = 1, **more: Any
    ) -> int:
        """Let the order wait there for so many `seconds`."""
        return self._arm(Kind.DELAY, step, when, order_id, seconds=seconds, **more)

    def fail(self, step: int | str, when: str = BEFORE, order_id: str | None = None, **more: Any) -> int:
        """Raise the error that the step would really meet: a server away, a token refused, a gateway silent."""
        return self._arm(Kind.FAIL, step, when, order_id, **more)

    def crash(self, step: int | str, when: str = BEFORE, order_id: str | None = None, **more: Any) -> int:
        """SIGKILL the process that performs the step. The supervisor brings it back, and it knows of nothing."""
        return self._arm(Kind.CRASH, step, when, order_id, **more)

    def drop(self, step: int | str, when: str = BEFORE, order_id: str | None = None, **more: Any) -> int:
        """Let the arrow get lost on its way, unseen by whoever sent it."""
        return self._arm(Kind.DROP, step, when, order_id, **more)

    def duplicate(self, step: int | str, when: str = BEFORE, order_id: str | None = None, **more: Any) -> int:
        """Let the arrow's effect happen twice."""
        return self._arm(Kind.DUPLICATE, step, when, order_id, **more)

    def list(self) -> pd.DataFrame:
        """What is armed and can still fire."""
        with connected(self._database_url) as connection:
            return _frame(faults.queries.armed(connection), _ARMED)

    def firings(self, order_id: str | None = None) -> pd.DataFrame:
        """What has fired, oldest first; with an order, only what hit that one."""
        with connected(self._database_url) as connection:
            return _frame(faults.queries.firings(connection, order_id=order_id), _FIRED)

    def halts(self, order_id: str | None = None) -> pd.DataFrame:
        """Who is halted now, and where."""
        with connected(self._database_url) as connection:
            rows = faults.queries.halts(connection, order_id=order_id)
            return _frame(((row[0], *row[2:8], row[9]) for row in rows), _HALTED)

    def release(self, order_id: str | None = None) -> int:
        """Let halted orders go on, all of them or one; how many halts that ended. A pause that is armed stays so."""
        with connected(self._database_url) as connection:
            halts = [row[0] for row in faults.queries.halts(connection, order_id=order_id)]
            return sum(faults.queries.release(connection, halt_id=halt, reason="it was released")[0] for halt in halts)

    def clear(self) -> None:
        """Take every fault away; whoever is halted goes on."""
        with connected(self._database_url) as connection:
            faults.clear(connection)

    def __repr__(self) -> str:
        frame = self.list()
        return "nothing is armed" if frame.empty else frame.to_string(index=False)

    def _arm(self, kind: Kind, step: int | str, when: str, order_id: str | None, **more: Any) -> int:
        with connected(self._database_url) as connection:
            return faults.arm(connection, kind, step, when, order_id=order_id, **more)


def record(connection: psycopg.Connection[Any], kind: str, process: str) -> None:
    """Write down what was done to a process or a server, where firings stand."""
    faults.queries.record_firing(connection, kind=kind, process=process)
    connection.execute("SELECT pg_notify('lab_firings', '')")


def _frame(rows: Iterable[Any], columns: tuple[str, ...]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(columns))
