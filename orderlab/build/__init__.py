"""What a program of your own may import: the entrypoints, the providers, the steps, the errors, the messages.

A worker is a class with a name, its dependencies, and one method an entrypoint (docs/your-worker.md):

    from orderlab.build import *

    class Worker:
        name = "worker"

        store = Store()
        gateway = Gateway()
        publish = Publisher()

        @deliver("orders.created.worker")
        def process_order(self, delivery):
            step = delivery.step
            order = step(CONSUME_ORDER_CREATED, self.store.take_up, delivery.message.subject)
            ...
"""

from __future__ import annotations

from nameko.timer import timer

from orderlab.build.entry import deliver
from orderlab.build.parts import ChargesProvider as Gateway
from orderlab.build.parts import NotificationsProvider as Notifications
from orderlab.build.parts import OutboxProvider as Outbox
from orderlab.build.parts import PublishProvider as Publisher
from orderlab.build.parts import TablesProvider as Store
from orderlab.errors import (
    BrokerAway,
    DatabaseAway,
    GatewayError,
    UnprocessableMessage,
    WebhookGivenUp,
)
from orderlab.messages import (
    NOTIFICATION,
    ORDER_CONFIRMED,
    ORDER_CREATED,
    ORDER_REJECTED,
    Message,
)
from orderlab.order import Status
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
    WEBHOOK_CUSTOMER,
    WEBHOOK_OPERATIONS,
    Outcome,
)
from orderlab.services.notifier import WebhooksProvider as Webhooks

__all__ = [
    "CHECK_INVENTORY",
    "CONFIRM_ORDER",
    "CONSUME_ORDER_CREATED",
    "NOTIFICATION",
    "NOTIFY",
    "ORDER_CONFIRMED",
    "ORDER_CREATED",
    "ORDER_REJECTED",
    "PROCESS_PAYMENT",
    "PUBLISH_ORDER_CONFIRMED",
    "PUBLISH_ORDER_REJECTED",
    "REJECT_ORDER",
    "RELEASE_INVENTORY",
    "RESERVE_INVENTORY",
    "WEBHOOK_CUSTOMER",
    "WEBHOOK_OPERATIONS",
    "BrokerAway",
    "DatabaseAway",
    "Gateway",
    "GatewayError",
    "Message",
    "Notifications",
    "Outbox",
    "Outcome",
    "Publisher",
    "Status",
    "Store",
    "UnprocessableMessage",
    "WebhookGivenUp",
    "Webhooks",
    "deliver",
    "timer",
]
