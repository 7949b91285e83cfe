"""The AsyncAPI document: true to its schema, to the topology, and to the messages that the services make."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from kombu import Queue

from orderlab.messages import NOTIFICATION, ORDER_CREATED, Message
from orderlab.order import REJECTION_REASONS, Design, OrderInHand, Status
from orderlab.services.asyncapi import ASYNCAPI
from orderlab.services.openapi import OPENAPI
from orderlab.services.worker import tell
from orderlab.topology import DEAD, EXCHANGES, LIVE, QUEUES, route
from orderlab.trace import new_traceparent

SCHEMA = json.loads((Path(__file__).parents[1] / "schemas/asyncapi-3.0.0.json").read_text("utf-8"))


def made() -> list[Message]:
    """One of each message, as the services make them."""
    order = OrderInHand(
        "ws-1", Status.RECEIVED, None, "Ada", "ada@example.com", "tok_ok", Decimal("49.90"), "EUR", Design(), 1
    )
    messages = [Message(ORDER_CREATED, "/orders-api", "ws-1", {"order_id": "ws-1"}, new_traceparent())]
    for status, reason in ((Status.CONFIRMED, None), *((Status.REJECTED, reason) for reason in REJECTION_REASONS)):
        event, notifications = tell(order, status, reason, new_traceparent())
        messages += [event, *notifications]
    return messages


def described(kind: str) -> dict[str, Any]:
    message: dict[str, Any] = ASYNCAPI["components"]["messages"][kind]
    return message


def test_the_document_keeps_to_the_schema_of_asyncapi() -> None:
    document = json.loads(json.dumps(ASYNCAPI))
    assert [f"{error.json_path}: {error.message}" for error in Draft7Validator(SCHEMA).iter_errors(document)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("channels", "orders.dead", "bindings", "amqp", "queue", "name"), 3),
        (("operations", "publishOrderCreated", "action"), "shout"),
        (("components", "messages", "OrderCreated", "payload", "type"), "thing"),
        (("info", "title"), None),
    ],
)
def test_the_schema_that_the_tests_carry_still_refuses(path: tuple[str, ...], value: Any) -> None:
    document = json.loads(json.dumps(ASYNCAPI))
    *way, last = path
    within = document
    for name in way:
        within = within[name]
    within[last] = value
    assert not Draft7Validator(SCHEMA).is_valid(document)


def test_each_exchange_and_queue_is_a_channel_with_its_settings() -> None:
    channels = ASYNCAPI["channels"]
    assert list(channels) == [entity.name for entity in (*EXCHANGES, *QUEUES)]
    for exchange in EXCHANGES:
        told = channels[exchange.name]["bindings"]["amqp"]["exchange"]
        assert (told["type"], told["durable"]) == (exchange.type, exchange.durable)
    for queue in QUEUES:
        assert channels[queue.name]["bindings"]["amqp"]["x-arguments"] == queue.queue_arguments


def test_every_message_is_found_where_it_is_published_and_where_it_waits() -> None:
    for message in made():
        there = route(message)
        for entity in there.declare:
            assert message.type in ASYNCAPI["channels"][entity.name]["messages"]
            assert message.type in ASYNCAPI["channels"][DEAD.name]["messages"]
        queues = [entity for entity in there.declare if isinstance(entity, Queue)]
        elsewhere = {queue.name for queue in LIVE} - {queue.name for queue in queues}
        if message.type != NOTIFICATION:
            assert [name for name in elsewhere if message.type in ASYNCAPI["channels"][name]["messages"]] == []


def test_every_message_that_the_services_make_is_as_it_is_described() -> None:
    for message in made():
        body, headers = message.to_amqp()
        told = described(message.type)
        assert set(headers) == set(told["headers"]["properties"])
        for part, value in (("headers", headers), ("payload", json.loads(body))):
            assert [error.message for error in Draft7Validator(told[part]).iter_errors(value)] == [], message.type


def test_a_body_that_lacks_something_is_not_as_described() -> None:
    for message in made():
        for name in message.data:
            lacking = {key: value for key, value in message.data.items() if key != name}
            assert not Draft7Validator(described(message.type)["payload"]).is_valid(lacking), name


def test_each_message_is_published_and_each_queue_consumed_by_an_operation() -> None:
    operations = ASYNCAPI["operations"].values()
    sent = {one["messages"][0]["$ref"].rpartition("/")[2] for one in operations if one["action"] == "send"}
    assert sent == set(ASYNCAPI["components"]["messages"])
    received = {one["channel"]["$ref"].removeprefix("#/channels/") for one in operations if one["action"] == "receive"}
    assert received == {queue.name for queue in LIVE}
    for one in operations:
        for message in one["messages"]:
            _, channels, channel, messages, name = message["$ref"].split("/")
            assert (channels, messages) == ("channels", "messages")
            assert name in ASYNCAPI["channels"][channel]["messages"]


def test_both_documents_are_described_in_the_contract_of_the_api() -> None:
    for path in ("/openapi.json", "/asyncapi.json"):
        assert set(OPENAPI["paths"][path]) == {"get"}
