"""Exchanges and queues, one table. The broker keeps what stands here across a restart."""

from __future__ import annotations

from kombu import Connection, Exchange, Queue

DELIVERY_LIMIT = 100
"""Deliveries after which a message that takes its consumer down each time is dead-lettered by the broker."""


def _quorum(name: str, exchange: Exchange | None = None, dead_letter: bool = True) -> Queue:
    """A replicated, durable queue; dead letters go to `orders.dead` by the default exchange."""
    arguments: dict[str, object] = {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT}
    if dead_letter:
        arguments |= {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders.dead"}
    return Queue(name, exchange or Exchange(""), routing_key=name, durable=True, queue_arguments=arguments)


def _fanout(name: str) -> Exchange:
    return Exchange(name, type="fanout", durable=True)


ORDERS_CREATED = _fanout("orders.created")
ORDERS_CONFIRMED = _fanout("orders.confirmed")
ORDERS_REJECTED = _fanout("orders.rejected")

WORKER_QUEUE = _quorum("orders.created.worker", ORDERS_CREATED)
NOTIFICATIONS = {
    "operations": _quorum("notifications.operations"),
    "customer": _quorum("notifications.customer"),
}
DEAD = _quorum("orders.dead", dead_letter=False)

EXCHANGES = (ORDERS_CREATED, ORDERS_CONFIRMED, ORDERS_REJECTED)
QUEUES = (WORKER_QUEUE, *NOTIFICATIONS.values(), DEAD)


def declare(amqp_url: str) -> None:
    """Create whatever of the table the broker does not have yet."""
    with Connection(amqp_url, connect_timeout=5) as connection:
        channel = connection.channel()
        for entity in (*EXCHANGES, *QUEUES):
            entity(channel).declare()


def purge(amqp_url: str) -> None:
    """Empty every queue of the table."""
    with Connection(amqp_url, connect_timeout=5) as connection:
        channel = connection.channel()
        for queue in QUEUES:
            queue(channel).declare()
            queue(channel).purge()
