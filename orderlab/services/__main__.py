"""Run one service: `python -m orderlab.services worker`."""

from __future__ import annotations

import os

# psycopg's own wait freezes every other greenlet during a query; this one cooperates. Read when psycopg is imported.
os.environ.setdefault("PSYCOPG_WAIT_FUNC", "wait_selector")

import warnings

warnings.filterwarnings("ignore", message=r"\s*Eventlet is")
warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)

import eventlet
from eventlet import hubs

hubs.use_hub("poll")  # whoever waits comes and goes with each statement: epoll wants two system calls for that
eventlet.monkey_patch()

import gc
import importlib
import logging
import sys

from nameko.cli.run import run

from orderlab.errors import OrderlabError
from orderlab.services import green
from orderlab.settings import Settings

SERVICES = {
    "orders-api": "OrdersApi",
    "worker": "Worker",
    "notifier": "Notifier",
    "relay": "Relay",
}
WORKERS = {"orders-api": 64, "worker": 16, "notifier": 64, "relay": 1}
"""Requests or messages that a service has in hand at once; for those that consume, also the prefetch count."""

NICENESS = {"notifier": 10}
"""On a small machine webhooks give way to orders."""


def _unforeseen(record: logging.LogRecord) -> bool:
    """Whether Nameko's trace of a worker's error is news: an error of ours is an answer, and told where it is given."""
    return not (record.exc_info and isinstance(record.exc_info[1], OrderlabError))


def main(name: str) -> None:
    """Run the service until SIGTERM or SIGINT."""
    green.install()
    os.nice(NICENESS.get(name, 0))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for talkative in ("httpx", "nameko.web.server", "amqp", "kombu"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    logging.getLogger("nameko.containers").addFilter(_unforeseen)
    settings = Settings.from_environment().need("database_url", "amqp_url")
    config = {
        "AMQP_URI": settings.amqp_url,
        "WEB_SERVER_ADDRESS": settings.api_address,
        "max_workers": WORKERS[name],
    }
    module = importlib.import_module(f"orderlab.services.{name.replace('-', '_')}")
    gc.freeze()  # what was imported is there to stay: no need to look through it again and again
    gc.set_threshold(20_000, 20, 50)
    run([getattr(module, SERVICES[name])], config)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in SERVICES:
        sys.exit(f"Say which service: python -m orderlab.services {' | '.join(SERVICES)}")
    try:
        main(sys.argv[1])
    except OrderlabError as error:
        sys.exit(error.detail)
