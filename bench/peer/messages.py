"""Messages between the peer's roles: CloudEvents in binary mode over FastStream, persistent and confirmed."""

from __future__ import annotations

from datetime import UTC, datetime
from secrets import token_hex
from typing import Any
from uuid import uuid4

from faststream.rabbit import Channel, ExchangeType, QueueType, RabbitBroker, RabbitExchange, RabbitMessage, RabbitQueue
from pydantic_core import to_json

from orderlab.messages import NOTIFICATION
from orderlab.topology import DELIVERY_LIMIT


def _fanout(name: str) -> RabbitExchange:
    return RabbitExchange(name, type=ExchangeType.FANOUT, durable=True)


def _quorum(name: str) -> RabbitQueue:
    arguments: Any = {
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "orders.dead",
    }
    return RabbitQueue(name, queue_type=QueueType.QUORUM, durable=True, arguments=arguments)


CREATED = _fanout("orders.created")
FANOUTS = {
    "OrderCreated": CREATED,
    "OrderConfirmed": _fanout("orders.confirmed"),
    "OrderRejected": _fanout("orders.rejected"),
}
WORKER_QUEUE = _quorum("orders.created.worker")
NOTIFICATIONS = {audience: _quorum(f"notifications.{audience}") for audience in ("operations", "customer")}


def make_broker(url: str, name: str, prefetch: int = 16) -> RabbitBroker:
    """A broker whose handlers get messages as they are (no models to build), so many at once; `name` publishes."""
    channel = Channel(prefetch_count=prefetch)
    return RabbitBroker(url, app_id=name, default_channel=channel, apply_types=False, logger=None)


async def as_it_is(delivery: RabbitMessage) -> RabbitMessage:
    """A decoder for handlers that want a message's headers, and acknowledge it themselves."""
    return delivery


def message(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """A new message as the outbox keeps it."""
    return {"event_id": str(uuid4()), "type": kind, "data": data}


async def publish(
    broker: RabbitBroker,
    event: dict[str, Any],
    told: dict[str, Any],
    source: str,
    order_id: str,
    traceparent: str,
    time: datetime | None = None,
) -> None:
    """Publish where the topology says, and wait for the confirm. `event` is told which copy of the message this is."""
    copy = token_hex(4)
    event["data"].setdefault("copies", []).append(copy)
    headers = {
        "cloudEvents_id": told["event_id"],
        "cloudEvents_source": source,
        "cloudEvents_type": told["type"],
        "cloudEvents_subject": order_id,
        "cloudEvents_time": (time or datetime.now(UTC)).isoformat(),
        "cloudEvents_specversion": "1.0",
        "cloudEvents_traceparent": traceparent,
    }
    notification = told["type"] == NOTIFICATION
    await broker.publish(
        to_json(told["data"]),
        queue=NOTIFICATIONS[told["data"]["audience"]] if notification else "",
        exchange=None if notification else FANOUTS[told["type"]],
        headers=headers,
        content_type="application/json",
        content_encoding="utf-8",
        message_id=told["event_id"],
        correlation_id=copy,
        persist=True,
        mandatory=False,  # OrderConfirmed goes to whoever is interested
        timeout=5,
    )
