"""Prepare a database for the lab: one role per service with the least rights, the tables, the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

import psycopg
from psycopg import conninfo, sql

from orderlab.errors import OrderlabError
from orderlab.faults import arming

RIGHTS: Mapping[str, tuple[str, ...]] = {
    "orders-api": (
        "SELECT, INSERT ON orders, order_items",
        "SELECT ON products",
        "INSERT ON outbox",
        "SELECT (event_id), UPDATE (published_at) ON outbox",
        "SELECT, INSERT ON order_events",
        "SELECT, INSERT, DELETE ON early_events",
        "SELECT ON lab.evidence, lab.halted",  # to say what an order amounts to
    ),
    "worker": (
        "SELECT ON orders, order_items",
        "UPDATE (status, rejection_reason, deliveries, updated_at) ON orders",
        "SELECT ON products",
        "UPDATE (reserved) ON products",
        "SELECT, INSERT ON payments",
        "INSERT ON notifications",
        "INSERT ON outbox",
        "SELECT (event_id), UPDATE (published_at) ON outbox",
        "SELECT, INSERT ON order_events",
    ),
    "relay": (
        "SELECT ON outbox",
        "UPDATE (published_at) ON outbox",
        "SELECT, INSERT ON order_events",
    ),
    "notifier": (
        "SELECT (event_id, status) ON notifications",
        "UPDATE (status, reason, updated_at) ON notifications",
        "SELECT, INSERT ON order_events",
    ),
    "portal": (),  # it goes through the API; only its gates are here
}
"""What each process may do, and nothing else."""

GATES = (
    "USAGE ON SCHEMA lab",
    "SELECT ON lab.faults, lab.halts, lab.firings, lab.fault_list",
    "UPDATE (fired, times) ON lab.faults",
    "INSERT ON lab.firings, lab.halts",
    "UPDATE (released_at, reason) ON lab.halts",
    "SELECT, INSERT, UPDATE, DELETE ON lab.listeners",
    "SELECT ON lab.watchers",
)
"""What each process may do besides, for its gates."""

_TABLES = "orders, order_items, payments, notifications, outbox, early_events, order_events"
"""In the order in which statements lock them: in another, a reset and orders on their way would wait for each other."""


def role_name(owner_url: str, service: str) -> str:
    """The role a service signs in as. Roles belong to the whole server, so its database's name goes before."""
    database = conninfo.conninfo_to_dict(owner_url).get("dbname") or "orderlab"
    return f"{database}_{service.replace('-', '_')}"


def role_url(owner_url: str, service: str, password: str) -> str:
    """The URL with which a service signs in to the owner's database."""
    parts = conninfo.conninfo_to_dict(owner_url)
    host, port = parts.get("host") or "127.0.0.1", parts.get("port") or "5432"
    return f"postgresql://{role_name(owner_url, service)}:{password}@{host}:{port}/{parts.get('dbname')}"


def prepare(owner_url: str, passwords: Mapping[str, str]) -> None:
    """Make roles, tables and catalogue; `passwords` has one for each service of `RIGHTS`. Can be run at every start."""
    with psycopg.connect(owner_url, client_encoding="utf8") as connection:
        # Two starts at once wait for each other: CREATE … IF NOT EXISTS alone is not safe under concurrency.
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('orderlab schema'))")
        connection.execute("SET LOCAL client_min_messages = warning")
        for name in ("schema.sql", "catalogue.sql"):
            connection.execute(files("orderlab").joinpath(name).read_bytes())
        for service, rights in RIGHTS.items():
            role = sql.Identifier(role_name(owner_url, service))
            _ensure_role(connection, role_name(owner_url, service), passwords[service])
            connection.execute(
                sql.SQL(
                    "REVOKE ALL ON ALL TABLES IN SCHEMA public, lab FROM {role}; GRANT USAGE ON SCHEMA public TO {role}"
                ).format(role=role)
            )
            for right in (*rights, *GATES):
                connection.execute(sql.SQL("GRANT {right} TO {role}").format(right=sql.SQL(right), role=role))


def _ensure_role(connection: psycopg.Connection[tuple[object, ...]], name: str, password: str) -> None:
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
    verb = sql.SQL("ALTER" if known else "CREATE")
    connection.execute(
        sql.SQL("{verb} ROLE {role} LOGIN PASSWORD {password}").format(
            verb=verb, role=sql.Identifier(name), password=sql.Literal(password)
        )
    )


_IN_FLIGHT = """
SELECT EXISTS (SELECT FROM orders WHERE status NOT IN ('CONFIRMED', 'REJECTED'))
    OR EXISTS (SELECT FROM outbox WHERE published_at IS NULL)
    OR EXISTS (SELECT FROM notifications WHERE status = 'pending')
    OR (SELECT count(*) FILTER (WHERE step = 12) <> count(*) FILTER (WHERE step = 19 AND outcome = 'ok')
        FROM order_events)
"""  # a delivery that was not acked may come once more


class InFlight(OrderlabError):
    """Orders are on their way."""


def reset(owner_url: str, *, quiet: bool = False) -> None:
    """Empty the orders and all that belongs to them, and restock. Faults are disarmed, halts released.

    With `quiet` only where nothing is on its way; raises `InFlight` otherwise, and then has changed nothing.
    """
    with psycopg.connect(owner_url, connect_timeout=5) as connection:
        if quiet:
            connection.execute(f"LOCK TABLE {_TABLES}")  # from here on nothing begins
            row = connection.execute(_IN_FLIGHT).fetchone()
            if row and row[0]:
                raise InFlight
        connection.execute(f"TRUNCATE {_TABLES} RESTART IDENTITY CASCADE")
        connection.execute("DELETE FROM products")  # what is for sale is put on the shelves as at the beginning
        connection.execute(files("orderlab").joinpath("catalogue.sql").read_bytes())
        arming.clear(connection)
        connection.execute("DELETE FROM lab.firings")
