"""The peer's worker: steps 12 to 19, on FastStream."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from faststream import AckPolicy, FastStream
from faststream.rabbit import RabbitMessage

from bench.peer.database import Database, queries
from bench.peer.journal import Steps, as_json
from bench.peer.messages import CREATED, WORKER_QUEUE, as_it_is, make_broker, message, publish
from orderlab.sequence import (
    ACK_MESSAGE,
    CHECK_INVENTORY,
    CONFIRM_ORDER,
    CONSUME_ORDER_CREATED,
    NOTIFY,
    PROCESS_PAYMENT,
    PUBLISH_ORDER_CONFIRMED,
    PUBLISH_ORDER_REJECTED,
    REJECT_ORDER,
    RELEASE_INVENTORY,
    RESERVE_INVENTORY,
)
from orderlab.settings import Settings

DECLINED = ("tok_declined", "tok_insufficient_funds", "tok_expired_card")

settings = Settings.from_environment()
database = Database(settings.database_url)
broker = make_broker(settings.amqp_url, "worker")


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """The pool is open while the worker works."""
    async with database.opened():
        yield


app = FastStream(broker, lifespan=lifespan, logger=None)


@app.after_startup
async def ready() -> None:
    """It consumes."""
    print("ready", flush=True)


@broker.subscriber(WORKER_QUEUE, CREATED, decoder=as_it_is, ack_policy=AckPolicy.NACK_ON_ERROR)
async def process_order(delivery: RabbitMessage) -> None:
    """12 to 19."""
    order_id, traceparent = delivery.headers["cloudEvents_subject"], delivery.headers["cloudEvents_traceparent"]
    steps = Steps(order_id, traceparent)
    steps.came = {
        "published_by": delivery.raw_message.app_id or "",
        "copy": delivery.correlation_id or "",
        "broker_delivery": 1 + int(delivery.headers.get("x-delivery-count", 0)),
    }
    published: list[str] = []
    try:
        await settle(order_id, steps, published)
        with steps(ACK_MESSAGE):
            await delivery.ack()
    finally:
        database.write_later(steps.events, *published)


async def settle(order_id: str, steps: Steps, published: list[str]) -> None:
    """12 to 18, from where an earlier delivery has left off."""
    with steps(CONSUME_ORDER_CREATED, **steps.came) as event:
        row = await database.row(queries.take_order, order_id=order_id, events=steps.taken())
        if row is None:
            raise LookupError(f"There is no order {order_id!r}.")
        status, *customer, token, total, currency, attempt, _ = row
        event["attempt"] = steps.attempt = attempt
    facts = {"order_id": order_id, "total": total, "currency": currency}
    facts |= {"customer": dict(zip(("name", "email"), customer, strict=True))}

    if status == "RECEIVED":
        with steps(CHECK_INVENTORY) as event:
            if await database.row(queries.items_short, order_id=order_id):
                event["outcome"] = "out_of_stock"
        if event["outcome"] != "ok":
            return await finish(steps, facts, "out_of_stock", published)
    with steps(RESERVE_INVENTORY) as event:
        try:
            await database.row(queries.reserve, order_id=order_id, events=as_json(steps.events))
            written = True
        except psycopg.errors.CheckViolation:
            event["outcome"], written = "out_of_stock", False
    if not written:
        return await finish(steps, facts, "out_of_stock", published)
    steps.events.clear()

    if status in ("CONFIRMED", "REJECTED"):  # its messages are the outbox's
        for step in (PROCESS_PAYMENT, CONFIRM_ORDER) if status == "CONFIRMED" else (REJECT_ORDER,):
            with steps(step) as event:
                event["outcome"] = "already_done"
        return None
    with steps(PROCESS_PAYMENT) as event:
        event["outcome"] = await charge(order_id, token, total, currency)
    return await finish(steps, facts, "payment_declined" if event["outcome"] == "declined" else None, published)


async def finish(steps: Steps, facts: dict[str, Any], reason: str | None, published: list[str]) -> None:
    """16 to 18: confirmed, or rejected for a reason; what was reserved for it goes back (15c)."""
    status = "REJECTED" if reason else "CONFIRMED"
    facts = {**facts, "status": status, "rejection_reason": reason}
    kind = {"type": f"order.{status.lower()}"}
    told = message(f"Order{status.title()}", facts)
    both = [message("Notification", {"audience": each, **kind, **facts}) for each in ("operations", "customer")]
    if release := reason == "payment_declined":
        with steps(RELEASE_INVENTORY):
            done = await move(steps, facts, [told, *both], release)
    else:
        done = await move(steps, facts, [told, *both], release)
    if done:
        with steps(PUBLISH_ORDER_REJECTED if reason else PUBLISH_ORDER_CONFIRMED) as event:
            await tell(steps, event, [told], published)
        with steps(NOTIFY) as event:
            await tell(steps, event, both, published)


async def move(steps: Steps, facts: dict[str, Any], messages: list[dict[str, Any]], release: bool) -> bool:
    """16 itself; whether it was this attempt that did it."""
    with steps(REJECT_ORDER if facts["rejection_reason"] else CONFIRM_ORDER):
        row = await database.row(
            queries.settle,
            order_id=facts["order_id"],
            status=facts["status"],
            reason=facts["rejection_reason"],
            from_status="RECEIVED" if facts["rejection_reason"] == "out_of_stock" else "INVENTORY_RESERVED",
            release=release,
            messages=as_json(messages),
            attempt=steps.attempt,
            traceparent=steps.traceparent,
            outcome="rejected" if facts["rejection_reason"] else "ok",
            events=steps.taken(),
        )
    assert row is not None
    return bool(row[0])


async def tell(steps: Steps, event: dict[str, Any], messages: list[dict[str, Any]], published: list[str]) -> None:
    """Publish together, each confirmed; while the broker is away the relay has them."""
    try:
        await asyncio.gather(
            *(publish(broker, event, each, "/worker", steps.order_id, steps.traceparent) for each in messages)
        )
        published += [each["event_id"] for each in messages]
    except (ConnectionError, TimeoutError):
        event["outcome"] = "deferred"


_failures: Counter[str] = Counter()


async def charge(order_id: str, token: str, amount: str, currency: str) -> str:
    """15: the simulated gateway, with a ledger of its own and the order's id as the idempotency key."""
    if token in DECLINED:
        return "declined"
    while token == "tok_gateway_error" and _failures[order_id] < 2:
        _failures[order_id] += 1
        await asyncio.sleep(0.05 * _failures[order_id])
    if token == "tok_slow":
        await asyncio.sleep(2)
    charged = {"amount": amount, "currency": currency, "payment_token": token}
    return "ok" if await database.row(queries.charge, order_id=order_id, **charged) else "already_done"
