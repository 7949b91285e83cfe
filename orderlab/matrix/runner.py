"""Runs the cells of a matrix on a running lab, which it needs to itself: real orders, real faults, real SIGKILLs.

Orders that do not disturb each other meet their faults together. Where a process or a server is killed, each is halted
at its own gate first, of one process or of several, and one SIGKILL hits them all there.

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
from orderlab.language import _
from orderlab.matrix.results import Result
from orderlab.stack import Home, readiness
from orderlab.topology import ORDERS_CONFIRMED, ORDERS_REJECTED
from orderlab.verdicts.judge import Judge
from orderlab.verdicts.predictions import CRASH, DROP, POSTGRESQL, RABBITMQ, Cell

TOGETHER = {CRASH: 14, POSTGRESQL: 6}
"""How many orders are broken together at most. A worker takes 16 messages in hand; PostgreSQL must be killed while all
of them are delayed at their gates."""
MOST_TOGETHER = 12
TRIES = 5
"""How often orders are sent to a gate at which all of them must be at once."""
PRESSES = 5
"""How often a person presses before giving up."""
ARRIVAL = 60.0
"""Seconds in which every order must have come to its gate."""
HOLD = 4.0
"""Seconds for which orders are delayed at a gate where PostgreSQL is killed. A halt could not be released then: the
release is a row in PostgreSQL."""
LATE = 2.0
"""Seconds without a new arrival after which it is asked whether the orders that are missing are at rest elsewhere."""
CALM = 1.0
"""Seconds for which what does not wait at the gate may come to rest before PostgreSQL is killed."""
WITHOUT = 2.5
"""Seconds for which PostgreSQL stays away under orders that go on: longer than a service waits for a connection."""

Orders = Mapping[Cell, str]


class MatrixError(OrderlabError):
    """A cell of the matrix could not be run."""


class TooFarApart(MatrixError):
    """The orders did not come to the gate together. Is the machine very busy?"""


def together(cells: Iterable[Cell]) -> Iterator[list[Cell]]:
    """Cells in groups that can be broken at once: by the process whose gates they are at, of one kind."""
    for (kind, _process, _how), group in groupby(sorted(cells, key=_group), key=_group):
        found = list(group)
        most = TOGETHER.get(kind, MOST_TOGETHER)
        parts = -(-len(found) // most)
        yield from (found[n * len(found) // parts : (n + 1) * len(found) // parts] for n in range(parts))


def _group(cell: Cell) -> tuple[str, str, bool]:
    """What cells that are broken together have in common. 15c is apart: whether an order comes there is its code's."""
    by_process = PROCESS[cell.step] if cell.kind in (CRASH, RABBITMQ, POSTGRESQL) else ""
    apart = cell.step == "15c" if cell.kind == POSTGRESQL else (cell.kind, cell.step) == (DROP, "19")
    return cell.kind, by_process, apart


