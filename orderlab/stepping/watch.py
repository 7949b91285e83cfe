"""What a stepping run looks at: the order's halts, firings, rows and events in PostgreSQL, and its messages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import aiosql
import psycopg
from amqp.exceptions import AMQPError
from kombu import Connection, Queue
from kombu.exceptions import OperationalError

from orderlab import topology
from orderlab.connecting import connect
from orderlab.faults import arming
from orderlab.faults.model import AFTER, Kind
from orderlab.sequence import Step, find_step
from orderlab.stepping.changes import Queues, Row, Tables

queries = aiosql.from_str(
    files("orderlab.stepping").joinpath("stepping.sql").read_text("utf-8"), "psycopg", mandatory_parameters=False
)
_GONE = (OperationalError, AMQPError, OSError)
_TAPPED = 1000
"""Copies of messages that are kept, everybody's; older ones give way."""
HOLDERS: dict[str, str] = {"worker": topology.WORKER_QUEUE.name}
QUEUE_OF: dict[str, str] = {
    "18a": topology.NOTIFICATIONS["operations"].name,
    "18b": topology.NOTIFICATIONS["customer"].name,
}


REQUEST = ("portal", "orders-api")
"""The processes that have the person's request in hand."""


def strand(process: str, label: str) -> str:
    """What goes on by itself: the request, the worker's delivery, a webhook, the relay."""
    if process in REQUEST:
        return "request"
    return label if process == "notifier" else process


@dataclass(frozen=True)
class Halt:
    """An order that is halted at a gate. `events` are those its process has not written; not `alive`: killed there."""

    id: int
    step: str
    side: str
    attempt: int
    process: str
    pid: int
    events: tuple[dict[str, Any], ...]
    alive: bool

    @property
    def strand(self) -> str:
        """What it belongs to that goes on by itself."""
        return strand(self.process, self.step)

    def at(self, step: str, side: str) -> bool:
        """Whether it is here."""
        return (self.step, self.side) == (step, side)


class Watch:
    """One connection, which is also the owner of the run's pause: when it is gone, the order goes on by itself."""

    def __init__(self, database_url: str, order_id: str, skus: Iterable[str], since: int | None = None) -> None:
        """`since` is the number of the firing after which they are told; None: those from now on."""
        self._order_id, self._skus = order_id, list(skus)
        self.connection = connect(database_url)
        self.connection.execute("LISTEN lab_halts; LISTEN lab_firings; LISTEN order_events; SELECT lab.watch()")
        self._fired = int(queries.newest_firing(self.connection)[0]) if since is None else since

    def wait(self, seconds: float) -> None:
        """Return when something may have happened, or after so many seconds."""
        for _ in self.connection.notifies(timeout=max(seconds, 0.001), stop_after=1):
            pass

    def halts(self) -> list[Halt]:
        """Where the order is halted."""
        rows = queries.halted(self.connection, order_id=self._order_id)
        return [
            Halt(id, step, side, attempt, process, pid, tuple(_event(event, process) for event in pending), alive)
            for id, step, side, attempt, process, pid, pending, alive in rows
        ]

    def release(self, halt: Halt, reason: str = "the run went on") -> None:
        """Let it go on."""
        arming.queries.release(self.connection, halt_id=halt.id, reason=reason)

    def firings(self) -> list[dict[str, Any]]:
        """What has fired since this was asked last."""
        rows = list(queries.fired(self.connection, order_id=self._order_id, after=self._fired))
        if rows:
            self._fired = rows[-1][0]
        names = ("kind", "step", "side", "attempt", "process", "at", "unwritten")
        return [dict(zip(names, (*row[1:6], _utc(row[6]), row[7]), strict=True)) for row in rows]

    def take_over(self, seconds: float) -> int | None:
        """Make the pause that halts the order at every gate this connection's own; None if there is none."""
        found = queries.take_over(self.connection, order_id=self._order_id, seconds=seconds)
        return int(found[0]) if found else None

    def owns(self, pause: int) -> bool:
        """Whether the pause is still this connection's."""
        return bool(queries.is_owned(self.connection, fault_id=pause)[0])

    def crashed(self) -> bool:
        """Whether a crash has fired that `firings` has not told yet."""
        return any(kind == Kind.CRASH for kind in self._unheard())

    def has_fired(self) -> bool:
        """Whether anything has fired that `firings` has not told yet."""
        return bool(self._unheard())

    def _unheard(self) -> list[str]:
        rows = queries.fired(self.connection, order_id=self._order_id, after=self._fired)
        return [row[1] for row in rows]

    def armed(self, but: int) -> list[dict[str, Any]]:
        """The faults there are for this order, but the run's own pause."""
        names = (
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
        )
        return [dict(zip(names, row, strict=True)) for row in queries.armed_now(self.connection, but=but)]

    def tables(self) -> Tables:
        """The order's rows. Money is text: a float would not be true to it."""
        told = queries.tables(self.connection, order_id=self._order_id, skus=self._skus)[0]
        tables: Tables = json.loads(told, parse_float=str)
        return tables

    def journal(self) -> list[dict[str, Any]]:
        """The order's events, in reading order."""
        names = (
            "id",
            "step",
            "part",
            "label",
            "name",
            "outcome",
            "lane",
            "attempt",
            "trace_id",
            "started_at",
            "ended_at",
            "data",
        )
        rows = (dict(zip(names, row, strict=True)) for row in queries.journal(self.connection, order_id=self._order_id))
        return [{**row, "started_at": _utc(row["started_at"]), "ended_at": _utc(row["ended_at"])} for row in rows]

    def close(self) -> None:
        """Give the connection up."""
        with suppress(psycopg.OperationalError):
            self.connection.close()


