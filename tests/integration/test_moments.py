"""`started_at` and `ended_at` are the moments when a step began and ended: what happens in it lies between them.

Nothing is timed. A step is held up in its middle, or does something whose moment is written down elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import psycopg

from orderlab.access.button import Wanted, press
from orderlab.order import PAYMENT_TOKENS
from tests.support import RunningLab

WRITES = {"8": "order_items", "14": "products", "16": "notifications"}
"""A table that this step writes, and no step before it."""


@contextmanager
def locked(lab: RunningLab, table: str) -> Iterator[psycopg.Connection]:
    """Let nobody write this table."""
    with psycopg.connect(lab.database_url) as connection:
        connection.execute(f"LOCK TABLE {table} IN SHARE MODE")  # type: ignore[arg-type]
        yield connection
        connection.rollback()


def somebody_waits(lab: RunningLab, lock: psycopg.Connection) -> datetime:
    """A moment at which somebody waits for this lock."""
    waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
    lab.wait_for(lambda: lab.value(waits, lock.info.backend_pid), "somebody waits")
    return datetime.now(UTC)


def test_what_happens_in_a_step_lies_between_its_start_and_its_end(lab: RunningLab) -> None:
    order_id = str(lab.order()["order_id"])
    inside: list[tuple[str, datetime]] = []
    with ThreadPoolExecutor() as pool, ExitStack() as held:
        locks = {step: held.enter_context(locked(lab, table)) for step, table in WRITES.items()}
        page = pool.submit(press, lab.portal_url, Wanted(order_id, payment_token="tok_slow"))
        for step, lock in locks.items():
            inside.append((step, somebody_waits(lab, lock)))
            lock.rollback()
        assert page.result().shown
    lab.recorded(order_id, "show_confirmation")
    span: dict[str, tuple[datetime, datetime]] = {}
    for event in lab.complete(order_id):
        span[event["label"]] = datetime.fromisoformat(event["started_at"]), datetime.fromisoformat(event["ended_at"])

    inside.append(("15", lab.value("SELECT charged_at FROM payments WHERE order_id = %s", order_id)))
    webhooks = {
        webhook["audience"]: datetime.fromisoformat(webhook["received_at"]) for webhook in lab.inbox([order_id])
    }
    inside += [("18a", webhooks["operations"]), ("18b", webhooks["customer"])]
    inside += [("2", span["3"][0]), ("4", span["5"][0]), ("4", span["8"][1])]
    for step, moment in inside:
        started_at, ended_at = span[step]
        assert started_at < moment < ended_at, step
    assert span["15"][1] - span["15"][0] >= timedelta(seconds=PAYMENT_TOKENS["tok_slow"].seconds)
