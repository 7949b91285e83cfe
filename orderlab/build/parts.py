"""What a program of a student's own is built of: providers whose calls say which safeguard is on.

The lab's own services take their safeguards from the order's design; here they are arguments, for the code to choose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from nameko.extensions import DependencyProvider

from orderlab.build.entry import Course, Handed, NotAStep, takes_steps
from orderlab.errors import UnprocessableMessage
from orderlab.gateway import Gateway
from orderlab.journal import Event
from orderlab.messages import Message
from orderlab.order import Design, OrderInHand
from orderlab.sequence import Outcome, Step
from orderlab.services.database import Database
from orderlab.services.messaging import Broker
from orderlab.services.relay import STEP_OF
from orderlab.store import Store
from orderlab.trace import trace_id


class Tables:
    """The worker's tables. Calls are steps: `step(CONFIRM_ORDER, self.store.confirm_order, order, …)`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @takes_steps
    def take_up(self, order_id: str, *, steps: Course | None = None) -> OrderInHand | None:
        """12: the order as it stands, and which delivery this is (`order.attempt`); None if there is no such order."""
        course = _needed(steps)
        try:
            order = course.perform(self._store.start_processing, order_id, course.copy, course.redelivered)
        except UnprocessableMessage:
            return None
        course.attempt = order.attempt
        return order

    def check_inventory(self, order: OrderInHand) -> Outcome:
        """13: `Outcome.OUT_OF_STOCK` if something is not there. Locks nothing."""
        return self._store.check_inventory(order)

    @takes_steps
    def reserve_inventory(self, order: OrderInHand, *, once: bool = False, steps: Course | None = None) -> Outcome:
        """14: set the stock aside, and INVENTORY_RESERVED. With `once` only if the status says that it was not done."""
        course = _needed(steps)
        for event in course.events[-1:]:
            event.data |= {} if once else {"again": True}  # a repeated statement works twice
        return course.perform(self._store.reserve_inventory, _as(order, once))

    @takes_steps
    def confirm_order(
        self, order: OrderInHand, messages: Sequence[Message] = (), *, once: bool = False, steps: Course | None = None
    ) -> Outcome:
        """16: CONFIRMED. `messages` go to the outbox in the same transaction. With `once` only if it was not done."""
        course = _needed(steps)
        course.outbox = bool(messages)
        return course.perform(self._store.confirm_order, _as(order, once, bool(messages)), messages)

    @takes_steps
    def reject_order(
        self,
        order: OrderInHand,
        reason: str,
        messages: Sequence[Message] = (),
        *,
        once: bool = False,
        release: bool = False,
        steps: Course | None = None,
    ) -> Outcome:
        """16: REJECTED, for `out_of_stock` or `payment_declined`. With `release` the stock goes back in the same
        transaction: perform it as (RELEASE_INVENTORY, REJECT_ORDER) then.
        """
        course = _needed(steps)
        course.outbox = bool(messages)
        placed = _as(order, once, bool(messages))
        return course.perform(self._store.reject_order, placed, reason, messages, release=release)


def _needed(steps: Course | None) -> Course:
    if steps is None:
        raise NotAStep
    return steps


def _as(order: OrderInHand, once: bool, outbox: bool = False) -> OrderInHand:
    """The order as the lab's own store is to treat it."""
    return replace(order, design=Design(outbox=outbox, idempotent_consumer=once))


class TablesProvider(DependencyProvider):
    """Gives a worker its tables."""

    database = Database()

    def get_dependency(self, worker_ctx: Any) -> Tables:
        return Tables(self.database.store)


class Charges:
    """The payment gateway. It keeps a ledger of its own, outside of the worker's transactions."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def charge(self, order: OrderInHand, idempotency_key: str | None = None) -> Outcome:
        """15: `ok` or `declined`; `already_done` if it knows the key. Without a key every call is a new charge."""
        return self._gateway.charge(order, idempotency_key)


class ChargesProvider(DependencyProvider):
    """Gives a worker the payment gateway."""

    database = Database()

    def start(self) -> None:
        self.gateway = Gateway(self.database.store)

    def get_dependency(self, worker_ctx: Any) -> Charges:
        return Charges(self.gateway)


class Publish:
    """Publishes, and waits for the broker's confirms. A step: `step(PUBLISH_ORDER_CONFIRMED, self.publish, event)`."""

    takes_steps = True

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def __call__(self, *messages: Message, steps: Course | None = None) -> Outcome:
        """Publish where each message goes; raise `BrokerAway` if the broker has not confirmed all."""
        course = _needed(steps)
        letters = [self._broker.letter(message) for message in messages]
        course.note_copies(letter.copy for letter in letters)
        self._broker.send(*letters)
        course.published += [message.id for message in messages]
        return Outcome.OK


class PublishProvider(DependencyProvider):
    """Gives a program what it publishes with."""

    broker = Broker()

    def get_dependency(self, worker_ctx: Any) -> Publish:
        return Publish(self.broker)


@dataclass(frozen=True)
class Waiting:
    """A message in the outbox that is not marked as published, and the arrow that it is."""

    message: Message
    arrow: Step
    step: Course


class Outbox:
    """The outbox, for a relay."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def waiting(self, seconds: float = 2, most: int = 100) -> list[Waiting]:
        """The oldest messages that wait for longer than `seconds`: so long they are left to their own publisher."""
        rows = self._database.store.read_unpublished(timedelta(seconds=seconds), most)
        return [self._waiting(row) for row in rows]

    def mark(self, waiting: Waiting) -> None:
        """Mark the message as published, and record its step in the same transaction."""
        events: list[Event] = [event for event in waiting.step.events if event.ended_at]
        for event in events:
            event.data["by"] = "relay"
        self._database.store.flush_journal(waiting.step.events, [waiting.message.id])
        waiting.step.events.written()
        waiting.step.published = []

    def _waiting(self, row: dict[str, Any]) -> Waiting:
        message = Message(
            row["type"],
            row["source"],
            row["order_id"],
            row["data"],
            row["traceparent"],
            str(row["event_id"]),
            row["created_at"],
        )
        course = Course(message.subject, trace_id(message.traceparent), row["attempt"], self._database.gates)
        return Waiting(message, STEP_OF[message.type], course)


class OutboxProvider(DependencyProvider):
    """Gives a relay the outbox."""

    database = Database()

    def get_dependency(self, worker_ctx: Any) -> Outbox:
        return Outbox(self.database)


class Notifications:
    """The notifier's table: what became of each notification."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def settle(self, delivery: Handed, status: str, reason: str | None = None) -> None:
        """Note that the webhook was `delivered`, or `failed` with the reason."""
        if status == "delivered":
            self._store.settle_delivered([(delivery.message.id, delivery.step.events)])
        else:
            self._store.settle_failed(delivery.message.id, reason or "", delivery.step.events)


class NotificationsProvider(DependencyProvider):
    """Gives a notifier its table."""

    database = Database()

    def get_dependency(self, worker_ctx: Any) -> Notifications:
        return Notifications(self.database.store)
