"""`python -m orderlab.health worker`: whether the program in this container does its work. Exit status 1 if not."""

from __future__ import annotations

import os
import sys
import urllib.request
from collections.abc import Callable

from kombu import Queue

from orderlab import topology
from orderlab.settings import Settings

PATIENCE = 4.0
"""Seconds an answer may take."""
LONGEST_IN_OUTBOX = 30
"""Seconds after which a message that still waits in the outbox says that nobody relays it."""


class Unhealthy(Exception):
    """The program does not do its work; the message says what is missing."""


def serves(url: str) -> None:
    """An address answers with success; raise `OSError` otherwise."""
    # A proxy in the environment has no business with the container's own address.
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=PATIENCE).close()


def consumes(amqp_url: str, *queues: Queue) -> None:
    """Each queue has a consumer; raise `Unhealthy` otherwise."""
    for name, counted in topology.look(amqp_url, queues).items():
        if not counted.consumers:
            raise Unhealthy(f"nobody consumes {name}")


def relays(database_url: str) -> None:
    """No message has been waiting in the outbox for long; raise `Unhealthy` otherwise."""
    import psycopg

    with psycopg.connect(database_url, connect_timeout=int(PATIENCE)) as connection:
        waiting = connection.execute(
            "SELECT count(*) FROM outbox"
            " WHERE published_at IS NULL AND created_at < clock_timestamp() - make_interval(secs => %s)",
            (LONGEST_IN_OUTBOX,),
        ).fetchone()
    if waiting and waiting[0]:
        raise Unhealthy(f"{waiting[0]} messages wait in the outbox")


def checks(settings: Settings) -> dict[str, Callable[[], None]]:
    """A check for each program; the servers are reached at the addresses that the program itself is given."""
    api, portal = (address.rpartition(":")[2] for address in (settings.api_address, settings.portal_address))
    return {
        "orders-api": lambda: serves(f"http://127.0.0.1:{api}/health/ready"),
        "worker": lambda: consumes(settings.amqp_url, topology.WORKER_QUEUE),
        "notifier": lambda: consumes(settings.amqp_url, *topology.NOTIFICATIONS.values()),
        "relay": lambda: relays(settings.database_url),
        "portal": lambda: serves(f"http://127.0.0.1:{portal}/health"),
        "jupyter": lambda: serves(f"http://127.0.0.1:{os.environ['JUPYTER_PORT']}/api"),
    }


def main(words: list[str]) -> str | None:
    """Check one program; what is wrong with it, or None."""
    known = checks(Settings.from_environment())
    if len(words) != 1 or words[0] not in known:
        return f"Say which program: python -m orderlab.health {' | '.join(known)}"
    try:
        known[words[0]]()
    except Exception as error:  # whatever it is, the answer is no
        return f"{words[0]}: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
