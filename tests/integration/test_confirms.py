"""A message counts as published once the broker has confirmed it, and never before."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from kombu import Connection, Queue

from orderlab.errors import BrokerAway
from orderlab.services.messaging import Broker
from orderlab.services.publishing import Letter
from tests.support import RunningLab


@pytest.fixture
def broker(lab: RunningLab, monkeypatch: pytest.MonkeyPatch) -> Broker:
    """What the services publish with."""
    monkeypatch.setenv("ORDERLAB_AMQP_URL", lab.amqp_url)
    broker = Broker()
    broker.setup()
    return broker


@pytest.fixture
def full(lab: RunningLab) -> Iterator[Any]:
    """A queue with a message in it that takes no other: the broker refuses what comes."""
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
    with Connection(lab.amqp_url) as connection:
        queue = Queue(f"full-{uuid.uuid4().hex[:8]}", durable=True, queue_arguments=arguments)(connection.channel())
        queue.declare()
        yield queue
        queue.delete()


def test_a_message_that_the_broker_refuses_does_not_count_as_published(broker: Broker, full: Any) -> None:
    broker.send(Letter(b"1", {}, "", full.name))
    with pytest.raises(BrokerAway):
        broker.send(Letter(b"2", {}, "", full.name))
    assert full.get(no_ack=True).body == "1"
    broker.send(Letter(b"3", {}, "", full.name))  # room again: it is taken, and there when `send` returns
    assert full.get(no_ack=True).body == "3"
