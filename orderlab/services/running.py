"""Runs a service class in this process, in the way that all of the lab's are run. eventlet has patched it before."""

from __future__ import annotations

import gc
import logging
import os

from nameko.cli.run import run

from orderlab.errors import OrderlabError
from orderlab.services import green
from orderlab.settings import Settings

WORKERS = {"orders-api": 64, "worker": 16, "notifier": 64, "relay": 1}
"""Requests or messages that a service has in hand at once; for those that consume, also the prefetch count."""

NICENESS = {"notifier": 10}
"""On a small machine webhooks give way to orders."""


def serve(service: type, name: str) -> None:
    """Run the service until SIGTERM or SIGINT; `name` is the lab's for it."""
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
    gc.freeze()  # what was imported is there to stay: no need to look through it again and again
    gc.set_threshold(20_000, 20, 50)
    run([service], config)


def _unforeseen(record: logging.LogRecord) -> bool:
    """Whether Nameko's trace of a worker's error is news: an error of ours is an answer, and told where it is given."""
    return not (record.exc_info and isinstance(record.exc_info[1], OrderlabError))
