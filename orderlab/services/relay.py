"""The relay: publishes what the outbox holds and nobody else has published (9, 17, 18)."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

from nameko.timer import timer

from orderlab.errors import AlreadyPublished, DatabaseAway
from orderlab.journal import Steps
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
                if not self.crew.work({row["event_id"]: row for row in waiting}, self.publish_one):
                    break
        except DatabaseAway as error:
            log.warning("%s", error.detail)

    def publish_one(self, head: dict[str, Any]) -> None:
        """Publish a message that nobody else has in hand, as the step it stands for.

        The event is written by the transaction that marks the message. It begins behind the gate: whoever is halted
        there holds nothing that its own publisher could need.
        """
        arrow, held = STEP_OF[head["type"]], list[Message]()
        repeats = {arrow.label: lambda: step.perform(self.publish, *held)}
        step: Steps = self.journal.steps(head["order_id"], head["traceparent"], head["attempt"], repeats)
        perform = partial(self.perform, step, held)
        try:
            step(arrow, self.store.publish_unpublished, head["event_id"], perform)
        except AlreadyPublished:
            return

    def perform(self, step: Steps, held: list[Message], row: dict[str, Any]) -> None:
        """Publish the message of this row, which is `held` meanwhile."""
        message = Message(
            row["type"],
            row["source"],
            row["order_id"],
            row["data"],
            row["traceparent"],
            str(row["event_id"]),
            row["created_at"],
        )
        held.append(message)
        step.perform(self.publish, message)
        step.note(by="relay")
