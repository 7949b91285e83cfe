"""The lab's exchanges, queues and messages as AsyncAPI 3.0, made from topology.py and messages.py."""

from __future__ import annotations

from typing import Any

from kombu import Exchange, Queue

from orderlab import __version__
from orderlab.messages import AUDIENCES, NOTIFICATION, ORDER_CONFIRMED, ORDER_CREATED, ORDER_REJECTED
from orderlab.order import CURRENCY, REJECTION_REASONS, Status
from orderlab.services.openapi import MONEY, ORDER_ID, Schema, object_of
from orderlab.topology import DEAD, EXCHANGES, NOTIFICATIONS, QUEUES, ROUTES, WORKER_QUEUE

_BINDING = "0.3.0"
_ID: Schema = {"type": "string", "pattern": ORDER_ID}
_CONFIRMED: Schema = {"status": {"const": Status.CONFIRMED}, "rejection_reason": {"type": "null"}}
_REJECTED: Schema = {"status": {"const": Status.REJECTED}, "rejection_reason": {"enum": list(REJECTION_REASONS)}}


def _settled(end: Schema, first: Schema | None = None) -> Schema:
    """What is said of an order that has come to its end."""
    return object_of(
        {
            **(first or {}),
            "order_id": _ID,
            **end,
            "total": MONEY,
            "currency": {"const": CURRENCY},
            "customer": object_of({"name": {"type": "string"}, "email": {"type": "string"}}),
        }
    )


def _notification(end: Schema) -> Schema:
    kind = {"const": f"order.{end['status']['const'].lower()}"}
    return _settled(end, {"audience": {"enum": list(AUDIENCES)}, "type": kind})


_MESSAGES: dict[str, tuple[str, str, Schema]] = {  # who says it, what it tells, and its body
    ORDER_CREATED: ("/orders-api", "An order was received (9).", object_of({"order_id": _ID})),
    ORDER_CONFIRMED: ("/worker", "An order was paid for and is confirmed (17).", _settled(_CONFIRMED)),
    ORDER_REJECTED: ("/worker", "An order was refused, and why (17).", _settled(_REJECTED)),
    NOTIFICATION: (
        "/worker",
        "Somebody is to be told how an order ended (18).",
        {"oneOf": [_notification(_CONFIRMED), _notification(_REJECTED)]},
    ),
}

_PUBLISHERS = {"/orders-api": "orders-api", "/worker": "the worker"}
_CONSUMERS = {
    WORKER_QUEUE.name: ("the worker", "12"),
    NOTIFICATIONS["operations"].name: ("the notifier", "18a"),
    NOTIFICATIONS["customer"].name: ("the notifier", "18b"),
}


def _message(name: str) -> Schema:
    source, summary, payload = _MESSAGES[name]
    headers = {
        "cloudEvents_id": {"type": "string", "description": "the same however often it is sent"},
        "cloudEvents_source": {"const": source},
        "cloudEvents_type": {"const": name},
        "cloudEvents_subject": {**_ID, "description": "the order's id"},
        "cloudEvents_time": {"type": "string", "format": "date-time"},
        "cloudEvents_specversion": {"const": "1.0"},
        "cloudEvents_traceparent": {"type": "string", "description": "W3C Trace Context"},
    }
    return {
        "name": name,
        "summary": summary,
        "contentType": "application/json",
        "headers": {"type": "object", "properties": headers, "required": list(headers)},
        "payload": payload,
    }


def _routed_to(entity: Exchange | Queue) -> list[str]:
    """The types of the messages that come to an exchange, or into a queue by its name or by its exchange."""
    if entity == DEAD:
        return list(_MESSAGES)
    exchange = entity.name if isinstance(entity, Exchange) else entity.exchange.name
    key = entity.name if exchange == "" else ""
    return list(
        dict.fromkeys(
            kind.partition("/")[0]
            for kind, route in ROUTES.items()
            if (route.exchange, route.routing_key) == (exchange, key)
        )
    )


def _channel(entity: Exchange | Queue) -> Schema:
    settings = {"name": entity.name, "durable": entity.durable, "autoDelete": entity.auto_delete, "vhost": "/"}
    binding: Schema
    if isinstance(entity, Exchange):
        said = "A fanout: each queue that is bound to it gets its own copy."
        binding = {"is": "routingKey", "exchange": {**settings, "type": entity.type}}
    else:
        said = f"A queue, bound to the exchange {entity.exchange.name}." if entity.exchange.name else "A queue."
        binding = {"is": "queue", "queue": {**settings, "exclusive": entity.exclusive}}
        binding["x-arguments"] = dict(entity.queue_arguments)
    if entity == DEAD:
        said += " Dead letters: any of these messages, or what is none at all, with the reason in its headers."
    return {
        "address": "" if isinstance(entity, Exchange) else entity.name,
        "description": said,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _routed_to(entity)},
        "bindings": {"amqp": {**binding, "bindingVersion": _BINDING}},
    }


def _operation(action: str, channel: str, kind: str, summary: str, **binding: Any) -> Schema:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{kind}"}],
        "bindings": {"amqp": {**binding, "bindingVersion": _BINDING}},
    }


def _operations() -> Schema:
    operations: Schema = {}
    for name, route in ROUTES.items():
        kind, _, audience = name.partition("/")
        source, summary, _payload = _MESSAGES[kind]
        channel = route.exchange or route.routing_key
        who = f"{summary} By {_PUBLISHERS[source]}, or by the relay from the outbox; confirmed by the broker."
        operations[f"publish{kind}{audience.capitalize()}"] = _operation("send", channel, kind, who, deliveryMode=2)
    for queue, (consumer, step) in _CONSUMERS.items():
        (kind,) = CHANNELS[queue]["messages"]
        audience = queue.rpartition(".")[2].capitalize() if kind == NOTIFICATION else ""
        who = f"Consumed by {consumer} ({step}), which acknowledges when it is done."
        operations[f"consume{kind}{audience}"] = _operation("receive", queue, kind, who, ack=True)
    return operations


CHANNELS: Schema = {entity.name: _channel(entity) for entity in (*EXCHANGES, *QUEUES)}

ASYNCAPI: Schema = {
    "asyncapi": "3.0.0",
    "info": {
        "title": "orderlab: exchanges, queues and messages",
        "version": __version__,
        "description": "What travels through RabbitMQ in Create Order: JSON in CloudEvents (binary mode).",
        "license": {"name": "MIT"},
    },
    "defaultContentType": "application/json",
    "servers": {
        "rabbitmq": {
            "host": "127.0.0.1:{port}",
            "protocol": "amqp",
            "protocolVersion": "0-9-1",
            "description": "The lab's own broker; `./lab status --json` has its port.",
            "variables": {"port": {"default": "5672"}},
        }
    },
    "channels": CHANNELS,
    "operations": _operations(),
    "components": {"messages": {name: _message(name) for name in _MESSAGES}},
}
