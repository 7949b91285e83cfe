"""What the portal keeps, in one SQLite file: the webhooks that arrived, and reports of its steps not yet handed in."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orderlab.client import ApiProblem, OrdersClient
from orderlab.errors import ApiAway

log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS inbox (
    webhook_id  TEXT NOT NULL,
    audience    TEXT NOT NULL,
    type        TEXT NOT NULL,
    order_id    TEXT NOT NULL,
    status      TEXT NOT NULL,
    body        TEXT NOT NULL,
    received_at TEXT NOT NULL,
    repeats     INTEGER NOT NULL DEFAULT 0,  -- how often it came again
    PRIMARY KEY (webhook_id, audience)       -- each audience's address is a receiver of its own
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS inbox_newest ON inbox (received_at);
CREATE INDEX IF NOT EXISTS inbox_order ON inbox (order_id);
CREATE TABLE IF NOT EXISTS reports (
    id          INTEGER PRIMARY KEY,
    order_id    TEXT NOT NULL,
    token       TEXT NOT NULL,
    traceparent TEXT NOT NULL,
    events      TEXT NOT NULL,
    shown       INTEGER NOT NULL DEFAULT 0,  -- the person has seen the confirmation
    claimed     INTEGER NOT NULL DEFAULT 0   -- somebody is handing it in
);
CREATE INDEX IF NOT EXISTS reports_order ON reports (order_id);
UPDATE reports SET claimed = 0;              -- whoever had claimed it is gone
"""


class Database:
    """One connection that threads take in turns: `with database as connection:` is a transaction."""

    def __init__(self, path: str) -> None:
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))  # tokens are in it
        self._connection = sqlite3.connect(file, check_same_thread=False, timeout=10)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)
        self._lock = threading.Lock()

    def __enter__(self) -> sqlite3.Connection:
        self._lock.acquire()
        return self._connection.__enter__()

    def __exit__(self, *error: Any) -> None:
        try:
            self._connection.__exit__(*error)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


@dataclass(frozen=True)
class Received:
    """A webhook in the inbox; `repeats` is how often it came again."""

    webhook_id: str
    audience: str
    type: str
    order_id: str
    status: str
    body: Mapping[str, Any]
    received_at: datetime
    repeats: int

    @classmethod
    def from_row(cls, row: sqlite3.Row) -> Received:
        """Read a row of `inbox`."""
        values = dict(row)
        values["body"] = json.loads(values["body"])
        values["received_at"] = datetime.fromisoformat(values["received_at"])
        return cls(**values)


class Inbox:
    """The webhooks that arrived, each kept once however often it comes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._news = threading.Condition()
        self._version = 0

    def receive(self, audience: str, webhook_id: str, body: Mapping[str, Any]) -> None:
        """Keep a webhook; one that is there already is counted."""
        data = body.get("data")
        data = data if isinstance(data, dict) else {}
        with self._database as connection:
            connection.execute(
                "INSERT INTO inbox (webhook_id, audience, type, order_id, status, body, received_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (webhook_id, audience) DO UPDATE SET repeats = repeats + 1",
                (
                    webhook_id,
                    audience,
                    str(body.get("type", "")),
                    str(data.get("order_id", "")),
                    str(data.get("status", "")),
                    json.dumps(body),
                    datetime.now(UTC).isoformat(),
                ),
            )
        with self._news:
            self._version += 1
            self._news.notify_all()

    def newest(self, limit: int = 100) -> list[Received]:
        """The latest webhooks, newest first."""
        with self._database as connection:
            rows = connection.execute(
                "SELECT * FROM inbox ORDER BY received_at DESC, webhook_id LIMIT ?", (limit,)
            ).fetchall()
        return [Received.from_row(row) for row in rows]

    def of_order(self, order_id: str) -> list[Received]:
        """The webhooks about one order, in the order in which they came."""
        with self._database as connection:
            rows = connection.execute(
                "SELECT * FROM inbox WHERE order_id = ? ORDER BY received_at", (order_id,)
            ).fetchall()
        return [Received.from_row(row) for row in rows]

    def wait(self, version: int, seconds: float) -> int:
        """Wait until something came since `version`, at most so many seconds; the version that holds now."""
        with self._news:
            self._news.wait_for(lambda: self._version != version, seconds)
            return self._version


class Reports:
    """The portal's own steps, held until the confirmation has been shown, then handed in to the API in one go."""

    def __init__(self, database: Database, client: OrdersClient) -> None:
        self._database = database
        self._client = client

    def hold(self, order_id: str, events: list[dict[str, Any]], token: str, traceparent: str) -> None:
        """Keep the steps of an order until somebody sees it."""
        with self._database as connection:
            connection.execute(
                "INSERT INTO reports (order_id, token, traceparent, events) VALUES (?, ?, ?, ?)",
                (order_id, token, traceparent, json.dumps(events)),
            )

    def unseen(self, order_id: str) -> tuple[int, list[dict[str, Any]]] | None:
        """The number and the steps of the latest report whose confirmation nobody has seen yet."""
        with self._database as connection:
            row = connection.execute(
                "SELECT id, events FROM reports WHERE order_id = ? AND shown = 0 ORDER BY id DESC", (order_id,)
            ).fetchone()
        return (row["id"], json.loads(row["events"])) if row else None

    def seen(self, order_id: str, number: int, events: list[dict[str, Any]]) -> None:
        """The confirmation has been shown; `events` are the steps of report `number` with that one added."""
        with self._database as connection:
            connection.execute("UPDATE reports SET events = ? WHERE id = ?", (json.dumps(events), number))
            connection.execute("UPDATE reports SET shown = 1 WHERE order_id = ?", (order_id,))

    def pending(self, order_id: str) -> bool:
        """Whether something about this order has not reached the API yet."""
        with self._database as connection:
            return connection.execute("SELECT 1 FROM reports WHERE order_id = ?", (order_id,)).fetchone() is not None

    def hand_in(self, order_id: str) -> None:
        """Report what was seen. If the API is away, it stays here for the next time."""
        if not self.pending(order_id):
            return
        with self._database as connection:
            rows = connection.execute(
                "UPDATE reports SET claimed = 1 WHERE order_id = ? AND shown = 1 AND claimed = 0 RETURNING *",
                (order_id,),
            ).fetchall()
        for row in rows:
            try:
                self._client.report(order_id, json.loads(row["events"]), row["token"], row["traceparent"])
            except (ApiAway, ApiProblem) as error:
                if isinstance(error, ApiAway) or error.temporary:
                    log.warning("order %s: the portal's steps are reported later: %s", order_id, error)
                    with self._database as connection:
                        connection.execute("UPDATE reports SET claimed = 0 WHERE id = ?", (row["id"],))
                    continue
                log.warning("order %s: the API does not take the portal's steps: %s", order_id, error)
            with self._database as connection:
                connection.execute("DELETE FROM reports WHERE id = ?", (row["id"],))
