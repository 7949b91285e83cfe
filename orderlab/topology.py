"""Exchanges and queues, one table. The broker keeps what stands here across a restart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from amqp.exceptions import AMQPError
from kombu import Connection, Exchange, Queue
from kombu.exceptions import OperationalError

from orderlab.messages import AUDIENCES, NOTIFICATION, ORDER_CONFIRMED, ORDER_CREATED, ORDER_REJECTED, Message

AWAY = (OperationalError, AMQPError, OSError)
"""What Kombu, amqp and the socket raise when the broker is away, refuses, or does not confirm."""
IN_TIME = {"read_timeout": 3, "write_timeout": 3}
"""Transport options for somebody who looks: a broker that is frozen is told in three seconds."""

DELIVERY_LIMIT = 100
"""Deliveries after which a message that takes its consumer down each time is dead-lettered by the broker."""


def _quorum(name: str, exchange: Exchange | None = None) -> Queue:
    """A replicated, durable queue; dead letters go to `orders.dead` by the default exchange."""
    arguments = {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "orders.dead",
    }
    return Queue(name, exchange or Exchange(""), routing_key=name, durable=True, queue_arguments=arguments)


def _fanout(name: str) -> Exchange:
    return Exchange(name, type="fanout", durable=True)


ORDERS_CREATED = _fanout("orders.created")
ORDERS_CONFIRMED = _fanout("orders.confirmed")
ORDERS_REJECTED = _fanout("orders.rejected")

WORKER_QUEUE = _quorum("orders.created.worker", ORDERS_CREATED)
NOTIFICATIONS = {audience: _quorum(f"notifications.{audience}") for audience in AUDIENCES}
DEAD = Queue(  # to look at what is in it counts as a delivery, so it has no limit that a person could reach
    "orders.dead",
    Exchange(""),
    routing_key="orders.dead",
    durable=True,
    queue_arguments={"x-queue-type": "quorum", "x-delivery-limit": 1_000_000_000},
)

EXCHANGES = (ORDERS_CREATED, ORDERS_CONFIRMED, ORDERS_REJECTED)
LIVE = (WORKER_QUEUE, *NOTIFICATIONS.values())
QUEUES = (*LIVE, DEAD)


@dataclass(frozen=True)
class Route:
    """Where a message is published, and what must exist there for it not to be lost."""

    exchange: str
    routing_key: str
    declare: tuple[Exchange | Queue, ...]


ROUTES = {
    ORDER_CREATED: Route(ORDERS_CREATED.name, "", (ORDERS_CREATED, WORKER_QUEUE)),
    ORDER_CONFIRMED: Route(ORDERS_CONFIRMED.name, "", (ORDERS_CONFIRMED,)),
    ORDER_REJECTED: Route(ORDERS_REJECTED.name, "", (ORDERS_REJECTED,)),
    **{f"{NOTIFICATION}/{audience}": Route("", queue.name, (queue,)) for audience, queue in NOTIFICATIONS.items()},
}
"""By the message's type; a notification's with its audience: `Notification/operations`."""


def route(message: Message) -> Route:
    """Where this message goes: an order's event to its fanout, a notification to its audience's queue."""
    audience = f"/{message.data['audience']}" if message.type == NOTIFICATION else ""
    return ROUTES[message.type + audience]


def declare(amqp_url: str) -> None:
    """Create whatever of the table the broker does not have yet."""
    with Connection(amqp_url, connect_timeout=5) as connection:
        channel = connection.channel()
        for entity in (*EXCHANGES, *QUEUES):
            entity(channel).declare()


def purge(amqp_url: str, queues: Iterable[Queue] = QUEUES) -> None:
    """Empty these queues."""
    with Connection(amqp_url, connect_timeout=5) as connection:
        channel = connection.channel()
        for queue in queues:
            queue(channel).declare()
            queue(channel).purge()


@dataclass(frozen=True)
class Count:
    """What is known of a queue: messages that wait in it (not those in a consumer's hands), and its consumers."""

    ready: int
    consumers: int


def count(channel: Any, queues: Iterable[Queue] = QUEUES) -> dict[str, Count]:
    """Look at these queues, by name; nothing is changed by it. Raises what Kombu or amqp raise (`AWAY`)."""
    found = {queue.name: channel.queue_declare(queue=queue.name, passive=True) for queue in queues}
    return {name: Count(int(told.message_count), int(told.consumer_count)) for name, told in found.items()}


def look(amqp_url: str, queues: Iterable[Queue] = QUEUES) -> dict[str, Count]:
    """`count` over a connection of its own; a broker that is frozen is told in three seconds."""
    with Connection(amqp_url, connect_timeout=3, transport_options=IN_TIME) as connection:
        return count(connection.channel(), queues)


def waiting(amqp_url: str) -> int:
    """How many messages wait for the services in their queues."""
    return sum(each.ready for each in look(amqp_url, LIVE).values())


def consumers(amqp_url: str) -> int:
    """How many consumers those queues have. Where there is none, nobody has a message in hand either."""
    return sum(each.consumers for each in look(amqp_url, LIVE).values())
