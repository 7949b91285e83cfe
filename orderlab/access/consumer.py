"""A function as a consumer: a queue of its own on a fanout, and a thread that hands it the messages."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from amqp.exceptions import AMQPError
from kombu import Connection, Queue
from kombu import Consumer as Consuming
from kombu.exceptions import OperationalError

from orderlab import topology
from orderlab.access.shown import Copy
from orderlab.calls.checking import RABBITMQ_AWAY, public
from orderlab.errors import LabError
from orderlab.language import N_, _
from orderlab.nearest import instead

AFTER, BEFORE, NEVER = "after", "before", "never"
TRIES = 3
"""Deliveries after which a message at which the function raises is given up."""
PREFETCH = 10
"""Messages that are in the function's hands at most, unacknowledged."""
_GONE = (OperationalError, AMQPError, OSError)


@public
class Consumer:
    """A function that is called with each message of an exchange (a `Copy`), one after the other, in a thread.

    With `ack` "after", a message at which the function raises is delivered again, three times in all.
    """

    def __init__(self, amqp_url: str, handler: Callable[[Copy], Any], exchange: str, ack: str = AFTER) -> None:
        exchanges = {known.name: known for known in topology.EXCHANGES}
        if exchange not in exchanges:
            raise LabError(
                _(
                    "There is no exchange {exchange!r} to consume.{hint}",
                    exchange=exchange,
                    hint=instead(exchange, exchanges, N_("The exchanges are")),
                )
            )
        self.exchange, self.ack = exchange, ack
        self.handled, self.given_up = 0, 0
        self.errors: list[Exception] = []
        """What the function has raised."""
        self._handler, self._seen, self._closing = handler, Counter[str](), threading.Event()
        self._connection = Connection(amqp_url, connect_timeout=3)
        try:
            channel = self._connection.channel()
            channel.basic_qos(0, PREFETCH, False)
            queue = Queue("", exchanges[exchange], exclusive=True, auto_delete=True, durable=False)
            self._consumer = Consuming(channel, [queue], on_message=self._take)
            self._consumer.consume()
        except _GONE:
            raise LabError(_(RABBITMQ_AWAY)) from None
        self._thread = threading.Thread(target=self._run, name=f"consumer of {exchange}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop: the function is not called any more, and its queue is gone."""
        self._closing.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=5)

    def __enter__(self) -> Consumer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        told = _(
            "a consumer of {exchange}, ack {ack}: {handled} handled",
            exchange=self.exchange,
            ack=self.ack,
            handled=self.handled,
        )
        if self.errors:
            told += _(", {n} errors (the last: {errors!r})", n=len(self.errors), errors=self.errors[-1])
        return told + (", closed" if not self._thread.is_alive() else "")

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._connection.drain_events(timeout=0.2)
            except TimeoutError:
                continue
            except _GONE as error:
                self.errors.append(error)
                break
        with suppress(*_GONE):
            self._connection.release()

    def _take(self, message: Any) -> None:
        body = message.body.decode() if isinstance(message.body, bytes) else message.body
        with suppress(ValueError):  # what is no JSON is handed over as it is
            body = json.loads(body)
        copy = Copy(self.exchange, dict(message.headers), body)
        if self.ack == BEFORE:
            message.ack()
        try:
            self._handler(copy)
            self.handled += 1
        except Exception as error:
            self.errors.append(error)
            if self.ack == AFTER:
                self._again(message, str(copy.headers.get("cloudEvents_id")))
            return
        if self.ack == AFTER:
            message.ack()

    def _again(self, message: Any, message_id: str) -> None:
        self._seen[message_id] += 1
        if self._seen[message_id] < TRIES:
            message.requeue()
        else:
            self.given_up += 1
            message.reject()
