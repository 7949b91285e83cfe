"""Who is told of what the journal records: whoever watches, from the moment it does, and nobody else."""

from __future__ import annotations

import json
import uuid
from typing import Any

import psycopg
import pytest

from orderlab.journal import Event, now
from orderlab.sequence import ACK_MESSAGE
from tests.support import RunningLab


@pytest.fixture
def ear(lab: RunningLab) -> Any:
    with psycopg.connect(lab.database_url, autocommit=True) as connection:
        connection.execute("LISTEN order_events")
        yield connection


def record(connection: psycopg.Connection[Any], order_id: str) -> None:
    moment = now()
    row = Event(order_id, ACK_MESSAGE, 1, "0" * 32, moment, moment).as_row()
    connection.execute("SELECT record_events(%s)", (json.dumps([row]),))


def heard(ear: psycopg.Connection[Any], until: str) -> list[str]:
    """What has been told up to a mark."""
    told = []
    for notify in ear.notifies(timeout=60):
        if notify.payload == until:
            return told
        told.append(notify.payload)
    raise AssertionError("the mark never came")


@pytest.mark.parametrize("watched", [False, True])
def test_an_event_is_told_where_somebody_watches(lab: RunningLab, ear: Any, watched: bool) -> None:
    mine, mark = f"t-{uuid.uuid4().hex}", uuid.uuid4().hex
    with psycopg.connect(lab.database_url) as connection:
        connection.execute("DELETE FROM lab.watchers")  # others may watch; nobody else sees this until it is undone
        if watched:
            connection.execute("INSERT INTO lab.watchers VALUES (%s)", (ear.info.backend_pid,))
        record(connection, mine)
        connection.execute("INSERT INTO lab.watchers VALUES (%s) ON CONFLICT DO NOTHING", (ear.info.backend_pid,))
        connection.execute("SELECT pg_notify('order_events', %s)", (mark,))
        connection.commit()
    assert (mine in heard(ear, mark)) is watched


def test_who_watches_knows_which_transactions_will_tell_it_nothing(lab: RunningLab, ear: Any) -> None:
    with psycopg.connect(lab.database_url) as writer:
        record(writer, f"t-{uuid.uuid4().hex}")  # has looked who watches, and is not committed
        ear.execute("SELECT lab.watch()")
        silent = ear.execute("SELECT lab.silent_writers()").fetchone()[0]
        mine = writer.execute(
            "SELECT virtualtransaction FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'virtualxid'"
        ).fetchone()
        assert mine is not None
        assert mine[0] in silent
        assert ear.execute("SELECT lab.silent_writers(%s)", (list(mine),)).fetchone()[0] == list(mine)
        writer.commit()
    assert ear.execute("SELECT lab.silent_writers(%s)", (list(mine),)).fetchone()[0] == []


def test_to_watch_waits_for_no_writer_that_is_stuck(lab: RunningLab, ear: Any) -> None:
    with psycopg.connect(lab.database_url) as writer:
        record(writer, f"t-{uuid.uuid4().hex}")
        ear.execute("SET lock_timeout = '5s'")
        ear.execute("SELECT lab.watch()")
        record(ear, f"t-{uuid.uuid4().hex}")  # nor do other writers wait


def test_the_row_of_a_watcher_that_is_gone_does_not_stay(lab: RunningLab, ear: Any) -> None:
    with psycopg.connect(lab.database_url, autocommit=True) as gone:
        gone.execute("SELECT lab.watch()")
        pid = gone.info.backend_pid
    lab.wait_for(lambda: not lab.sql("SELECT FROM pg_stat_activity WHERE pid = %s", pid), "the end of the connection")
    for _ in range(1000):
        record(ear, f"t-{uuid.uuid4().hex}")
        if not lab.sql("SELECT FROM lab.watchers WHERE backend = %s", pid):
            return
    raise AssertionError("the row of a connection that is gone is still there")
