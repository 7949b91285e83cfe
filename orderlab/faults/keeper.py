"""Brings the lab's faults into a process: it listens for them, fires them, and halts orders until they are released.

It runs in a thread, which is a greenlet where eventlet has patched threads.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import Sequence
from typing import Any

import psycopg

from orderlab.faults.arming import queries
from orderlab.faults.model import Fault, Kind
from orderlab.sequence import Step

LONGEST_HALT = 600.0
"""Seconds after which an order that was halted by nobody in particular goes on by itself."""
LOOK = 2.0
"""Seconds between looks whether whoever has halted an order is still there."""

log = logging.getLogger(__name__)


class Gatekeeper:
    """The gates of one process. `armed` is empty as long as nothing is armed, and then a gate is one look at it."""

    def __init__(self, database_url: str, process: str) -> None:
        self.armed: Sequence[Fault] = ()
        self._url, self._process, self._pid = database_url, process, os.getpid()
        self._life = uuid.uuid4()  # a pid can be another process's one day
        self._waiting: dict[int, threading.Event] = {}
        self._loaded = threading.Event()
        self._stopping = False

    def start(self) -> None:
        """Listen; return when the faults that are armed already are here, or the database is seen to be away."""
        threading.Thread(target=self._run, name="gates", daemon=True).start()
        self._loaded.wait(timeout=3)

    def stop(self) -> None:
        """Let whoever is halted here go on."""
        self._stopping = True
        for event in list(self._waiting.values()):
            event.set()

    def fire(self, fault: Fault, order_id: str, step: Step, side: str, attempt: int, pending: list[Any]) -> bool:
        """Take one of the fault's firings, record it, and pause, delay or crash; False if none was left."""
        at = {"order_id": order_id, "step": step.label, "side": side, "attempt": attempt}
        who = {"process": self._process, "pid": self._pid}
        try:
            with self._connect() as connection:
                unwritten = json.dumps(pending)
                if queries.fire(connection, fault_id=fault.id, **at, **who, unwritten=unwritten)[0] is None:
                    return False
                if fault.kind is Kind.CRASH:
                    os.kill(self._pid, signal.SIGKILL)
                if fault.kind is Kind.PAUSE:
                    halted = {**at, **who, "life": self._life, "pending": unwritten}
                    halt = queries.halt(connection, fault_id=fault.id, **halted)
                    event = self._waiting[int(halt[0])] = threading.Event()
                    if list(queries.released(connection, halts=[halt[0]])):
                        event.set()  # by somebody who was quicker than we to begin to wait
        except psycopg.OperationalError as error:
            log.warning("fault %d can't fire, PostgreSQL is away: %s", fault.id, error)
            return False
        if fault.kind is Kind.PAUSE:
            self._await_release(fault, int(halt[0]), event)
        if fault.kind is Kind.DELAY:
            time.sleep(fault.seconds)
        return True

    def _await_release(self, fault: Fault, halt: int, event: threading.Event) -> None:
        end = time.monotonic() + (fault.seconds or LONGEST_HALT)
        while not event.wait(timeout=min(LOOK, max(0.0, end - time.monotonic()))) and not self._stopping:
            with contextlib.suppress(psycopg.OperationalError), self._connect() as connection:
                if time.monotonic() >= end:
                    queries.release(connection, halt_id=halt, reason="its time was up")
                    break
                if list(queries.released(connection, halts=[halt])):
                    break  # told while nobody listened, because the database was away
                if queries.abandoned(connection, fault_id=fault.id)[0]:
                    queries.release(connection, halt_id=halt, reason="whoever halted it is gone")
                    break
        self._waiting.pop(halt, None)

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self._url, autocommit=True, connect_timeout=3)

    def _run(self) -> None:
        while not self._stopping:
            try:
                with self._connect() as connection:
                    connection.execute("LISTEN lab_faults; LISTEN lab_releases")
                    self._take_in(connection)
                    self._listen(connection)
            except psycopg.OperationalError:
                self._loaded.set()  # away; the process serves all the same
                time.sleep(0.5)

    def _listen(self, connection: psycopg.Connection[Any]) -> None:
        while not self._stopping:
            channels = {heard.channel for heard in connection.notifies(timeout=60, stop_after=1)}
            if "lab_faults" in channels:
                self._take_in(connection)
            for (halt,) in queries.released(connection, halts=list(self._waiting)):
                if event := self._waiting.get(halt):
                    event.set()

    def _take_in(self, connection: psycopg.Connection[Any]) -> None:
        (faults, _) = queries.take_in(connection, process=self._process, pid=self._pid, life=self._life)
        self.armed = tuple(_fault(row) for row in faults)
        self._loaded.set()


def _fault(row: dict[str, Any]) -> Fault:
    return Fault(
        id=row["id"],
        kind=Kind(row["kind"]),
        step=row["step"],
        side=row["side"],
        order_id=row["order_id"],
        attempt=row["attempt"],
        probability=row["probability"],
        seed=row["seed"],
        seconds=row["seconds"],
    )
