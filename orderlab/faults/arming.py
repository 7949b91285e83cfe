"""Arm faults and take them away, as the owner of the lab's database. The SQL stands in faults.sql."""

from __future__ import annotations

import time
from importlib.resources import files
from typing import Any

import aiosql
import psycopg

from orderlab.faults.model import PROCESS, ImpossibleFault, Kind, check
from orderlab.language import _

queries = aiosql.from_str(
    files("orderlab.faults").joinpath("faults.sql").read_text("utf-8"), "psycopg", mandatory_parameters=False
)

PATIENCE = 5.0
"""Seconds in which every process must have taken in a fault."""

Connection = psycopg.Connection[Any]


def arm(
    connection: Connection,
    kind: str,
    step: int | str | None = None,
    side: str | None = None,
    *,
    order_id: str | None = None,
    attempt: int | None = None,
    times: int | None = 1,
    times_per_order: int | None = None,
    probability: float = 1.0,
    seed: int = 0,
    seconds: float = 0.0,
    owner: int | None = None,
) -> int:
    """Arm a fault and return its id once every process has it; raise `ImpossibleFault` for one that can't fire.

    `connection` must be in autocommit. `times` is how often it may fire (None: always), and `times_per_order`
    how often for one order, in all processes together. `owner` is the backend pid of a connection: when that is closed,
    whoever the fault has halted is released.
    """
    label, side = check(kind, step, side, probability, seconds)
    if any(count is not None and count < 1 for count in (times, times_per_order)):
        raise ImpossibleFault(_("A fault fires at least once."))
    if label and (process := PROCESS[label]) not in (there := listening(connection)):
        raise ImpossibleFault(
            _(
                "Step {label} is the {process}'s, which does not run now. These do: {known}.",
                label=label,
                process=process,
                known=", ".join(there),
            )
        )
    row = queries.arm(
        connection,
        kind=Kind(kind),
        step=label,
        side=side,
        order_id=order_id,
        attempt=attempt,
        probability=probability,
        seed=seed,
        seconds=seconds,
        times=times,
        times_per_order=times_per_order,
        owner=owner,
    )
    try:
        _until_taken_in(connection, row[1])
    except ImpossibleFault:
        queries.disarm(connection, fault_id=row[0])
        raise
    return int(row[0])


def clear(connection: Connection, fault_id: int | None = None) -> None:
    """Take a fault away, or all of them; whoever they have halted goes on."""
    row = queries.disarm(connection, fault_id=fault_id)
    if connection.autocommit:
        _until_taken_in(connection, row[0])


def listening(connection: Connection) -> list[str]:
    """The processes whose gates listen."""
    return [row[0] for row in queries.listening(connection)]


def _until_taken_in(connection: Connection, version: int) -> None:
    """Wait for each process that listens to have this version of the list."""
    end = time.monotonic() + PATIENCE
    connection.execute("LISTEN lab_acks")
    try:
        while behind := list(queries.behind(connection, version=version)):
            if time.monotonic() > end:
                told = ", ".join(f"{process} ({pid})" for process, pid in behind)
                raise ImpossibleFault(
                    _(
                        "{told} did not take the fault in within {patience:g} s. Is it frozen?",
                        told=told,
                        patience=PATIENCE,
                    )
                )
            for _news in connection.notifies(timeout=0.1, stop_after=1):
                pass
    finally:
        connection.execute("UNLISTEN lab_acks")
