"""The peer's notifier: two signed webhooks an order (18a, 18b), by aiohttp."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
from faststream import AckPolicy, FastStream
from faststream.rabbit import RabbitMessage
from standardwebhooks import Webhook

from bench.peer.database import Database, queries
from bench.peer.journal import Steps
from bench.peer.messages import NOTIFICATIONS, as_it_is, make_broker
from orderlab.sequence import WEBHOOK_CUSTOMER, WEBHOOK_FAILED, WEBHOOK_OPERATIONS
from orderlab.settings import Settings

settings = Settings.from_environment()
database = Database(settings.database_url)
broker = make_broker(settings.amqp_url, "notifier", prefetch=64)
signer = Webhook(settings.webhook_secret)
session: aiohttp.ClientSession


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    """The pool and the session are open while the notifier notifies."""
    global session
    connector = aiohttp.TCPConnector(limit=16)
    async with database.opened(), aiohttp.ClientSession(settings.portal_url, connector=connector) as session:
        yield


app = FastStream(broker, lifespan=lifespan, logger=None)


@app.after_startup
async def ready() -> None:
    """It consumes."""
    print("ready", flush=True)


@broker.subscriber(NOTIFICATIONS["operations"], decoder=as_it_is, ack_policy=AckPolicy.NACK_ON_ERROR)
async def notify_operations(delivery: RabbitMessage) -> None:
    """18a."""
    await notify(delivery)


@broker.subscriber(NOTIFICATIONS["customer"], decoder=as_it_is, ack_policy=AckPolicy.NACK_ON_ERROR)
async def notify_customer(delivery: RabbitMessage) -> None:
    """18b."""
    await notify(delivery)


async def notify(delivery: RabbitMessage) -> None:
    """Deliver the webhook and write that down; returning acks the message."""
    headers, data = delivery.headers, json.loads(delivery.body)
    steps = Steps(headers["cloudEvents_subject"], headers["cloudEvents_traceparent"])
    step = WEBHOOK_OPERATIONS if data["audience"] == "operations" else WEBHOOK_CUSTOMER
    reason = None
    with steps(step, copy=delivery.correlation_id) as event:
        try:
            tries = await deliver(headers["cloudEvents_id"], headers["cloudEvents_time"], steps.traceparent, data)
            event["data"] |= {"tries": tries, "webhook_id": headers["cloudEvents_id"]}
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = f"given up: {error}"
            event["name"], event["outcome"] = WEBHOOK_FAILED, "failed"
            event["data"] |= {"reason": reason}
    await database.row(
        queries.notified,
        event_id=headers["cloudEvents_id"],
        status="failed" if reason else "delivered",
        reason=reason,
        events=steps.taken(),
    )


async def deliver(webhook_id: str, time_of_it: str, traceparent: str, data: dict[str, Any]) -> int:
    """Post it, signed, again with back-off while patience lasts; the tries it took."""
    audience, kind = data["audience"], data.pop("type")
    payload = json.dumps({"type": kind, "timestamp": time_of_it, "data": data})
    patience = time.monotonic() + float(settings.webhook_patience)
    tries = 0
    while True:
        tries += 1
        now = datetime.now(UTC)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signer.sign(webhook_id, now, payload),
            "traceparent": traceparent,
        }
        try:
            async with session.post(
                f"/webhooks/{audience}", data=payload.encode(), headers=headers, raise_for_status=True
            ):
                return tries
        except (aiohttp.ClientError, TimeoutError):
            if time.monotonic() > patience:
                raise
            await asyncio.sleep(min(0.25 * 2**tries, 5))