class Messages:
    """The broker's side: how much waits in each queue, and copies of what was published to an exchange."""

    def __init__(self, amqp_url: str) -> None:
        self._url = amqp_url
        self._connection: Connection | None = None
        self._channel: Any = None
        self._copies: Any = None
        self.waiting()

    def waiting(self) -> dict[str, int] | None:
        """Messages that wait in each queue; None while the broker is away."""
        try:
            return {name: each.ready for name, each in topology.count(self._open()).items()}
        except _GONE:
            self.close()
            return None

    def copies(self, order_id: str) -> list[dict[str, Any]]:
        """The order's messages that were published to an exchange since this was asked last."""
        found = []
        try:
            self._open()
            while copy := self._copies.get(no_ack=True):
                headers = dict(copy.headers)
                if headers.get("cloudEvents_subject") == order_id:
                    exchange = copy.delivery_info["exchange"]
                    found.append({"exchange": exchange, "headers": headers, "body": json.loads(copy.body)})
        except _GONE:
            self.close()
        return found

    def close(self) -> None:
        """Give the connection up, and the queue for copies with it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*_GONE):
                connection.release()

    def _open(self) -> Any:
        if self._connection is None:
            self._connection = Connection(self._url, connect_timeout=3, transport_options=topology.IN_TIME)
            self._channel = self._connection.channel()
            arguments = {"x-max-length": _TAPPED}
            name = self._channel.queue_declare(queue="", exclusive=True, arguments=arguments).queue
            for exchange in topology.EXCHANGES:
                self._channel.queue_bind(queue=name, exchange=exchange.name)
            self._copies = Queue(name, channel=self._channel)
        return self._channel


def queues(waiting: Mapping[str, int] | None, halts: Iterable[Halt]) -> Queues | None:
    """What lies in each queue, and how many of the order's messages are in the hands of who is halted with them."""
    if waiting is None:
        return None
    held = [_held(halt) for halt in halts if halt.alive]
    return {name: {"waiting": count, "in hand": held.count(name)} for name, count in waiting.items()}


def notifications(tables: Tables) -> list[dict[str, Any]]:
    """The notifications as they travel, from the outbox; nothing where the design has none."""
    from orderlab.messages import NOTIFICATION, Message

    found = []
    for row in tables["outbox"]:
        if row["type"] == NOTIFICATION:
            moment = datetime.fromisoformat(row["created_at"]).astimezone(UTC)
            message = Message(
                row["type"], row["source"], row["order_id"], row["data"], row["traceparent"], row["event_id"], moment
            )
            body, headers = message.to_amqp()
            queue = topology.route(message).routing_key
            found.append({"exchange": "", "queue": queue, "headers": headers, "body": json.loads(body)})
    return found


def performed(step: Step, **more: Any) -> dict[str, Any]:
    """An event of which no record is at hand yet."""
    return {
        "id": None,
        "step": step.number,
        "part": step.part or None,
        "label": step.label,
        "name": step.name,
        "outcome": "ok",
        "lane": str(step.source),
        "attempt": 1,
        "trace_id": "",
        "started_at": datetime.now(UTC).isoformat(),
        "ended_at": None,
        "data": {},
        **more,
    }


def _held(halt: Halt) -> str:
    """The queue of the message that a halted process has in hand; "" if it has none."""
    if halt.at("19", AFTER):
        return ""
    return QUEUE_OF.get(halt.step) or HOLDERS.get(halt.process, "")


def _event(row: Row, process: str) -> dict[str, Any]:
    """An event that waits in a process; the portal's say only which step and when."""
    if process == "portal":
        return performed(find_step(row["step"]), started_at=row["started_at"], ended_at=row["ended_at"])
    return {"id": None, **row, "label": f"{row['step']}{row['part'] or ''}"}


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
