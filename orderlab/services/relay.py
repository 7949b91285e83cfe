"""The relay: publishes what the outbox holds and nobody else has published (9, 17, 18)."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from nameko.timer import timer

from orderlab.errors import DatabaseAway
from orderlab.journal import Events, Steps
from orderlab.messages import NOTIFICATION, ORDER_CONFIRMED, ORDER_CREATED, ORDER_REJECTED, Message
from orderlab.sequence import (
    NOTIFY,
    PUBLISH_ORDER_CONFIRMED,
    PUBLISH_ORDER_CREATED,
    PUBLISH_ORDER_REJECTED,
)
from orderlab.services.crew import Crew
from orderlab.services.database import JournalProvider, StoreProvider
from orderlab.services.messaging import PublisherProvider

GRACE = timedelta(seconds=2)
"""How long a message is left to its own publisher."""
BATCH = 100

STEP_OF = {
    ORDER_CREATED: PUBLISH_ORDER_CREATED,
    ORDER_CONFIRMED: PUBLISH_ORDER_CONFIRMED,
    ORDER_REJECTED: PUBLISH_ORDER_REJECTED,
    NOTIFICATION: NOTIFY,
}

log = logging.getLogger(__name__)


class Relay:
    """Sweeps the outbox once a second. A crashed publisher notifies nobody, so this looks; mostly at an empty index."""

    name: ClassVar[str] = "relay"

    store = StoreProvider()
    journal = JournalProvider()
    publish = PublisherProvider()
    crew = Crew()

    @timer(interval=1)
    def sweep(self) -> None:
        """Publish, oldest first, until nothing is left; a server that is away is tried again at the next sweep."""
        try:
            while waiting := self.store.list_unpublished(GRACE, BATCH, self.crew.in_hand):
                if not self.crew.work(waiting, self.publish_one):
                    break
        except DatabaseAway as error:
            log.warning("%s", error.detail)

    def publish_one(self, event_id: UUID) -> None:
        """Publish a message that nobody else has in hand."""
        self.store.publish_unpublished(event_id, self.perform)

    def perform(self, row: dict[str, Any]) -> Events:
        """Publish it as the step it stands for; the event is written by the transaction that marks the message."""
        step: Steps = self.journal.steps(row["order_id"], row["traceparent"], row["attempt"])
        message = Message(
            row["type"],
            row["source"],
            row["order_id"],
            row["data"],
            row["traceparent"],
            str(row["event_id"]),
            row["created_at"],
        )
        step(STEP_OF[message.type], self.publish, step, message)
        step.note(by="relay")
        return step.events
