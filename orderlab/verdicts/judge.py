"""Verdicts on the orders of a running lab: waits until nothing is left that could move, gathers the evidence, judges.

The evidence is what the tables hold, what lies in the queues, and what came to the portal's inbox where that is here.
Nothing is changed by looking. How it is judged stands in rules.py.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import aiosql
import psycopg
from psycopg.rows import dict_row

from orderlab import dead_letters, topology
from orderlab.connecting import connect
from orderlab.verdicts.rules import Evidence, Judgement, judge, where_queued
from orderlab.verdicts.verdict import Verdict

PATIENCE = 30.0
"""Seconds after which what has not happened yet is stuck."""
SETTLED = 0.5
"""Seconds without news after which an order is at its end, where all is known to be done."""
SILENCE = 2.0
"""Seconds without news, and with an idle broker, after which nothing more is coming where that can't be known: the
way of a message from the broker to a consumer is much shorter."""

queries = aiosql.from_str(
    files("orderlab.verdicts").joinpath("verdicts.sql").read_text("utf-8"), "psycopg", mandatory_parameters=False
)


@dataclass(frozen=True)
class Queues:
    """How much lies in each queue, and whether somebody consumes those that are the services'."""

    ready: Mapping[str, int]
    consumed: bool
    worker: bool = True  # whether a worker is there

    @property
    def idle(self) -> bool:
        """Whether nothing waits for a service, and each is there to take what may come."""
        return self.consumed and not any(self.ready[name] for name in _CONSUMED)


_CONSUMED = tuple(queue.name for queue in topology.QUEUES if queue is not topology.DEAD)
_AWAY = Queues({}, False)


