"""The messages: OrderCreated, OrderConfirmed, OrderRejected, Notification, to and from CloudEvents (binary mode)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from cloudevents.core.bindings import amqp
from cloudevents.core.exceptions import CloudEventValidationError

from orderlab.errors import UnprocessableMessage
from orderlab.language import _

ORDER_CREATED = "OrderCreated"
ORDER_CONFIRMED = "OrderConfirmed"
ORDER_REJECTED = "OrderRejected"
NOTIFICATION = "Notification"
AUDIENCES = ("operations", "customer")

_OURS = {f"cloudEvents_{name}" for name in ("id", "source", "type", "subject", "time", "specversion", "traceparent")}


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
        headers = {
            "cloudEvents_id": self.id,
            "cloudEvents_source": self.source,
            "cloudEvents_type": self.type,
            "cloudEvents_subject": self.subject,
            # The binding's timestamp is AMQP 1.0's; in the headers of AMQP 0-9-1 that would be a bare number.
            "cloudEvents_time": self.time.isoformat(),
            "cloudEvents_specversion": "1.0",
            "cloudEvents_traceparent": self.traceparent,
        }
        return orjson.dumps(self.data), headers

    @classmethod
    def from_amqp(cls, body: bytes, headers: Mapping[str, Any]) -> Message:
        """Read what `to_amqp` wrote; raise `UnprocessableMessage` that says what is wrong with it."""
        return cls._plain(body, headers) or cls._judged(body, headers)

    @classmethod
    def _plain(cls, body: bytes, headers: Mapping[str, Any]) -> Message | None:
        """A message as ours are, read at once; None if there is anything about it that has to be judged."""
        found = {name: value for name, value in headers.items() if name.startswith("cloudEvents")}
        if found.keys() != _OURS or not all(type(value) is str and value for value in found.values()):
            return None
        try:
            data, time = json.loads(body), datetime.fromisoformat(found["cloudEvents_time"])
        except ValueError:
            return None
        if type(data) is not dict or time.tzinfo is None or found["cloudEvents_specversion"] != "1.0":
            return None
        return cls(
            type=found["cloudEvents_type"],
            source=found["cloudEvents_source"],
            subject=found["cloudEvents_subject"],
            data=data,
            traceparent=found["cloudEvents_traceparent"],
            id=found["cloudEvents_id"],
            time=time,
        )

    @classmethod
    def _judged(cls, body: bytes, headers: Mapping[str, Any]) -> Message:
        """Any message, by the standard's own library."""
        try:
            if not headers.get("cloudEvents_id"):  # the binding would make one up
                raise UnprocessableMessage(_("The message is no CloudEvent: wrong or missing id."))
            event = amqp.from_binary_event(amqp.AMQPMessage({"content-type": "application/json"}, dict(headers), body))
            data, subject = event.get_data(), event.get_subject()
            if not isinstance(data, dict) or not subject:
                raise UnprocessableMessage(_("The message is no order event: it needs a JSON object and a subject."))
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
            raise UnprocessableMessage(
                _("The message is no CloudEvent: wrong or missing {problems}.", problems=problems)
            ) from None
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise UnprocessableMessage(_("The message's body is not JSON.")) from None
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            raise UnprocessableMessage(_("The message's headers can't be read: {error}.", error=error)) from None
