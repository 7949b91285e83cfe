"""A notifier in place of the lab's."""

from orderlab.build import *


class Notifier:
    """Delivers notifications as webhooks (18a, 18b)."""

    name = "notifier"

    notifications = Notifications()
    webhooks = Webhooks()

    @deliver("notifications.operations")
    def notify_operations(self, delivery):
        self.notify(delivery, WEBHOOK_OPERATIONS)

    @deliver("notifications.customer")
    def notify_customer(self, delivery):
        self.notify(delivery, WEBHOOK_CUSTOMER)

    def notify(self, delivery, arrow):
        delivery.step(arrow, self.webhooks.send, delivery.message)
        self.notifications.settle(delivery, "delivered")