class Judge:
    """Judges the orders of one lab. `inbox` is the portal's database file, where it is at hand."""

    def __init__(self, database_url: str, amqp_url: str, inbox: Path | None = None) -> None:
        self._database_url, self._amqp_url = database_url, amqp_url
        self._inbox = inbox if inbox and inbox.exists() else None
        self._letters: tuple[int, dict[str, str]] = 0, {}

    def every_order(self) -> list[str]:
        """The ids of all orders, oldest first."""
        with connect(self._database_url) as connection:
            return [row[0] for row in queries.every_order(connection)]

    def knows(self, order_id: str) -> bool:
        """Whether anything was ever heard of this order."""
        with connect(self._database_url) as connection:
            return bool(queries.knows(connection, order_id=order_id)[0])

    def verdicts(
        self,
        order_ids: Sequence[str],
        *,
        told: Collection[str] = (),
        seen: Mapping[str, frozenset[str]] | None = None,
        patience: float = PATIENCE,
        away: float | None = None,
    ) -> list[Verdict]:
        """The verdict on each order, once nothing is left that could move it or `patience` seconds have passed.

        `told` are the orders of which somebody got 200 or 201, where that is known; `seen` the types of messages that
        a tap on the fanouts has seen, by order, where there was one. Raises `psycopg.OperationalError` when the
        database is away at the end, or for more than `away` seconds.
        """
        self.wait(order_ids, told=told, patience=patience, away=away)
        return self.pronounce(order_ids, told=told, seen=seen)

    def pronounce(
        self,
        order_ids: Sequence[str],
        *,
        told: Collection[str] = (),
        seen: Mapping[str, frozenset[str]] | None = None,
    ) -> list[Verdict]:
        """The verdict on each order as it is now; what has yet to happen is taken for stuck."""
        queues = self._queues()
        dead = self._dead(queues)
        waiting = queues.ready.get(topology.WORKER_QUEUE.name, 0)
        accounted = self._undelivered() if waiting else 0
        return [
            Verdict.of(
                replace(
                    each,
                    queued=where_queued(each, waiting, queues.worker, accounted),
                    dead=dead.get(each.order_id),
                )
            )
            for each in self.evidence(order_ids, told, seen)
        ]

    def wait(
        self,
        order_ids: Sequence[str],
        *,
        told: Collection[str] = (),
        patience: float = PATIENCE,
        away: float | None = None,
    ) -> bool:
        """Wait until nothing is left that could move these orders; False if patience ran out before.

        `away` is for how many seconds the database may be away (None: for as long as there is patience); raises
        `psycopg.OperationalError` after that.
        """
        answered = time.monotonic()
        end, before, since, dead = time.monotonic() + patience, None, time.monotonic(), dict[str, str]()
        while time.monotonic() < end:
            try:
                with connect(self._database_url) as connection:
                    connection.execute("LISTEN order_events; SELECT lab.watch()")
                    while (now := time.monotonic()) < end:
                        evidence, queues = self.evidence(order_ids, told), self._queues()
                        answered = time.monotonic()
                        if (state := (evidence, queues)) != before:
                            before, since, dead = state, now, self._dead(queues)
                        evidence = [replace(each, dead=dead.get(each.order_id)) for each in evidence]
                        if (left := since + _silence(evidence, queues) - now) <= 0:
                            return True
                        for _ in connection.notifies(timeout=min(left, 0.25, end - now), stop_after=1):
                            pass
            except psycopg.OperationalError:
                if away is not None and time.monotonic() > answered + away:
                    raise
                time.sleep(0.2)  # away; whoever took it away brings it back
        return False

    def evidence(
        self,
        order_ids: Sequence[str],
        told: Collection[str] = (),
        seen: Mapping[str, frozenset[str]] | None = None,
    ) -> list[Evidence]:
        """What the tables and the inbox say of each order, as it is now."""
        arrived = self._arrived(order_ids)
        with connect(self._database_url, row_factory=dict_row) as connection:
            return [
                replace(
                    Evidence.of(row),
                    told=row["order_id"] in told,
                    seen=None if seen is None else seen.get(row["order_id"], frozenset()),
                    inbox=None if arrived is None else tuple(arrived.get(row["order_id"], ())),
                )
                for row in queries.evidence(connection, order_ids=list(order_ids))
            ]

    def stock_off(self) -> dict[str, int]:
        """By how much each product's reservation differs from what orders hold; those that are exact are left out."""
        with connect(self._database_url) as connection:
            return {sku: int(off) for sku, off in queries.stock(connection) if off}

    def _queues(self) -> Queues:
        try:
            counts = topology.look(self._amqp_url)
        except topology.AWAY:
            return _AWAY
        return Queues(
            {name: each.ready for name, each in counts.items()},
            all(counts[name].consumers for name in _CONSUMED),
            counts[topology.WORKER_QUEUE.name].consumers > 0,
        )

    def _undelivered(self) -> int:
        """How many messages in the worker's queue are accounted for by orders that no worker has had yet."""
        with connect(self._database_url) as connection:
            return int(queries.undelivered(connection)[0])

    def _dead(self, queues: Queues) -> dict[str, str]:
        """Why there are messages in `orders.dead`, by order. Looked at anew only when their number has changed."""
        number = queues.ready.get(topology.DEAD.name, 0)
        if number != self._letters[0]:
            letters = dead_letters.read(self._amqp_url) if number else []
            self._letters = number, {letter.order_id: letter.reason for letter in letters}
        return self._letters[1]

    def _arrived(self, order_ids: Iterable[str]) -> dict[str, list[tuple[str, str]]] | None:
        if self._inbox is None:
            return None
        found: dict[str, list[tuple[str, str]]] = {}
        with closing(sqlite3.connect(f"{self._inbox.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as inbox:
            for order_id in order_ids:
                of_it = "SELECT audience, webhook_id FROM inbox WHERE order_id = ? ORDER BY received_at"
                found[order_id] = inbox.execute(of_it, (order_id,)).fetchall()
        return found


def _silence(evidence: Sequence[Evidence], queues: Queues) -> float:
    """For how long there must be no news, as things stand."""
    judged = [judge(each) for each in evidence]
    if not queues.idle or any(each.waits for each in judged):
        return PATIENCE
    return SETTLED if all(map(_at_its_end, evidence, judged)) else SILENCE


def _at_its_end(evidence: Evidence, judged: Judgement) -> bool:
    """Whether the end state is certain: acknowledged, stopped until somebody helps, or not in the tables."""
    return judged.ended or (evidence.status is None and not evidence.told)
