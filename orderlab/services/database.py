"""Plumbing between Nameko and PostgreSQL: the pool, the journal's writer, and who listens for an order's events."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import eventlet
import psycopg
from eventlet.event import Event as Signal
from eventlet.semaphore import Semaphore
from nameko.extensions import DependencyProvider, SharedExtension

from orderlab.errors import DatabaseAway, DatabaseBusy
from orderlab.faults.keeper import Gatekeeper
from orderlab.gateway import Gateway
from orderlab.journal import Events, Steps
from orderlab.services.connections import Pool
from orderlab.services.together import Together
from orderlab.settings import Settings
from orderlab.store import Store
from orderlab.trace import trace_id

NO_REPEATS: Mapping[str, Callable[[], object]] = MappingProxyType({})

POOL_SIZE = 10
MOST_WAITING = 100_000
"""Events kept in memory while the database is away; beyond that the oldest are given up, and that is logged."""

SILENT = 0.02
"""Seconds between looks whether those have ended who do not know yet that somebody listens."""
LINGER = 5.0
"""Seconds for which the listener goes on when nobody waits any more."""

log = logging.getLogger(__name__)


class Database(SharedExtension):
    """One pool a process, and the journal's writer behind it."""

    def setup(self) -> None:
        self.url = Settings.from_environment().database_url
        self.pool = Pool(self.url, POOL_SIZE)
        self.store = Store(self.pool)
        self._events, self._published = Events(), list[str]()
        self._work = Semaphore(0)
        self._stopping = False
        self.gates = Gatekeeper(self.url, self.container.service_name)
        self.gates.start()

    def start(self) -> None:
        self._writer = self.container.spawn_managed_thread(self._write_journal, identifier="journal")

    def stop(self) -> None:
        self._stopping = True
        self.gates.stop()
        self._work.release()
        self._writer.wait()
        self.pool.close()

    def write_later(self, steps: Steps) -> None:
        """Take over what a request or delivery has left to write; it goes out with the next batch."""
        if steps.events or steps.published:
            self._events += steps.events
            self._published += steps.published
            steps.events.written()
            steps.published = []
            self._work.release()

    def wait_until_back(self) -> None:
        """Return once the database answers again."""
        while not self._stopping:
            try:
                with psycopg.connect(self.url, connect_timeout=2):
                    break
            except psycopg.OperationalError:
                eventlet.sleep(0.25)
        self.renew()

    def renew(self) -> None:
        """Have the pool throw away connections that broke, before somebody is handed one."""
        eventlet.spawn_n(self.pool.check)

    def _write_journal(self) -> None:
        while not (self._stopping and not self._events):
            self._work.acquire()
            while self._work.acquire(blocking=False):
                pass
            events, published = self._events, self._published
            self._events, self._published = Events(), []
            try:
                self.store.flush_journal(events, published)
            except (DatabaseAway, DatabaseBusy):
                if self._stopping:
                    log.error("PostgreSQL is away: %d events could not be written before the stop.", len(events))
                    return
                self._events, self._published = Events([*events, *self._events]), [*published, *self._published]
                if (excess := len(self._events) - MOST_WAITING) > 0:
                    log.error("PostgreSQL is away: the %d oldest events are given up.", excess)
                    del self._events[:excess]
                self.wait_until_back()
                self._work.release()
            except Exception:
                log.exception("%d events can't be written: %s", len(events), [e.as_row() for e in events])


class StoreProvider(DependencyProvider):
    """Gives a service its `Store`."""

    database = Database()

    def get_dependency(self, worker_ctx: Any) -> Store:
        return self.database.store


class DeliveredProvider(DependencyProvider):
    """Gives the notifier the way to write down that a webhook was delivered, with others of the same moment."""

    database = Database()

    def setup(self) -> None:
        self._write = Together[tuple[str, Events]](self._settle)

    def get_dependency(self, worker_ctx: Any) -> Callable[[str, Events], None]:
        return lambda event_id, events: self._write((event_id, events))

    def _settle(self, delivered: list[tuple[str, Events]]) -> None:
        self.database.store.settle_delivered(delivered)


