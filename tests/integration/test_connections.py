"""The services' connections: what goes to PostgreSQL arrives, and what breaks is told and replaced."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest

from orderlab.services import connections
from orderlab.services.connections import Pool
from tests.support import RunningLab


@pytest.fixture
def pool(lab: RunningLab) -> Iterator[Pool]:
    pool = Pool(lab.database_url, 2)
    yield pool
    pool.close()


def ask(pool: Pool, query: str, **parameters: Any) -> Any:
    with pool.connection() as connection:
        row = connection.cursor().execute(query, parameters).fetchone()
        return row and row["value"]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", 'it\'s "quoted", {braced}, 100% and \\ñ☃'),
        ("text", ""),
        ("text", None),
        ("text", "x" * 3_000_000),  # more than a socket takes at once
        ("integer", -7),
        ("numeric", Decimal("49.90")),
        ("boolean", True),
        ("uuid", UUID(int=7)),
        ("timestamptz", datetime(2026, 1, 1, 12, 0, 0, 7, UTC)),
        ("interval", timedelta(days=1, seconds=2.5)),
        ("text[]", ["a,b", 'c"d', "e\\f", "{}", "", "NULL", None]),
        ("text[]", []),
        ("uuid[]", [UUID(int=1), UUID(int=2)]),
    ],
)
def test_what_goes_in_comes_out(pool: Pool, kind: str, value: Any) -> None:
    assert ask(pool, f"SELECT %(given)s::{kind} AS value, '100%%' AS percent", given=value) == value


def test_a_text_that_postgresql_can_not_hold_is_refused_and_not_cut_off(pool: Pool) -> None:
    with pytest.raises(psycopg.DataError):
        ask(pool, "SELECT %(given)s::text AS value", given="a\0b")


def test_an_error_is_psycopgs_and_leaves_the_connection_for_the_next(pool: Pool) -> None:
    first = ask(pool, "SELECT pg_backend_pid() AS value")
    for _ in range(2):  # while it is prepared, and afterwards
        with pytest.raises(psycopg.errors.DivisionByZero):
            ask(pool, "SELECT 1 / %(by)s::integer AS value", by=0)
    with pytest.raises(psycopg.errors.UndefinedTable):
        ask(pool, "SELECT FROM nowhere")
    assert ask(pool, "SELECT pg_backend_pid() AS value") == first


def test_a_connection_that_broke_is_told_and_followed_by_another(lab: RunningLab, pool: Pool) -> None:
    first = ask(pool, "SELECT pg_backend_pid() AS value")
    lab.sql("SELECT pg_terminate_backend(%s, 60000)", first)
    with pytest.raises(psycopg.OperationalError):
        ask(pool, "SELECT pg_backend_pid() AS value")
    assert ask(pool, "SELECT pg_backend_pid() AS value") != first


def test_a_look_at_the_pool_throws_away_what_broke(lab: RunningLab, pool: Pool) -> None:
    lab.sql("SELECT pg_terminate_backend(%s, 60000)", ask(pool, "SELECT pg_backend_pid() AS value"))
    pool.check()
    assert ask(pool, "SELECT 1 AS value") == 1


def test_a_connection_is_used_again_and_who_finds_none_is_told(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    with pool.connection() as one, pool.connection() as other:
        assert one is not other
        monkeypatch.setattr(connections, "PATIENCE", 0.01)
        with pytest.raises(psycopg.OperationalError, match="no connection"), pool.connection():
            pass
    with pool.connection() as again:
        assert again is one  # the one given back last


def test_a_transaction_is_whole_or_not_at_all(pool: Pool) -> None:
    def half(connection: connections.Connection) -> None:
        with connection.transaction():
            connection.cursor().execute("CREATE TABLE half (done boolean)")
            raise ZeroDivisionError

    with pool.connection() as connection, pytest.raises(ZeroDivisionError):
        half(connection)
    assert ask(pool, "SELECT to_regclass('half')::text AS value") is None
