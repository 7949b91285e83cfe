"""The peer's relay: publishes what the outbox holds and nobody else has published, swept once a second."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from faststream.rabbit import RabbitBroker

from bench.peer.database import Database, queries
from bench.peer.journal import Steps
from bench.peer.messages import make_broker, publish
from orderlab.sequence import NOTIFY, PUBLISH_ORDER_CONFIRMED, PUBLISH_ORDER_CREATED, PUBLISH_ORDER_REJECTED
from orderlab.settings import Settings

STEPS = {
    "OrderCreated": PUBLISH_ORDER_CREATED,
    "OrderConfirmed": PUBLISH_ORDER_CONFIRMED,
    "OrderRejected": PUBLISH_ORDER_REJECTED,
    "Notification": NOTIFY,
}


async def main() -> None:
    """Sweep for ever."""
    settings = Settings.from_environment()
    broker = make_broker(settings.amqp_url, "relay")
    async with Database(settings.database_url, size=2).opened() as database, broker:
        await broker.start()
        print("ready", flush=True)
        while True:
            await sweep(database, broker)
            await asyncio.sleep(1)


async def sweep(database: Database, broker: RabbitBroker) -> None:
    """Publish what waits, oldest first, each in a transaction that marks it."""
    async with database.pool.connection() as connection:
        waiting = await (await connection.execute(queries.unpublished.sql)).fetchall()
        for (event_id,) in waiting:
            async with connection.transaction():
                claimed = await (await connection.execute(queries.claim.sql, {"event_id": event_id})).fetchone()
                if claimed is None:
                    continue
                order_id, attempt, kind, source, data, traceparent, created_at = claimed
                steps = Steps(order_id, traceparent, attempt)
                told = {"event_id": str(event_id), "type": kind, "data": data}
                event = steps.add(STEPS[kind], datetime.now(UTC), None, {"by": "relay"})
                await publish(broker, event, told, source, order_id, traceparent, created_at)
                event["ended_at"] = datetime.now(UTC)
                await connection.execute(queries.flush.sql, {"events": steps.taken(), "published": [event_id]})
