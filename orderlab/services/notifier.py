"""The notifier: delivers notifications as signed webhooks (18a, 18b), apart from the worker, never holding it up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

import orjson
from nameko.extensions import DependencyProvider
from standardwebhooks.webhooks import Webhook
from tenacity import RetryError, Retrying, stop_after_delay, wait_exponential

from orderlab import topology
from orderlab.errors import UnprocessableMessage, WebhookGivenUp, WebhookRefused
from orderlab.messages import AUDIENCES, Message
from orderlab.sequence import WEBHOOK_CUSTOMER, WEBHOOK_FAILED, WEBHOOK_OPERATIONS
from orderlab.services.database import DeliveredProvider, JournalProvider, StoreProvider
from orderlab.services.messaging import Delivery, deliver
from orderlab.services.posting import Poster
from orderlab.settings import Settings


class Webhooks:
    """Signs and sends webhooks (Standard Webhooks), patiently."""

    def __init__(self, settings: Settings) -> None:
        self._signer = Webhook(settings.webhook_secret)
        self._patience = float(settings.webhook_patience)
        self._http = Poster(f"{settings.portal_url}/webhooks")

    def send(self, message: Message) -> int:
        """Deliver, trying again with back-off; return the tries it took. Raise `WebhookGivenUp` when patience ends."""
        try:
            self._post(message)
        except Exception as error:
            return self._try_again(message, error)
        return 1

    def _try_again(self, message: Message, first: Exception) -> int:
        """The tries after the first, which ended in this error. Tenacity begins here: it is dear under eventlet."""
        tries = 0

        def attempt() -> None:
            nonlocal tries
            tries += 1
            if tries == 1:
                raise first
            self._post(message)

        try:
            Retrying(wait=wait_exponential(multiplier=0.25, max=5), stop=stop_after_delay(self._patience))(attempt)
        except RetryError as error:
            reason = error.last_attempt.exception()
            raise WebhookGivenUp(f"given up after {tries} tries: {reason}") from error
        return tries

    def _post(self, message: Message) -> None:
        payload = orjson.dumps(
            {
                "type": message.data["type"],
                "timestamp": message.time.isoformat(),
                "data": {name: value for name, value in message.data.items() if name != "type"},
            }
        )
        now = datetime.now(UTC)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(message.id, now, payload.decode()),
            "traceparent": message.traceparent,
        }
        status = self._http.post(f"/{message.data['audience']}", headers, payload)
        if not 200 <= status < 300:
            raise WebhookRefused(f"the inbox answered {status}")


class WebhooksProvider(DependencyProvider):
    """Gives the notifier its `Webhooks`."""

    def setup(self) -> None:
        self.webhooks = Webhooks(Settings.from_environment().need("webhook_secret"))

    def get_dependency(self, worker_ctx: Any) -> Webhooks:
        return self.webhooks


class Notifier:
    """Takes notifications from their queues, one an audience, and delivers them to the portal's inbox."""

    name: ClassVar[str] = "notifier"

    store = StoreProvider()
    journal = JournalProvider()
    webhooks = WebhooksProvider()
    delivered = DeliveredProvider()

    @deliver(topology.NOTIFICATIONS["operations"])
    def notify_operations(self, delivery: Delivery) -> None:
        """18a."""
        self.notify(delivery)

    @deliver(topology.NOTIFICATIONS["customer"])
    def notify_customer(self, delivery: Delivery) -> None:
        """18b."""
        self.notify(delivery)

    def notify(self, delivery: Delivery) -> None:
        """Deliver the webhook, or give up with the reason; either way the order's journal says so."""
        message = delivery.message
        if message.data.get("audience") not in AUDIENCES or "type" not in message.data:
            raise UnprocessableMessage("The message is no notification: it needs an audience and a type.")
        delivery.acks = False
        step = delivery.begin(self.journal)
        arrow = WEBHOOK_OPERATIONS if message.data["audience"] == "operations" else WEBHOOK_CUSTOMER
        try:
            tries = step(arrow, self.webhooks.send, message)
        except WebhookGivenUp as error:
            step.events[-1].name = WEBHOOK_FAILED
            step.note(reason=error.detail)
            self.store.settle_failed(message.id, error.detail, step.events)
        else:
            step.note(tries=tries, webhook_id=message.id)
            self.delivered(message.id, step.events)
