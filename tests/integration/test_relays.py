"""Several relays, and one whose broker or whose neighbour does not get on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

import psycopg
import pytest

from orderlab import schema, stack
from orderlab.services.relay import BATCH
from orderlab.stack import Home
from orderlab.store import Store
from tests.support import RunningLab, open_pool


def settled_order(lab: RunningLab) -> str:
    """An order that has come to its end."""
    order_id = lab.place()
    lab.complete(order_id)
    return order_id


def leave_unpublished(lab: RunningLab, order_id: str, number: int) -> list[str]:
    """Messages of an order in the outbox, as a publisher that died would leave them."""
    rows = lab.sql(
        "INSERT INTO outbox (event_id, order_id, attempt, type, source, data, traceparent, created_at)"
        " SELECT gen_random_uuid(), order_id, 1, type, source, data, traceparent, created_at - interval '1 minute'"
        " FROM outbox, generate_series(1, %s) WHERE order_id = %s AND type = 'OrderConfirmed' RETURNING event_id",
        number,
        order_id,
    )
    return [str(row["event_id"]) for row in rows]


@pytest.fixture
def without_relay(lab: RunningLab) -> Iterator[None]:
    """Nobody sweeps."""
    lab.stop("relay")
    yield
    lab.revive("relay")


def test_a_message_that_another_relay_has_in_hand_is_not_listed_and_comes_back_when_that_one_dies(
    lab: RunningLab, without_relay: None
) -> None:
    held, free = leave_unpublished(lab, settled_order(lab), 2)
    url = schema.role_url(lab.database_url, "relay", lab.secrets["database:relay"])
    with open_pool(url, 2) as pool:

        def listed() -> set[str]:
            return {str(row["event_id"]) for row in Store(pool).list_unpublished(timedelta(0), BATCH, [])}

        with closing(psycopg.connect(url)) as another:
            another.execute("SELECT FROM outbox WHERE event_id = %s FOR UPDATE", (held,))
            assert listed() == {free}
            pid = another.info.backend_pid
            lab.sql("SELECT pg_terminate_backend(%s)", pid)
            lab.wait_for(lambda: listed() == {held, free}, "the dead relay's message")


def test_a_frozen_broker_is_not_blamed_on_the_database_and_two_relays_bring_all_of_it_out(lab: RunningLab) -> None:
    lab.scale("relay", 2)
    try:
        log = list(Home(lab.home).logs.glob("relay*.log"))
        said_before = {file: len(file.read_text()) for file in log}
        order_id = settled_order(lab)
        stack.send(lab.home, "rabbitmq", signal.SIGSTOP)
        ids = leave_unpublished(lab, order_id, 40)

        def news() -> str:
            return "".join(file.read_text()[said_before.get(file, 0) :] for file in log)

        lab.wait_for(lambda: "RabbitMQ can't be reached" in news(), "the relays' complaint")
        assert "PostgreSQL" not in news()
        stack.send(lab.home, "rabbitmq", signal.SIGCONT)
        query = "SELECT count(*) FROM outbox WHERE event_id = ANY(%s::uuid[]) AND published_at IS NULL"
        lab.wait_for(lambda: lab.value(query, ids) == 0, "all of it published")
    finally:
        stack.send(lab.home, "rabbitmq", signal.SIGCONT)
        lab.scale("relay", 1)
