"""A message counts as published once the broker has confirmed it, and never before."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from kombu import Connection, Queue

from tests.support import RunningLab

PUBLISH = """
import eventlet
eventlet.monkey_patch()
import sys
from orderlab.errors import BrokerAway
from orderlab.services.publishing import Letter, Post
try:
    Post(sys.argv[1]).send(*(Letter(body.encode(), {}, "", sys.argv[2]) for body in sys.argv[3:]))
except BrokerAway as error:
    sys.exit(error.detail)
"""


def publish(lab: RunningLab, queue: str, *bodies: str) -> str:
    """Publish as the services do, in a process that eventlet has patched; what it said of a failure."""
    command = [sys.executable, "-W", "ignore", "-c", PUBLISH, lab.amqp_url, queue, *bodies]
    told = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60, env=dict(os.environ), check=False)
    return told.stderr.strip()


@pytest.fixture
def full(lab: RunningLab) -> Iterator[Any]:
    """A queue with a message in it that takes no other: the broker refuses what comes."""
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
    with Connection(lab.amqp_url) as connection:
        queue = Queue(f"full-{uuid.uuid4().hex[:8]}", durable=True, queue_arguments=arguments)(connection.channel())
        queue.declare()
        yield queue
        queue.delete()


def test_a_message_that_the_broker_refuses_does_not_count_as_published(lab: RunningLab, full: Any) -> None:
    assert publish(lab, full.name, "1") == ""
    assert "refused" in publish(lab, full.name, "2")
    assert full.get(no_ack=True).body == "1"
    assert publish(lab, full.name, "3") == ""  # room again: it is taken, and there when `send` returns
    assert full.get(no_ack=True).body == "3"


def test_of_messages_that_go_out_together_one_that_is_refused_is_told(lab: RunningLab, full: Any) -> None:
    assert "refused" in publish(lab, full.name, "1", "2")
    assert full.get(no_ack=True).body == "1"