class Runner:
    """Runs cells on the lab in `home`. Nobody else may place orders in it meanwhile.

    With `own`, code of a student's runs there: an order that never comes to its gate is no error then, but a result.
    """

    def __init__(self, home: Path, *, own: bool = False) -> None:
        self._home, self._state, self._own = home, stack.attached(home), own
        self._presses = dict[str, Future[bool]]()
        self._judge = Judge(self._state.database_url, self._state.amqp_url, Home(home).inbox)
        self._how: Mapping[str, Callable[[Orders, Callable[[], None]], set[str]]] = {
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
        """Run cells, some at a time, and give the results of each lot as soon as they are known."""
        for lot in together(cells):
            yield self._run_patiently(lot)

    def _run_patiently(self, cells: list[Cell]) -> list[Result]:
        """Run cells with new orders until they are at their gates together: one can wait for another's connection."""
        for _again in range(TRIES - 1):
            with contextlib.suppress(TooFarApart):
                return self._run_lot(cells)
        return self._run_lot(cells)

    def _run_lot(self, cells: list[Cell]) -> list[Result]:
        kind = cells[0].kind
        orders = {cell: f"{cell.name}-{secrets.token_hex(3)}" for cell in cells}
        self._serving()
        with ExitStack() as held:
            held.callback(self._clear)
            taps = [] if kind == RABBITMQ else [held.enter_context(self._tap(name)) for name in _FANOUTS]
            people = held.enter_context(ThreadPoolExecutor(len(cells)))
            self._presses = dict[str, Future[bool]]()

            def place() -> None:
                self._presses |= {
                    order_id: people.submit(self._person, cell, order_id) for cell, order_id in orders.items()
                }

            reached = self._how.get(kind, self._at_the_step)(orders, place)
            told = {order_id for order_id, pressed in self._presses.items() if pressed.result()}
            self._judge.wait(list(orders.values()), told=told)
            seen = _seen(taps, orders.values()) if taps else None
            verdicts = self._judge.pronounce(list(orders.values()), told=told, seen=seen)
        return [
            Result(cell, verdict.word, verdict.reason, verdict.order_id, str(verdict), verdict.order_id in reached)
            for cell, verdict in zip(orders, verdicts, strict=True)
        ]

    # what is done in a lot, by kind; which orders it has hit

    def _crash(self, orders: Orders, place: Callable[[], None]) -> set[str]:
        """Halt the orders at their gates, and SIGKILL the process that has them there."""
        process = PROCESS[next(iter(orders)).step]
        with self._connect() as connection:
            halts = self._halt(connection, orders, place)
            for pid in {halt["pid"] for halt in halts}:
                os.kill(pid, signal.SIGKILL)
            for halt in halts:
                arming.queries.record_crash(connection, halt_id=halt["id"])
            arming.clear(connection)  # before the supervisor has brought it back
        stack.start(self._home, process)
        return {halt["order_id"] for halt in halts}

    def _kill_rabbitmq(self, orders: Orders, place: Callable[[], None]) -> set[str]:
        """Halt the orders at their gates, let all else come to rest, SIGKILL RabbitMQ, and let the orders go on."""
        with self._connect() as connection:
            halts = self._halt(connection, orders, place)
            self._judge.wait(list(orders.values()))
            stack.kill(self._home, RABBITMQ)
            arming.queries.record_firing(connection, kind="kill", process=RABBITMQ)
            arming.clear(connection)
        for program in (RABBITMQ, "worker", "notifier"):  # the services once they consume again
            stack.start(self._home, program)
        return {halt["order_id"] for halt in halts}

    def _kill_postgresql(self, orders: Orders, place: Callable[[], None]) -> set[str]:
        """Delay the orders at their gates, SIGKILL PostgreSQL, and have it back when the orders have met that."""
        with self._connect() as connection:
            armed = self._arm(connection, orders, "delay", seconds=HOLD)
            place()
            fired = self._fired(connection, armed)
            if not fired:
                return set()
            time.sleep(CALM)
            (now,) = connection.execute("SELECT clock_timestamp()").fetchone() or (max(fired.values()),)
            if now > min(fired.values()) + timedelta(seconds=HOLD):
                raise TooFarApart
        killed = stack.kill(self._home, POSTGRESQL)
        while stack.pids(self._home, POSTGRESQL) in ([], killed):  # the supervisor has yet to bring it back
            time.sleep(0.02)
        stack.stop(self._home, POSTGRESQL)
        time.sleep(HOLD + WITHOUT)  # there is nobody who could tell
        for program in (POSTGRESQL, "worker", "notifier"):
            stack.start(self._home, program)
        return set(fired)

    def _at_the_step(self, orders: Orders, place: Callable[[], None]) -> set[str]:
        """Arm the fault for each order, once."""
        first = next(iter(orders))
        with self._connect() as connection:
            armed = self._arm(connection, orders, first.kind)
            place()
            fired = self._fired(connection, armed)
        if (first.kind, first.step) == (DROP, "19"):
            # Unacknowledged, the message stays with this worker as long as it runs. One day it is restarted.
            self._judge.wait(list(orders.values()))
            stack.kill(self._home, "worker")
            stack.start(self._home, "worker")
        return set(fired)

    # the parts of it

    def _arm(
        self, connection: psycopg.Connection[Any], orders: Orders, kind: str, seconds: float = 0.0
    ) -> dict[int, str]:
        """Arm a fault for each order at its gate; the orders by their faults."""
        return {
            arming.arm(connection, kind, cell.step, cell.side, order_id=order_id, seconds=seconds): order_id
            for cell, order_id in orders.items()
        }

    def _halt(
        self, connection: psycopg.Connection[Any], orders: Orders, place: Callable[[], None]
    ) -> list[dict[str, Any]]:
        """Have the orders placed, and halted at their gates; the halts, once every order that comes there is there."""
        owner = connection.info.backend_pid
        process = {order_id: PROCESS[cell.step] for cell, order_id in orders.items()}
        for cell, order_id in orders.items():
            arming.arm(connection, "pause", cell.step, cell.side, order_id=order_id, times=None, owner=owner)
        place()
        halted = list[dict[str, Any]]()

        def missing() -> set[str]:
            names = ("id", "fault_id", "order_id", "step", "side", "attempt", "process", "pid")
            rows = [dict(zip(names, row, strict=False)) for row in arming.queries.halts(connection, order_id=None)]
            halted[:] = [row for row in rows if row["process"] == process.get(row["order_id"])]  # and not the relay
            return set(process) - {row["order_id"] for row in halted}

        self._until(connection, "lab_halts", missing)
        return halted

    def _fired(self, connection: psycopg.Connection[Any], armed: Mapping[int, str]) -> dict[str, Any]:
        """When these faults have fired, by order, once each has that can."""
        fired = dict[str, Any]()

        def missing() -> set[str]:
            asked = "SELECT fault_id, fired_at FROM lab.firings WHERE fault_id = ANY(%s) ORDER BY id"
            fired.update({armed[row[0]]: row[1] for row in connection.execute(asked, (list(armed),))})
            return set(armed.values()) - set(fired)

        self._until(connection, "lab_firings", missing)
        return fired

    def _until(self, connection: psycopg.Connection[Any], channel: str, missing: Callable[[], set[str]]) -> None:
        """Wait until no order is missing; with own code, or until those that are have come to rest elsewhere."""
        end, changed, before = time.monotonic() + ARRIVAL, time.monotonic(), set[str]()
        connection.execute(f"LISTEN {channel}")
        while left := missing():
            now = time.monotonic()
            if left != before:
                before, changed = left, now
            if self._own and now > changed + LATE and self._at_rest(left) and missing() == left:
                break
            if now > end:
                raise MatrixError(
                    _(
                        "These orders did not come to their gates in {arrival:g} s: {known}.",
                        arrival=ARRIVAL,
                        known=", ".join(left),
                    )
                )
            for _news in connection.notifies(timeout=0.5, stop_after=1):
                pass
        connection.execute(f"UNLISTEN {channel}")

    def _at_rest(self, order_ids: set[str]) -> bool:
        """Whether these orders were placed, and nothing is left that could move them."""
        placed = all(self._presses[order_id].done() for order_id in order_ids)
        return placed and self._judge.wait(sorted(order_ids), told=order_ids, patience=ARRIVAL)

    def _person(self, cell: Cell, order_id: str) -> bool:
        """Press, and again where that is what a person would do; whether the order was confirmed to be there."""
        for _again in range(PRESSES):
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
