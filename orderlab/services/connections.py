"""Connections to PostgreSQL for greenlets: a pool of few, on which each statement is prepared once.

psycopg's cursor and its pool are made for any statement and for threads. What they do around a statement cost this
process three times what the statement itself does, so the way is shortened here: psycopg connects, keeps
transactions and reads results; in between stand its bindings of libpq (psycopg.pq).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from eventlet.semaphore import Semaphore
from psycopg.adapt import Transformer
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.waiting import WAIT_R, WAIT_RW

from orderlab.services.green import until_ready

Row = dict[str, Any]

PATIENCE = 2.0
"""Seconds for which a caller waits for a connection when all are taken."""

_PARAMETER = re.compile(r"%\((\w+)\)s|%%")
_DONE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


@dataclass(frozen=True)
class Prepared:
    """A statement that a connection's server knows by name, and the parameters it wants, in this order."""

    name: bytes
    wants: tuple[str, ...]


class Cursor:
    """The one cursor of a connection, with what aiosql asks of one. A statement's rows are there until the next."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._pgconn = connection.pgconn
        self._reader = Transformer(connection)
        self._prepared: dict[str, Prepared] = {}
        self._rows: Iterator[Row] = iter(())

    def execute(self, query: str, parameters: Mapping[str, Any] | None = None) -> Cursor:
        """Send a statement and wait for its rows; raise psycopg's errors."""
        prepared = self._prepared.get(query) or self._prepare(query)
        values = [as_text(parameters[name]) for name in prepared.wants] if parameters else []
        self._pgconn.send_query_prepared(prepared.name, values)
        result = self._result()
        self._reader.set_pgresult(result)
        names = [(result.fname(column) or b"").decode() for column in range(result.nfields)]
        rows = self._reader.load_rows(0, result.ntuples, lambda row: dict(zip(names, row, strict=True)))
        self._rows = iter(rows)
        return self

    def fetchone(self) -> Row | None:
        """The next row."""
        return next(self._rows, None)

    def __iter__(self) -> Iterator[Row]:
        return self._rows

    def close(self) -> None:
        """It is kept for the next statement."""

    def _prepare(self, query: str) -> Prepared:
        wants: list[str] = []

        def number(found: re.Match[str]) -> str:
            if found[0] == "%%":
                return "%"
            if found[1] not in wants:
                wants.append(found[1])
            return f"${wants.index(found[1]) + 1}"

        name = f"s{len(self._prepared)}".encode()
        self._pgconn.send_prepare(name, _PARAMETER.sub(number, query).encode())
        self._result()
        return self._prepared.setdefault(query, Prepared(name, tuple(wants)))

    def _result(self) -> Any:
        """What the server answers to what was sent; the last of it is taken, too, so that the connection is free."""
        while self._pgconn.flush():  # more than the socket takes at once
            until_ready(self._pgconn.socket, WAIT_RW)
            self._pgconn.consume_input()
        result = self._next()
        while self._next() is not None:
            pass
        if result is None or result.status not in _DONE:
            raise psycopg.errors.error_from_result(result) if result else psycopg.OperationalError("no answer")
        return result

    def _next(self) -> Any:
        while self._pgconn.is_busy():
            until_ready(self._pgconn.socket, WAIT_R)
            self._pgconn.consume_input()
        return self._pgconn.get_result()


class Connection(psycopg.Connection[Row]):
    """A connection with one cursor. Transactions are psycopg's own."""

    _only: Cursor | None = None

    def cursor(self, *_: Any, **__: Any) -> Any:
        """The cursor."""
        self._only = self._only or Cursor(self)
        return self._only

    @property
    def usable(self) -> bool:
        """Whether it can be handed to somebody: it stands, and nothing goes on."""
        state = self.pgconn
        return state.status == ConnStatus.OK and state.transaction_status == TransactionStatus.IDLE


class Pool:
    """At most `size` connections in autocommit. The one given back last is handed out first: its server is still warm.

    It opens whether or not the server is there. A caller gets an error at once where it is away, after `PATIENCE`
    where all connections are taken, and in either case a `psycopg.OperationalError`.
    """

    def __init__(self, url: str, size: int) -> None:
        self._url = url
        self._left = Semaphore(size)
        self._free: list[Connection] = []

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection, for the time of the block."""
        if not self._left.acquire(timeout=PATIENCE):
            raise psycopg.OperationalError(f"no connection was free within {PATIENCE:g} s")
        try:
            connection = self._free.pop() if self._free else self._connect()
            try:
                yield connection
            finally:
                if connection.usable:
                    self._free.append(connection)
                else:
                    connection.close()
        finally:
            self._left.release()

    def check(self) -> None:
        """Throw away free connections that broke, before somebody is handed one."""
        free, self._free = self._free, []
        for connection in free:
            try:
                connection.cursor().execute("SELECT 1")
                self._free.append(connection)
            except psycopg.Error:
                connection.close()

    def close(self) -> None:
        """Close those that are free."""
        while self._free:
            self._free.pop().close()

    def _connect(self) -> Connection:
        connection = Connection.connect(self._url, autocommit=True, connect_timeout=3)
        # A statement with an array of ids would else be planned at each use; every look-up here is by an index.
        connection.cursor().execute("SET plan_cache_mode = force_generic_plan")
        return connection


def as_text(value: Any) -> bytes | None:
    """A parameter as PostgreSQL reads it; its type is what the statement has in that place."""
    if value is None:
        return None
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, datetime):
        return value.isoformat().encode()
    if isinstance(value, (list, tuple)):
        return b"{%s}" % b",".join(map(_element, value))
    text = str(value)
    if "\0" in text:
        raise psycopg.DataError("PostgreSQL text can't hold a NUL")
    return text.encode()


def _element(value: Any) -> bytes:
    """One of an array's, quoted."""
    text = as_text(value)
    return b"NULL" if text is None else b'"%s"' % text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
