"""Plumbing between Nameko and RabbitMQ: publishing with confirms, and deliveries that are acked, put off or buried."""

from __future__ import annotations

import logging
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import eventlet
from nameko.extensions import DependencyProvider, SharedExtension
from nameko.messaging import Consumer, QueueConsumer

from orderlab import topology
from orderlab.dead_letters import QUEUE, REASON
from orderlab.errors import BrokerAway, DatabaseAway, DatabaseBusy, OrderlabError, UnprocessableMessage
from orderlab.faults.gates import Lost
from orderlab.journal import Steps, takes_steps
from orderlab.messages import Message
from orderlab.sequence import ACK_MESSAGE, CONSUME_ORDER_CREATED, WEBHOOK_CUSTOMER, WEBHOOK_OPERATIONS, Outcome
from orderlab.services.database import Database, Journal
from orderlab.services.publishing import Letter, Post
from orderlab.settings import Settings
from orderlab.topology import AWAY

TRIES = 10
"""Deliveries after which an error nobody foresaw makes a message a dead one."""

log = logging.getLogger(__name__)


class Broker(SharedExtension):
    """What a process publishes by. It starts whether or not the broker is there."""

    def setup(self) -> None:
        self.send = Post(Settings.from_environment().amqp_url).send
        self.name = str(self.container.service_name)

    def letter(self, message: Message) -> Letter:
        """A copy of the message as this process publishes it."""
        body, headers = message.to_amqp()
        route = topology.route(message)
        return Letter(body, headers, route.exchange, route.routing_key, message.id, self.name, secrets.token_hex(4))


class Publisher:
    """What a service publishes with, as a step."""

    takes: ClassVar[str] = "steps"

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    @takes_steps
    def __call__(self, steps: Steps, *messages: Message) -> Outcome:
        """Publish, and note what the broker has confirmed; raise `BrokerAway` if it has not confirmed all."""
        letters = [self._broker.letter(message) for message in messages]
        steps.note_copies(letter.copy for letter in letters)
        self._broker.send(*letters)
        steps.published += [message.id for message in messages]
        return Outcome.OK


class PublisherProvider(DependencyProvider):
    """Gives a service its `Publisher`."""

    broker = Broker()

    def get_dependency(self, worker_ctx: Any) -> Publisher:
        return Publisher(self.broker)


@dataclass
class Delivery:
    """One message in a service's hands, with the steps it takes there."""

    message: Message
    attempt: int = 1  # of this copy, as far as the broker knows; the journal counts those of all copies
    published_by: str = ""  # the service that published this copy; "" where it does not say
    copy: str = ""  # which copy of the message this is: each publish makes one
    again: Callable[[], None] = lambda: None  # deliver the message once more
    steps: Steps | None = None
    acks: bool = True  # whether acking it is a step of the diagram (19); a notification's is not

    @property
    def redelivered(self) -> bool:
        """Whether the broker says that it had handed out this very copy before. After a SIGKILL it may not know."""
        return self.attempt > 1

    def begin(self, journal: Journal) -> Steps:
        """The steps that this delivery takes."""
        message = self.message
        repeats = {CONSUME_ORDER_CREATED.label: self.again}
        self.steps = journal.steps(message.subject, message.traceparent, self.attempt, repeats)
        came = {"published_by": self.published_by, "copy": self.copy, "broker_delivery": self.attempt}
        copy = {"copy": self.copy}
        self.steps.known = {
            CONSUME_ORDER_CREATED.label: came,
            WEBHOOK_OPERATIONS.label: copy,
            WEBHOOK_CUSTOMER.label: copy,
        }
        return self.steps


class RawQueueConsumer(QueueConsumer):
    """Hands messages on undecoded: one that can't be read is a dead letter, not the end of the consumer."""

    def get_consumers(self, consumer_cls: Any, channel: Any) -> Any:
        for provider in self._providers:
            consumer = consumer_cls(queues=[provider.queue], on_message=partial(self._deliver, provider))
            consumer.qos(prefetch_count=self.prefetch_count)
            self._consumers[provider] = consumer
        topology.DEAD(channel).declare()
        return self._consumers.values()

    @contextmanager
    def establish_connection(self) -> Iterator[Any]:
        """As Kombu's, but without waiting ever longer: an outage should not outlast itself."""
        with self.create_connection() as connection:
            connection.ensure_connection(
                self.on_connection_error, interval_start=0.2, interval_step=0.2, interval_max=1
            )
            yield connection

    def _deliver(self, provider: Any, raw: Any) -> None:
        self.handle_message(provider, None, raw)


