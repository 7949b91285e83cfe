"""The broker as a notebook sees it: how much lies in each queue, and a queue of one's own on an exchange."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

from amqp.exceptions import AMQPError
from kombu import Connection, Consumer, Queue
from kombu.exceptions import OperationalError

from orderlab import topology
from orderlab.access.shown import Copy
from orderlab.calls.checking import RABBITMQ_AWAY, public
from orderlab.calls.kinds import OrderId
from orderlab.errors import LabError
from orderlab.language import N_, _
from orderlab.nearest import instead

QUIET = 0.2
"""Seconds without a message after which a tap holds all that was published."""


def depths(amqp_url: str) -> dict[str, int]:
    """How many messages wait in each queue of the topology (those in a consumer's hands are not counted)."""
    try:
        return {name: each.ready for name, each in topology.look(amqp_url).items()}
    except topology.AWAY:
        raise LabError(_(RABBITMQ_AWAY)) from None


@public
class Tap:
    """A queue of one's own, bound to a fanout exchange: it gets a copy of every message, and takes none from anybody.

    It goes with `close()`, at the end of a `with` block, or with the notebook's kernel.
    """

    def __init__(self, amqp_url: str, exchange: str) -> None:
        exchanges = {known.name: known for known in topology.EXCHANGES}
        if exchange not in exchanges:
            raise LabError(
                _(
                    "There is no exchange {exchange!r} to tap.{hint}",
                    exchange=exchange,
                    hint=instead(exchange, exchanges, N_("The exchanges are")),
                )
            )
        self.exchange = exchange
        self._copies: list[Copy] = []
        self._connection = Connection(amqp_url, connect_timeout=3)
        try:
            channel = self._connection.channel()
            queue = Queue("", exchanges[exchange], exclusive=True, auto_delete=True, durable=False)
            self._consumer = Consumer(channel, [queue], on_message=self._keep, no_ack=True)
            self._consumer.consume()
        except (OperationalError, AMQPError, OSError):
            raise LabError(_(RABBITMQ_AWAY)) from None

    def messages(self, order_id: OrderId | None = None) -> list[Copy]:
        """The copies that have come so far, only those of an order if one is given."""
        while self._receive(QUIET):
            pass
        return [copy for copy in self._copies if order_id in (None, copy.order_id)]

    def message(self, order_id: OrderId, timeout: float = 10) -> Copy:
        """The first copy of a message of this order; waits for it up to `timeout` seconds, else raises `LabError`."""
        end = time.monotonic() + timeout
        while True:
            for copy in self._copies:
                if copy.order_id == order_id:
                    return copy
            if not self._receive(end - time.monotonic()):
                raise LabError(
                    _(
                        "No message of {order_id} has come through {exchange} since the tap was opened ({timeout:g} s "
                        "waited). Open the tap before you place the order.",
                        order_id=order_id,
                        exchange=self.exchange,
                        timeout=timeout,
                    )
                )

    def close(self) -> None:
        """Give the queue up."""
        self._connection.release()

    def __enter__(self) -> Tap:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return _("a queue of your own on the exchange {exchange}", exchange=self.exchange)

    def _receive(self, seconds: float) -> bool:
        """Wait for something from the broker; whether it came in time."""
        try:
            self._connection.drain_events(timeout=max(seconds, 0.001))
        except TimeoutError:
            return False
        except (OperationalError, AMQPError, OSError):
            raise LabError(_("RabbitMQ has closed the tap's connection. Open a new one with lab.tap(…).")) from None
        return True

    def _keep(self, message: Any) -> None:
        body = message.body.decode() if isinstance(message.body, bytes) else message.body
        with suppress(ValueError):  # what is no JSON is shown as it is
            body = json.loads(body)
        self._copies.append(Copy(self.exchange, dict(message.headers), body))
