"""Runs the cells of a matrix on a running lab, which it needs to itself: real orders, real faults, real SIGKILLs.

The orders of the designs meet a fault together: where a process or a server is killed, all of them are halted at the
gate first, and one SIGKILL hits them there.

The person's part is fixed: whoever presses "Crear Pedido" and sees the portal break off, or is told to try again
(5xx), presses again with the same order id once the portal and the API serve again. Whoever is refused does not.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg
from kombu import Connection

from orderlab import stack
from orderlab.access.broker import Tap
from orderlab.access.button import Pressed, Wanted, press
from orderlab.errors import LabError, OrderlabError
from orderlab.faults import arming
from orderlab.faults.model import PROCESS
from orderlab.matrix.results import Result
from orderlab.stack import Home, readiness
from orderlab.topology import ORDERS_CONFIRMED, ORDERS_REJECTED
from orderlab.verdicts.judge import Judge
from orderlab.verdicts.predictions import CRASH, DROP, POSTGRESQL, RABBITMQ, Cell

TRIES = 5
"""How often orders are sent to a gate at which all of them must be at once."""
PRESSES = 5
"""How often a person presses before giving up."""
ARRIVAL = 60.0
"""Seconds in which every order must have come to its gate."""
HOLD = 4.0
"""Seconds for which orders are delayed at a gate where PostgreSQL is killed. A halt could not be released then: the
release is a row in PostgreSQL."""
CALM = 1.0
"""Seconds for which what does not wait at the gate may come to rest before PostgreSQL is killed."""
WITHOUT = 2.5
"""Seconds for which PostgreSQL stays away under orders that go on: longer than a service waits for a connection."""

Orders = Mapping[Cell, str]


class MatrixError(OrderlabError):
    """A cell of the matrix could not be run."""


class TooFarApart(MatrixError):
    """The orders did not come to the gate together. Is the machine very busy?"""


class Runner:
    """Runs cells on the lab in `home`. Nobody else may place orders in it meanwhile."""

    def __init__(self, home: Path) -> None:
        self._home, self._state = home, stack.attached(home)
        self._judge = Judge(self._state.database_url, self._state.amqp_url, Home(home).inbox)
        self._how: Mapping[str, Callable[[Cell, Orders, Callable[[], None]], None]] = {
            CRASH: self._crash,
            RABBITMQ: self._kill_rabbitmq,
            POSTGRESQL: self._kill_postgresql,
        }

    def servers(self) -> dict[str, str]:
        """The servers' versions."""
        with self._connect() as database, Connection(self._state.amqp_url, connect_timeout=5) as broker:
            (version,) = database.execute("SHOW server_version").fetchone() or ("",)
            broker.connect()
            properties = broker.connection.server_properties
        return {"postgresql": str(version).split()[0], "rabbitmq": str(properties["version"])}

    def run(self, cells: Iterable[Cell]) -> Iterator[list[Result]]:
        """Run cells gate by gate, and give the results of each gate as soon as they are known."""
        for _, together in groupby(cells, key=lambda cell: (cell.kind, cell.step, cell.side)):
            yield self._run_patiently(list(together))

    def _run_patiently(self, cells: list[Cell]) -> list[Result]:
        """Run cells with new orders until they come to their gate together: one can wait for another's connection."""
        for _ in range(TRIES - 1):
            with contextlib.suppress(TooFarApart):
                return self._run_gate(cells)
        return self._run_gate(cells)

    def _run_gate(self, cells: list[Cell]) -> list[Result]:
        first = cells[0]
        orders = {cell: f"{cell.name}-{secrets.token_hex(3)}" for cell in cells}
        self._serving()
        with ExitStack() as held:
            held.callback(self._clear)
            taps = [] if first.kind == RABBITMQ else [held.enter_context(self._tap(name)) for name in _FANOUTS]
            people = held.enter_context(ThreadPoolExecutor(len(cells)))
            presses = dict[str, Future[bool]]()

            def place() -> None:
                presses.update(
                    {order_id: people.submit(self._person, cell, order_id) for cell, order_id in orders.items()}
                )

            self._how.get(first.kind, self._at_the_step)(first, orders, place)
            told = {order_id for order_id, pressed in presses.items() if pressed.result()}
            self._judge.wait(list(orders.values()), told=told)
            seen = _seen(taps, orders.values()) if taps else None
            verdicts = self._judge.pronounce(list(orders.values()), told=told, seen=seen)
        return [
            Result(cell, verdict.word, verdict.reason, verdict.order_id, str(verdict))
            for cell, verdict in zip(orders, verdicts, strict=True)
        ]

    # what is done in a cell, by kind

    def _crash(self, gate: Cell, orders: Orders, place: Callable[[], None]) -> None:
        """Halt the orders at the gate, and SIGKILL the process that has them there."""
        process = PROCESS[gate.step]
        with self._connect() as connection:
            halts = self._halt(connection, gate, orders, place)
            for pid in {halt["pid"] for halt in halts}:
                os.kill(pid, signal.SIGKILL)
            for halt in halts:
                arming.queries.record_crash(connection, halt_id=halt["id"])
            arming.clear(connection)  # before the supervisor has brought it back
        stack.start(self._home, process)

    def _kill_rabbitmq(self, gate: Cell, orders: Orders, place: Callable[[], None]) -> None:
        """Halt the orders at the gate, let all else come to rest, SIGKILL RabbitMQ, and let the orders go on."""
        with self._connect() as connection:
            self._halt(connection, gate, orders, place)
            self._judge.wait(list(orders.values()))
            stack.kill(self._home, RABBITMQ)
            arming.queries.record_firing(connection, kind="kill", process=RABBITMQ)
            arming.clear(connection)
        for program in (RABBITMQ, "worker", "notifier"):  # the services once they consume again
            stack.start(self._home, program)

    def _kill_postgresql(self, gate: Cell, orders: Orders, place: Callable[[], None]) -> None:
        """Delay the orders at the gate, SIGKILL PostgreSQL, and have it back when the orders have met that."""
        with self._connect() as connection:
            armed = self._arm(connection, gate, orders, "delay", seconds=HOLD)
            place()
            fired = self._fired(connection, armed, len(orders))
            time.sleep(CALM)
            (now,) = connection.execute("SELECT clock_timestamp()").fetchone() or (max(fired),)
            if now > min(fired) + timedelta(seconds=HOLD):
                raise TooFarApart
        killed = stack.kill(self._home, POSTGRESQL)
        while stack.pids(self._home, POSTGRESQL) in ([], killed):  # the supervisor has yet to bring it back
            time.sleep(0.02)
        stack.stop(self._home, POSTGRESQL)
        time.sleep(HOLD + WITHOUT)  # there is nobody who could tell
        for program in (POSTGRESQL, "worker", "notifier"):
            stack.start(self._home, program)

    def _at_the_step(self, gate: Cell, orders: Orders, place: Callable[[], None]) -> None:
        """Arm the fault for each order, once."""
        with self._connect() as connection:
            armed = self._arm(connection, gate, orders, gate.kind)
            place()
            self._fired(connection, armed, len(orders))
        if (gate.kind, gate.step) == (DROP, "19"):
            # Unacknowledged, the message stays with this worker as long as it runs. One day it is restarted.
            self._judge.wait(list(orders.values()))
            stack.kill(self._home, "worker")
            stack.start(self._home, "worker")

    # the parts of it

    def _arm(
        self, connection: psycopg.Connection[Any], gate: Cell, orders: Orders, kind: str, seconds: float = 0.0
    ) -> list[int]:
        """Arm a fault for each order."""
        at: dict[str, Any] = {"step": gate.step, "side": gate.side, "seconds": seconds}
        return [arming.arm(connection, kind, order_id=order_id, **at) for order_id in orders.values()]

    def _halt(
        self, connection: psycopg.Connection[Any], gate: Cell, orders: Orders, place: Callable[[], None]
    ) -> list[dict[str, Any]]:
        """Have the orders placed and halted at the gate; the halts, once every order is there."""
        pattern = f"{gate.kind}-{gate.step}-{gate.side}-*"
        owner = connection.info.backend_pid
        arming.arm(connection, "pause", gate.step, gate.side, order_id=pattern, times=None, owner=owner)
        place()
        halted = list[dict[str, Any]]()

        def there() -> bool:
            names = ("id", "fault_id", "order_id", "step", "side", "attempt", "process", "pid")
            rows = [dict(zip(names, row, strict=False)) for row in arming.queries.halts(connection, order_id=None)]
            halted[:] = [row for row in rows if row["process"] == PROCESS[gate.step]]  # and not the relay
            return len(halted) >= len(orders)

        self._until(connection, "lab_halts", there, gate)
        return halted

    def _fired(self, connection: psycopg.Connection[Any], armed: list[int], times: int) -> list[Any]:
        """When these faults have fired, once they have so often."""
        fired = list[Any]()

        def all_of_them() -> bool:
            asked = "SELECT fired_at FROM lab.firings WHERE fault_id = ANY(%s) ORDER BY id"
            fired[:] = [row[0] for row in connection.execute(asked, (armed,))]
            return len(fired) >= times

        self._until(connection, "lab_firings", all_of_them, None)
        return fired

    def _until(
        self, connection: psycopg.Connection[Any], channel: str, there: Callable[[], bool], gate: Cell | None
    ) -> None:
        end = time.monotonic() + ARRIVAL
        connection.execute(f"LISTEN {channel}")
        while not there():
            if time.monotonic() > end:
                where = f"at the gate of {gate.name}" if gate else "at the fault"
                raise MatrixError(f"Not every order arrived {where} in {ARRIVAL:g} s. See ./lab logs.")
            for _ in connection.notifies(timeout=0.5, stop_after=1):
                pass
        connection.execute(f"UNLISTEN {channel}")

    def _person(self, cell: Cell, order_id: str) -> bool:
        """Press, and again where that is what a person would do; whether the order was confirmed to be there."""
        for _ in range(PRESSES):
            try:
                pressed = press(
                    self._state.portal_url, Wanted(order_id, payment_token=cell.payment_token, design=cell.design)
                )
            except LabError:  # the form itself did not come
                pressed = Pressed(None, False)
            if pressed.shown or (pressed.status is not None and pressed.status < 500):
                return pressed.shown
            self._serving()
        return False

    def _serving(self) -> None:
        """Wait until the portal and the API serve."""
        readiness.wait(Home(self._home), self._state, ["orders-api", "portal"], ARRIVAL)

    def _tap(self, exchange: str) -> Tap:
        return Tap(self._state.amqp_url, exchange)

    def _clear(self) -> None:
        with self._connect() as connection:
            arming.clear(connection)

    @contextmanager
    def _connect(self) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(self._state.database_url, autocommit=True) as connection:
            yield connection


_FANOUTS = (ORDERS_CONFIRMED.name, ORDERS_REJECTED.name)


def _seen(taps: Sequence[Tap], order_ids: Iterable[str]) -> dict[str, frozenset[str]]:
    """The types of the messages that came through, by order."""
    copies = [copy for tap in taps for copy in tap.messages()]
    return {
        order_id: frozenset(str(copy.headers.get("cloudEvents_type")) for copy in copies if copy.order_id == order_id)
        for order_id in order_ids
    }