class Deliveries(Consumer):
    """The entrypoint of a method that takes a `Delivery`. How the method ends decides what becomes of the message."""

    queue_consumer = RawQueueConsumer()
    database = Database()
    broker = Broker()

    def handle_message(self, body: None, raw: Any) -> None:
        try:
            message = Message.from_amqp(_bytes(raw.body), raw.headers or {})
        except UnprocessableMessage as error:
            self._bury(raw, error.detail)
            return
        delivery = self._delivery(message, raw)
        self.container.spawn_worker(self, (delivery,), {}, handle_result=partial(self.handle_result, raw, delivery))

    def _delivery(self, message: Message, raw: Any) -> Delivery:
        """What the method is handed."""
        published_by, copy = (str((raw.properties or {}).get(name) or "") for name in ("app_id", "correlation_id"))
        return Delivery(message, _deliveries(raw), published_by, copy, partial(self._send_again, message))

    def handle_result(self, raw: Any, delivery: Delivery, worker_ctx: Any, result: Any, exc_info: Any) -> Any:
        error = exc_info[1] if exc_info else None
        try:
            if error is None and delivery.steps and delivery.acks:
                delivery.steps(ACK_MESSAGE, self._acknowledge, raw)
            elif error is None:
                self._acknowledge(raw)
        except OrderlabError as refused:  # by a gate
            error = refused
        if delivery.steps:
            self.database.write_later(delivery.steps)
        if error is not None and not raw.acknowledged:  # a gate after the ack can't call it back
            self._put_off_or_bury(raw, error)
        return result, exc_info

    def _send_again(self, message: Message) -> None:
        self.broker.send(replace(self.broker.letter(message), exchange="", routing_key=self.queue.name))

    def _acknowledge(self, raw: Any) -> Outcome:
        """Ack on the channel that the message came by; raise `BrokerAway` if it is gone: the message comes again."""
        try:
            if _hung_up(raw.channel):
                raise BrokerAway
            raw.ack()
        except AWAY as error:
            raise BrokerAway from error
        return Outcome.OK

    def _put_off_or_bury(self, raw: Any, error: BaseException) -> None:
        """What can't be processed yet waits here, unacked, until the server is back; then the broker redelivers it."""
        tries = _deliveries(raw)
        if isinstance(error, DatabaseAway):
            self.database.wait_until_back()
        elif isinstance(error, (BrokerAway, DatabaseBusy, Lost)):
            eventlet.sleep(0.5)  # nothing was acked: the queue still holds it
        elif isinstance(error, UnprocessableMessage) or tries >= TRIES:
            detail = error.detail if isinstance(error, OrderlabError) else f"{type(error).__name__}: {error}"
            self._bury(raw, detail)
            return
        else:
            log.warning("try %d of %d failed, it is tried again: %r", tries, TRIES, error)
            eventlet.sleep(min(0.1 * 2**tries, 5))
        self.queue_consumer.requeue_message(raw)

    def _bury(self, raw: Any, reason: str) -> None:
        """Move a message to `orders.dead` with the reason; confirmed there before it is acked here."""
        log.error("a message of %s is dead: %s", self.queue.name, reason)
        headers = {**(raw.headers or {}), REASON: reason, QUEUE: self.queue.name}
        try:
            self.broker.send(Letter(_bytes(raw.body), headers, "", topology.DEAD.name))
        except BrokerAway:
            self.queue_consumer.requeue_message(raw)
            return
        self.queue_consumer.ack_message(raw)


deliver = Deliveries.decorator


def _hung_up(channel: Any) -> bool:
    """Whether the broker is gone from this channel. What is written to a broken connection raises nothing at first."""
    if not channel.connection:
        return True
    try:
        return not channel.connection.sock.fd.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False  # nothing to read, and open


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body)


def _deliveries(raw: Any) -> int:
    """Which delivery of a message this is: counted by a quorum queue (RabbitMQ 4 counts crashes apart), else 1 or 2."""
    headers = raw.headers or {}
    counted = max(int(headers.get(name, 0)) for name in ("x-delivery-count", "x-acquired-count"))
    return 1 + max(counted, int(bool(raw.delivery_info.get("redelivered"))))
