"""The Worker lane: steps 12 to 19."""

from __future__ import annotations

from typing import ClassVar

from orderlab import topology
from orderlab.errors import UnprocessableMessage
from orderlab.journal import Steps
from orderlab.messages import AUDIENCES, NOTIFICATION, ORDER_CONFIRMED, ORDER_CREATED, ORDER_REJECTED, Message
from orderlab.order import OrderInHand, Status
from orderlab.sequence import (
    CHECK_INVENTORY,
    CONFIRM_ORDER,
    CONSUME_ORDER_CREATED,
    NOTIFY,
    PROCESS_PAYMENT,
    PUBLISH_ORDER_CONFIRMED,
    PUBLISH_ORDER_REJECTED,
    REJECT_ORDER,
    RELEASE_INVENTORY,
    RESERVE_INVENTORY,
    Outcome,
)
from orderlab.services.database import GatewayProvider, JournalProvider, StoreProvider
from orderlab.services.messaging import Delivery, PublisherProvider, deliver


class Worker:
    """Takes each OrderCreated from its queue to CONFIRMED or REJECTED. Returning is what acks the message (19)."""

    name: ClassVar[str] = "worker"

    store = StoreProvider()
    journal = JournalProvider()
    gateway = GatewayProvider()
    publish = PublisherProvider()

    @deliver(topology.WORKER_QUEUE)
    def process_order(self, delivery: Delivery) -> None:
        """12 to 18, from where an earlier delivery has left off."""
        message = delivery.message
        if message.type != ORDER_CREATED:
            raise UnprocessableMessage(f"The worker takes {ORDER_CREATED}, and this is {message.type!r}.")
        step = delivery.begin(self.journal)

        copy, redelivered = delivery.copy, delivery.redelivered
        order = step(CONSUME_ORDER_CREATED, self.store.start_processing, message.subject, copy, redelivered)
        step.attempt, step.outbox = order.attempt, order.design.outbox

        if order.settled:
            return self.leave_as_settled(step, order)
        if order.fresh and step(CHECK_INVENTORY, self.store.check_inventory, order) is Outcome.OUT_OF_STOCK:
            return self.reject(step, order, "out_of_stock", message.traceparent)
        if step(RESERVE_INVENTORY, self.store.reserve_inventory, order) is Outcome.OUT_OF_STOCK:
            return self.reject(step, order, "out_of_stock", message.traceparent)

        key = order.order_id if order.design.idempotent_consumer else None
        if step(PROCESS_PAYMENT, self.gateway.charge, order, key) is Outcome.DECLINED:
            return self.reject(step, order, "payment_declined", message.traceparent)

        confirmed, notifications = tell(order, Status.CONFIRMED, None, message.traceparent)
        outcome = step(CONFIRM_ORDER, self.store.confirm_order, order, [confirmed, *notifications])
        if outcome is Outcome.OK:
            step(PUBLISH_ORDER_CONFIRMED, self.publish, confirmed)
            step(NOTIFY, self.publish, *notifications)
        return None

    def reject(self, step: Steps, order: OrderInHand, reason: str, traceparent: str) -> None:
        """16 to 18 for an order that is refused; what was reserved for it goes back (15c)."""
        rejected, notifications = tell(order, Status.REJECTED, reason, traceparent)
        reserved = reason == "payment_declined"
        steps = (RELEASE_INVENTORY, REJECT_ORDER) if reserved else REJECT_ORDER
        messages = [rejected, *notifications]
        outcome = step(steps, self.store.reject_order, order, reason, messages, release=reserved)
        if outcome is Outcome.REJECTED:
            step(PUBLISH_ORDER_REJECTED, self.publish, rejected)
            step(NOTIFY, self.publish, *notifications)

    def leave_as_settled(self, step: Steps, order: OrderInHand) -> None:
        """14 to 16 for a message that comes again: nothing is left to do, and its messages are the outbox's."""
        if order.status is Status.CONFIRMED:
            step.already_done(RESERVE_INVENTORY)
            step.already_done(PROCESS_PAYMENT)
            step.already_done(CONFIRM_ORDER)
        else:
            step.already_done(REJECT_ORDER)


def tell(order: OrderInHand, status: Status, reason: str | None, traceparent: str) -> tuple[Message, list[Message]]:
    """What is said of an order that is settled: the event for the fanout, and a notification an audience."""
    facts = {
        "order_id": order.order_id,
        "status": status,
        "total": str(order.total),
        "currency": order.currency,
        "rejection_reason": reason,
        "customer": {"name": order.customer_name, "email": order.customer_email},
    }
    kind = ORDER_CONFIRMED if status is Status.CONFIRMED else ORDER_REJECTED
    event = Message(kind, "/worker", order.order_id, facts, traceparent)
    notifications = [
        Message(
            NOTIFICATION,
            "/worker",
            order.order_id,
            {"audience": audience, "type": f"order.{status.lower()}", **facts},
            traceparent,
        )
        for audience in AUDIENCES
    ]
    return event, notifications
