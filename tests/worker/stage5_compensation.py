"""Reference of stage 5."""

from orderlab.build import *


class Worker:
    """The worker's lane, 12 to 19. Returning from the method acknowledges the message (19)."""

    name = "worker"

    store = Store()
    gateway = Gateway()
    publish = Publisher()

    @deliver("orders.created.worker")
    def process_order(self, delivery):
        step, message = delivery.step, delivery.message
        if message.type != ORDER_CREATED:
            raise UnprocessableMessage(f"The worker takes {ORDER_CREATED}, and this is {message.type}.")
        order = step(CONSUME_ORDER_CREATED, self.store.take_up, message.subject)
        if order is None:
            raise UnprocessableMessage(f"There is no order {message.subject}.")
        if order.fresh and step(CHECK_INVENTORY, self.store.check_inventory, order) is Outcome.OUT_OF_STOCK:
            return self.reject(delivery, order, "out_of_stock")
        if step(RESERVE_INVENTORY, self.store.reserve_inventory, order, once=True) is Outcome.OUT_OF_STOCK:
            return self.reject(delivery, order, "out_of_stock")
        if step(PROCESS_PAYMENT, self.gateway.charge, order, order.order_id) is Outcome.DECLINED:
            return self.reject(delivery, order, "payment_declined")
        told = delivery.tell(order)
        event, *notifications = told
        if step(CONFIRM_ORDER, self.store.confirm_order, order, told, once=True) is Outcome.OK:
            step(PUBLISH_ORDER_CONFIRMED, self.publish, event)
            step(NOTIFY, self.publish, *notifications)
        return None

    def reject(self, delivery, order, reason):
        step = delivery.step
        told = delivery.tell(order, reason)
        event, *notifications = told
        declined = reason == "payment_declined"
        steps = (RELEASE_INVENTORY, REJECT_ORDER) if declined else REJECT_ORDER
        how = {"once": True, "release": declined}
        if step(steps, self.store.reject_order, order, reason, told, **how) is Outcome.REJECTED:
            step(PUBLISH_ORDER_REJECTED, self.publish, event)
            step(NOTIFY, self.publish, *notifications)
