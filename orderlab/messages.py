"""The messages: OrderCreated, OrderConfirmed, OrderRejected, Notification, to and from CloudEvents (binary mode)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cloudevents.core.bindings import amqp
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.v1.event import CloudEvent

from orderlab.errors import UnprocessableMessage

ORDER_CREATED = "OrderCreated"
ORDER_CONFIRMED = "OrderConfirmed"
ORDER_REJECTED = "OrderRejected"
NOTIFICATION = "Notification"
AUDIENCES = ("operations", "customer")


@dataclass(frozen=True)
class Message:
    """One event as it travels: `subject` is the order's id, `data` the JSON body."""

    type: str
    source: str
    subject: str
    data: Mapping[str, Any]
    traceparent: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    time: datetime = field(default_factory=lambda: datetime.now(UTC))

    def as_row(self) -> dict[str, Any]:
        """The message as JSON, for the outbox."""
        return {
            "event_id": self.id,
            "type": self.type,
            "source": self.source,
            "data": dict(self.data),
            "traceparent": self.traceparent,
        }

    def to_amqp(self) -> tuple[bytes, dict[str, Any]]:
        """Body and headers (CloudEvents AMQP binding, binary mode, prefix `cloudEvents_`)."""
        event = CloudEvent(
            attributes={
                "id": self.id,
                "source": self.source,
                "type": self.type,
                "subject": self.subject,
                "time": self.time,
                "specversion": "1.0",
                "datacontenttype": "application/json",
                "traceparent": self.traceparent,
            },
            data=dict(self.data),
        )
        message = amqp.to_binary_event(event)
        # The binding writes AMQP 1.0's timestamp; in the headers of AMQP 0-9-1 that would be a bare number.
        headers = {**message.application_properties, "cloudEvents_time": self.time.isoformat()}
        return message.application_data, headers

    @classmethod
    def from_amqp(cls, body: bytes, headers: Mapping[str, Any]) -> Message:
        """Read what `to_amqp` wrote; raise `UnprocessableMessage` that says what is wrong with it."""
        try:
            if not headers.get("cloudEvents_id"):  # the binding would make one up
                raise UnprocessableMessage("The message is no CloudEvent: wrong or missing id.")
            event = amqp.from_binary_event(amqp.AMQPMessage({"content-type": "application/json"}, dict(headers), body))
            data, subject = event.get_data(), event.get_subject()
            if not isinstance(data, dict) or not subject:
                raise UnprocessableMessage("The message is no order event: it needs a JSON object and a subject.")
            return cls(
                type=event.get_type(),
                source=event.get_source(),
                subject=subject,
                data=data,
                traceparent=str(headers.get("cloudEvents_traceparent", "")),
                id=event.get_id(),
                time=event.get_time() or datetime.now(UTC),
            )
        except CloudEventValidationError as error:
            problems = ", ".join(sorted(str(name) for name in error.errors))
            raise UnprocessableMessage(f"The message is no CloudEvent: wrong or missing {problems}.") from None
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise UnprocessableMessage("The message's body is not JSON.") from None
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            raise UnprocessableMessage(f"The message's headers can't be read: {error}.") from None
