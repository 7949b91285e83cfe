"""Messages that could not be processed: list them, look at them, send them back to the queue they came from."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from kombu import Connection
from kombu.message import Message as RawMessage

from orderlab.errors import BrokerAway
from orderlab.language import _
from orderlab.topology import AWAY, DEAD, count

REASON = "orderlab-reason"
QUEUE = "orderlab-queue"
"""Headers of a dead message: why it died, and the queue it came from."""

PATIENCE = 10
"""Seconds for the broker to answer."""


@dataclass(frozen=True)
class DeadLetter:
    """A message in `orders.dead`: its event id (empty if it has none), the reason, where it came from, and itself."""

    event_id: str
    order_id: str
    reason: str
    queue: str
    headers: dict[str, Any]
    body: str

    def as_dict(self) -> dict[str, Any]:
        """All of it, as plain JSON."""
        return {**self.__dict__, "headers": json.loads(json.dumps(self.headers, default=str))}


def read(amqp_url: str) -> list[DeadLetter]:
    """Every dead message, oldest first; they stay where they are."""
    with _unacked(amqp_url) as messages:
        return [_dead_letter(raw) for raw in messages]


def send_back(amqp_url: str, event_id: str | None = None) -> int:
    """Send the message with this event id (or each, if none is given) back to its queue; return how many were.

    What comes back meanwhile, because it still can't be processed, is not sent again.
    """
    sent = 0
    with _unacked(amqp_url) as messages:
        for raw in messages:
            letter = _dead_letter(raw)
            if not letter.queue or event_id not in (None, letter.event_id):
                continue
            headers = {name: value for name, value in letter.headers.items() if name not in (REASON, QUEUE, "x-death")}
            producer = raw.channel.connection.client.Producer()
            producer.publish(
                bytes(raw.body.encode() if isinstance(raw.body, str) else raw.body),
                routing_key=letter.queue,
                headers={name: value for name, value in headers.items() if not name.startswith("x-")},
                content_type="application/json",
                content_encoding="utf-8",
                delivery_mode=2,
                app_id="dead-letters",
                correlation_id=secrets.token_hex(4),
                mandatory=True,
            )
            raw.ack()
            sent += 1
    return sent


@contextmanager
def _unacked(amqp_url: str) -> Iterator[Iterator[RawMessage]]:
    """The messages that are in the queue now; those that are not acked go back when the connection closes.

    Raises `BrokerAway`.
    """
    options = {"confirm_publish": True, "read_timeout": PATIENCE, "write_timeout": PATIENCE}
    try:
        with Connection(amqp_url, connect_timeout=5, transport_options=options) as connection:
            queue = DEAD(connection.channel())
            queue.declare()
            there = count(connection.channel(), [DEAD])[DEAD.name].ready
            yield islice(iter(queue.get, None), there)
    except AWAY as error:
        raise BrokerAway(_("RabbitMQ does not answer. ./lab status says what runs, ./lab up starts it.")) from error


def _dead_letter(raw: RawMessage) -> DeadLetter:
    headers = dict(raw.headers or {})
    death = (headers.get("x-death") or [{}])[0]  # written by the broker, when a delivery limit was reached
    body = raw.body if isinstance(raw.body, str) else bytes(raw.body).decode("utf-8", "replace")
    return DeadLetter(
        event_id=str(headers.get("cloudEvents_id", "")),
        order_id=str(headers.get("cloudEvents_subject", "")),
        reason=str(headers.get(REASON) or _("the broker gave it up: {reason}", reason=death.get("reason", "unknown"))),
        queue=str(headers.get(QUEUE) or death.get("queue", "")),
        headers=headers,
        body=body,
    )