class GatewayProvider(DependencyProvider):
    """Gives the worker the simulated payment gateway."""

    database = Database()

    def setup(self) -> None:
        self.gateway: Gateway | None = None

    def get_dependency(self, worker_ctx: Any) -> Gateway:
        self.gateway = self.gateway or Gateway(self.database.store)
        return self.gateway


class Journal:
    """Opens the steps of an order, and takes what they leave to be written later."""

    def __init__(self, database: Database) -> None:
        self._gates = database.gates
        self.write_later = database.write_later

    def steps(
        self,
        order_id: str,
        traceparent: str,
        attempt: int = 1,
        repeats: Mapping[str, Callable[[], object]] = NO_REPEATS,
    ) -> Steps:
        """The steps of one order in one request or delivery; `repeats` says how a step repeats, where not by itself."""
        return Steps(order_id, trace_id(traceparent), attempt, self._gates, repeats=repeats)


class JournalProvider(DependencyProvider):
    """Gives a service its `Journal`."""

    database = Database()

    def get_dependency(self, worker_ctx: Any) -> Journal:
        return Journal(self.database)


class Listener(DependencyProvider):
    """Wakes those who wait for an order's next event, by LISTEN: nobody asks the database over and over.

    It listens while somebody waits, and a little longer: to hear every event of every order costs, too.
    """

    database = Database()

    def setup(self) -> None:
        self._waiting: dict[str, list[Signal]] = defaultdict(list)
        self._wanted, self._ready = threading.Event(), threading.Event()
        self._wanted_at = 0.0

    def start(self) -> None:
        self._thread = self.container.spawn_managed_thread(self._run, identifier="listener")

    def stop(self) -> None:
        self._thread.kill()

    def get_dependency(self, worker_ctx: Any) -> Listener:
        return self

    @contextmanager
    def expecting(self, order_id: str) -> Iterator[Signal]:
        """A signal that is sent at the order's next event. Enter before you look, so that none is missed."""
        signal = Signal()
        self._waiting[order_id].append(signal)
        self._wanted_at = time.monotonic()
        self._wanted.set()
        self._ready.wait(timeout=2)
        try:
            yield signal
        finally:
            waiting = self._waiting.get(order_id, [])
            if signal in waiting:
                waiting.remove(signal)
            if not waiting:
                self._waiting.pop(order_id, None)

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            try:
                with psycopg.connect(self.database.url, autocommit=True) as connection:
                    connection.execute("LISTEN order_events; SELECT lab.watch()")
                    silent = _silent_writers(connection)
                    self._ready.set()
                    self._wake(list(self._waiting))  # whatever was missed while nobody listened
                    self._listen(connection, silent)
            except psycopg.OperationalError:
                self._ready.clear()
                self.database.wait_until_back()

    def _listen(self, connection: psycopg.Connection[Any], silent: list[str]) -> None:
        while self._waiting or time.monotonic() < self._wanted_at + LINGER:
            for heard in connection.notifies(timeout=SILENT if silent else LINGER, stop_after=1):
                self._wake([heard.payload])
            if silent and not (silent := _silent_writers(connection, silent)):
                self._wake(list(self._waiting))
        self._wanted.clear()
        self._ready.clear()

    def _wake(self, order_ids: list[str]) -> None:
        for order_id in order_ids:
            for signal in self._waiting.pop(order_id, []):
                signal.send()


def _silent_writers(connection: psycopg.Connection[Any], of: list[str] | None = None) -> list[str]:
    """Transactions that began before we listened, and will tell nobody what they record."""
    row = connection.execute("SELECT lab.silent_writers(%s)", (of,)).fetchone()
    return list(row[0]) if row else []
