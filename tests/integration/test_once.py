"""What is told twice stands in the journal once, and what is told early is not lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from kombu import Connection
from psycopg_pool import ConnectionPool

from orderlab import Lab, topology
from orderlab.access.button import Wanted, press
from orderlab.errors import DatabaseAway
from orderlab.journal import Event, Events, now
from orderlab.sequence import ACK_MESSAGE, RESPOND_CREATED
from orderlab.store import MOST_EARLY_EACH, Store
from orderlab.trace import new_traceparent
from tests.support import RunningLab, open_pool, problem


def report(lab: RunningLab, order_id: str, *steps: int, at: datetime | None = None, trace: str = "") -> httpx.Response:
    moment = (at or now()).isoformat()
    told = {"events": [{"step": step, "started_at": moment, "ended_at": moment} for step in steps]}
    headers = {**lab.bearer, **({"traceparent": trace} if trace else {})}
    return lab.http.post(f"/orders/{order_id}/events", json=told, headers=headers)


def steps(lab: RunningLab, order_id: str) -> list[int]:
    return [row["step"] for row in lab.sql("SELECT step FROM order_events WHERE order_id = %s ORDER BY 1", order_id)]


@pytest.mark.parametrize("there", [True, False], ids=["of an order that is there", "of one that comes later"])
def test_a_report_sent_again_is_written_once(lab: RunningLab, there: bool) -> None:
    body, moment, trace = lab.order(), now(), new_traceparent()
    if there:
        lab.post(body)
    for _ in range(2):
        assert report(lab, body["order_id"], 1, 2, at=moment, trace=trace).status_code == 202
    if not there:
        lab.post(body)
    lab.complete(body["order_id"])
    assert [step for step in steps(lab, body["order_id"]) if step in (1, 2)] == [1, 2]


def test_a_post_sent_again_on_one_trace_shows_its_token_issued_once(lab: RunningLab) -> None:
    trace = new_traceparent()
    headers = {"traceparent": trace}
    token = lab.http.get("/login-demo", headers=headers).json()["access_token"]
    body = lab.order()
    for status in (201, 200):
        answer = lab.http.post("/orders", json=body, headers={**headers, "Authorization": f"Bearer {token}"})
        assert answer.status_code == status
    answered = lambda: [e for e in lab.events(body["order_id"]) if e["step"] == 10]  # noqa: E731
    lab.wait_for(lambda: len(answered()) == 2, "both answers")
    assert steps(lab, body["order_id"]).count(3) == 1


def test_two_orders_with_one_token_each_show_that_it_was_issued(lab: RunningLab) -> None:
    for order_id in (lab.place(), lab.place()):
        assert steps(lab, order_id).count(3) == 1


def test_fifty_requests_that_race_leave_each_event_once(lab: RunningLab) -> None:
    body = lab.order()
    report(lab, body["order_id"], 1, 2)
    with ThreadPoolExecutor(50) as pool:
        statuses = [answer.status_code for answer in pool.map(lab.post, [body] * 50)]
    assert sorted(statuses) == [200] * 49 + [201]
    answered = lambda: steps(lab, body["order_id"]).count(10) == 50  # noqa: E731
    lab.wait_for(answered, "fifty answers")
    counted = steps(lab, body["order_id"])
    assert [counted.count(step) for step in (1, 2, 3)] == [1, 1, 1]


class LostReply(psycopg.Cursor[dict[str, Any]]):
    """A cursor whose statement is committed, and whose connection breaks before the reply."""

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        super().execute(*args, **kwargs)
        raise psycopg.OperationalError("the connection broke")


def test_a_batch_whose_reply_was_lost_is_written_again_and_stands_there_once(lab: RunningLab) -> None:
    order_id = lab.place()
    lab.complete(order_id)
    late = Event(order_id, RESPOND_CREATED, 1, "0" * 32, now(), now())
    with open_pool(lab.database_url, 1) as pool:
        with pytest.raises(DatabaseAway):
            Store(_breaking(lab)).flush_journal(Events([late]), [])
        Store(pool).flush_journal(Events([late]), [])
    assert steps(lab, order_id).count(10) == 2  # the order's own, and this


def _breaking(lab: RunningLab) -> Any:
    return ConnectionPool(
        lab.database_url, kwargs={"autocommit": True, "cursor_factory": LostReply}, min_size=1, max_size=1
    )


def test_reports_that_come_while_the_order_is_inserted_are_not_lost(lab: RunningLab) -> None:
    """They come at every moment around the insert, over and over."""
    bodies = [lab.order() for _ in range(60)]
    _ = lab.token
    with ThreadPoolExecutor(12) as pool:
        placed = [pool.submit(lab.post, body) for body in bodies]
        told = [pool.submit(report, lab, body["order_id"], step) for body in bodies for step in (1, 2, 4)]
        assert {each.result().status_code for each in placed} == {201}
        assert {each.result().status_code for each in told} == {202}
    for body in bodies:
        assert {1, 2, 4} <= set(steps(lab, body["order_id"]))
    assert lab.value("SELECT count(*) FROM early_events") == 0


def test_a_report_that_waits_for_an_insert_joins_its_order(lab: RunningLab) -> None:
    """The insert is held in its transaction, between its look at what was reported and its commit."""
    body = lab.order()
    with psycopg.connect(lab.database_url) as other, ThreadPoolExecutor(2) as pool:
        other.execute("LOCK TABLE order_events IN SHARE MODE")  # the last thing that the insert writes
        placed = pool.submit(lab.post, body)
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = %s"
        lab.wait_for(lambda: lab.value(waits, "relation"), "the insert at the journal's lock")
        told = pool.submit(report, lab, body["order_id"], 1)
        lab.wait_for(lambda: lab.value(waits, "advisory"), "the report at the insert's lock")
        other.commit()
        assert placed.result().status_code == 201
        assert told.result().status_code == 202
    assert 1 in steps(lab, body["order_id"])


def test_what_was_reported_early_survives_the_death_of_the_api(lab: RunningLab) -> None:
    body = lab.order()
    report(lab, body["order_id"], 1, 2)
    lab.kill("orders-api")
    lab.revive("orders-api")
    lab.post(body)
    assert steps(lab, body["order_id"])[:3] == [1, 2, 3]


def test_another_persons_early_report_does_not_get_into_an_order(lab: RunningLab) -> None:
    body, moment = lab.order(), now().isoformat()
    mallory = {"Authorization": f"Bearer {lab.mint(sub='mallory')}"}
    told = {"events": [{"step": 1, "started_at": moment, "ended_at": moment}]}
    assert lab.http.post(f"/orders/{body['order_id']}/events", json=told, headers=mallory).status_code == 202
    lab.post(body)
    assert 1 not in [event["step"] for event in lab.complete(body["order_id"])]


def test_early_reports_of_one_order_have_a_bound(lab: RunningLab) -> None:
    order_id, begun = lab.order()["order_id"], now() - timedelta(minutes=1)
    answers = [
        report(lab, order_id, *[1] * 1, at=begun + timedelta(milliseconds=n)).status_code
        for n in range(MOST_EARLY_EACH + 1)
    ]
    assert answers == [202] * MOST_EARLY_EACH + [422]


@pytest.mark.parametrize(
    ("started_at", "ended_at", "field"),
    [
        ("0001-01-01T00:00:00+00:00", "0001-01-01T00:00:00+00:00", "started_at"),
        ("1970-01-01T00:00:00+00:00", None, "started_at"),
        (None, "9999-12-31T23:59:59+00:00", "ended_at"),
        (None, None, None),
    ],
)
def test_a_reported_time_that_can_not_be_true_is_refused(
    lab: RunningLab, started_at: str | None, ended_at: str | None, field: str | None
) -> None:
    present = datetime.now(UTC).isoformat()
    told = {"events": [{"step": 1, "started_at": started_at or present, "ended_at": ended_at or present}]}
    answer = lab.http.post(f"/orders/{lab.order()['order_id']}/events", json=told, headers=lab.bearer)
    if field:
        assert f"events[0].{field}" in [wrong["field"] for wrong in problem(answer, 422)["errors"]]
    else:
        assert answer.status_code == 202


def acks(lab: RunningLab, order_id: str) -> list[tuple[int, str]]:
    """(delivery, outcome) of 19, once two deliveries have come to it."""

    def both() -> list[tuple[int, str]] | None:
        found = [(e["attempt"], e["outcome"]) for e in lab.events(order_id) if e["name"] == ACK_MESSAGE.name]
        return sorted(found) if len(found) == 2 else None

    return list(lab.wait_for(both, "the acks of two deliveries"))


def test_an_ack_on_a_connection_that_is_gone_has_failed_and_the_message_comes_again(lab: RunningLab) -> None:
    notebook = Lab(lab.home)
    order_id = notebook.new_id("ack")
    notebook.faults.pause(19, "before", order_id)
    press(lab.portal_url, Wanted(order_id))
    lab.wait_for(lambda: lab.value("SELECT count(*) FROM lab.halts WHERE order_id = %s", order_id), "the halt at 19")
    lab.stop("rabbitmq")
    lab.revive("rabbitmq")

    def consumed() -> int:
        with Connection(lab.amqp_url, connect_timeout=3) as connection:
            channel = connection.channel()
            return int(channel.queue_declare(queue=topology.WORKER_QUEUE.name, passive=True).consumer_count)

    lab.wait_for(consumed, "the worker is back at its queue")
    notebook.faults.clear()
    assert acks(lab, order_id) == [(1, "failed"), (2, "ok")]
    lab.check_books([order_id])


def test_an_ack_to_a_broker_that_has_just_been_killed_has_failed(lab: RunningLab) -> None:
    """The worker goes on at once: nothing has told its consumer yet that the connection is broken."""
    notebook = Lab(lab.home)
    order_id = notebook.new_id("ack")
    notebook.faults.pause(19, "before", order_id)
    press(lab.portal_url, Wanted(order_id))
    lab.wait_for(lambda: lab.value("SELECT count(*) FROM lab.halts WHERE order_id = %s", order_id), "the halt at 19")
    lab.kill("rabbitmq")
    notebook.faults.clear()
    lab.revive("rabbitmq")
    assert acks(lab, order_id) == [(1, "failed"), (2, "ok")]
