"""What the journal costs: statements counted as the services send them, with the real code and the real database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import eventlet
import psycopg
import pytest
from nameko.testing.services import worker_factory
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from orderlab.faults.gates import OpenGates
from orderlab.gateway import Gateway
from orderlab.journal import Steps, now
from orderlab.messages import ORDER_CREATED, Message
from orderlab.sequence import ACK_MESSAGE, Outcome
from orderlab.services.database import Journal
from orderlab.services.messaging import Delivery
from orderlab.services.orders_api import OrdersApi
from orderlab.services.reports import IssuedTokens
from orderlab.services.worker import Worker
from orderlab.settings import Settings
from orderlab.store import Store
from orderlab.trace import new_traceparent
from tests.support import RunningLab


class CountingCursor(psycopg.Cursor[dict[str, Any]]):
    """A cursor that counts what it sends."""

    sent = 0

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        CountingCursor.sent += 1
        return super().execute(*args, **kwargs)


class Writer:
    """The journal's writer at its dearest: a batch for every request and delivery."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.gates = OpenGates()

    def write_later(self, steps: Steps) -> None:
        self.store.flush_journal(steps.events, steps.published)
        steps.events.written()


@pytest.fixture
def store(lab: RunningLab) -> Iterator[Store]:
    kwargs = {"autocommit": True, "row_factory": dict_row, "cursor_factory": CountingCursor}
    with ConnectionPool(lab.database_url, kwargs=kwargs, min_size=1, max_size=2) as pool:
        yield Store(pool)


def publish(steps: Steps, *messages: Message) -> Outcome:
    """Stands in for the broker: the messages stay here, and the relay must not send them either."""
    steps.published += [message.id for message in messages]
    return Outcome.OK


publish.takes = "steps"  # type: ignore[attr-defined]


def call(api: Any, method: str, path: str, lab: RunningLab, body: Any, *more: str) -> None:
    headers = {"Authorization": f"Bearer {lab.token}", "traceparent": new_traceparent()}
    request = Request(EnvironBuilder(path=path, method="POST", json=body, headers=headers).get_environ())
    response = getattr(api, method)(request, *more)
    assert response.status_code < 300, response.get_data(as_text=True)
    response.close()
    eventlet.sleep(0)  # what the API does apart from the connection


def test_the_journal_costs_at_most_two_round_trips_more_in_the_api_and_three_in_the_worker(
    lab: RunningLab, store: Store
) -> None:
    journal: Any = Journal(Writer(store))  # type: ignore[arg-type]
    body = lab.order()
    settings = Settings(jwt_secret=lab.secrets["jwt"])
    issued = IssuedTokens()
    api = worker_factory(OrdersApi, store=store, journal=journal, settings=settings, issued=issued, publish=publish)
    moment = now().isoformat()
    report = {"events": [{"step": n, "started_at": moment, "ended_at": moment} for n in (1, 2, 4, 11)]}

    CountingCursor.sent = 0
    call(api, "post_order", "/orders", lab, body)
    call(api, "report_events", "/", lab, report, body["order_id"])
    needed = 2  # 6 and 8
    assert CountingCursor.sent - needed == 2

    worker = worker_factory(Worker, store=store, journal=journal, gateway=Gateway(store), publish=publish)
    delivery = Delivery(Message(ORDER_CREATED, "/orders-api", body["order_id"], {}, new_traceparent()))
    CountingCursor.sent = 0
    worker.process_order(delivery)
    assert delivery.steps is not None
    delivery.steps(ACK_MESSAGE, lambda: None)
    journal.write_later(delivery.steps)
    needed = 4  # 13, 14, 15 and 16; 12 needs none but the one that records it and reads the order
    assert CountingCursor.sent - needed == 2

    steps = [row["step"] for row in lab.sql("SELECT step FROM order_events WHERE order_id = %s", body["order_id"])]
    assert sorted(steps) == list(range(1, 20))
