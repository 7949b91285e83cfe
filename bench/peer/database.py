"""The peer's database: a pool, the statements by name, and the writer of what has no transaction of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from typing import Any

import aiosql
import psycopg
from psycopg.rows import tuple_row
from psycopg_pool import AsyncConnectionPool

from bench.peer.journal import Events, as_json

queries = aiosql.from_str(
    files("bench.peer").joinpath("queries.sql").read_text("utf-8"), "psycopg", mandatory_parameters=False
)

log = logging.getLogger(__name__)


class Database:
    """A pool of connections, each statement its own transaction, and the journal behind it."""

    def __init__(self, url: str, size: int = 10) -> None:
        self.pool = AsyncConnectionPool(
            url, kwargs={"autocommit": True, "row_factory": tuple_row}, min_size=size, max_size=size, open=False
        )
        self._events, self._published = Events(), list[str]()
        self._work = asyncio.Event()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Database]:
        """The pool is open and the writer writes, for the time of the process."""
        async with self.pool:
            await self.pool.wait()
            writer = asyncio.create_task(self._write())
            try:
                yield self
            finally:
                writer.cancel()
                with suppress(asyncio.CancelledError):
                    await writer

    async def row(self, query: Any, **parameters: Any) -> tuple[Any, ...] | None:
        """The first row of one of the `queries`."""
        async with self.pool.connection() as connection:
            return await (await connection.execute(query.sql, parameters)).fetchone()

    def write_later(self, events: Events, *published: str) -> None:
        """Hand over events that have no transaction, and the ids of messages that are confirmed, for the next batch."""
        self._events += events
        self._published += published
        events.clear()
        self._work.set()

    async def _write(self) -> None:
        """While one batch travels the next gathers."""
        while await self._work.wait():
            self._work.clear()
            events, published = self._events, self._published
            self._events, self._published = Events(), []
            try:
                await self.row(queries.flush, events=as_json(events), published=published)
            except psycopg.Error:
                log.exception("%d events are tried again", len(events))
                self._events[:0], self._published[:0] = events, published
                await asyncio.sleep(1)
                self._work.set()
