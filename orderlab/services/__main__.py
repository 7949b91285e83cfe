"""Run one service: `python -m orderlab.services worker`, or a file of a student's as one (orderlab/build/own.py)."""

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

import importlib
import sys

from orderlab.errors import OrderlabError
from orderlab.services.running import serve

SERVICES = {
    "orders-api": "OrdersApi",
    "worker": "Worker",
    "notifier": "Notifier",
    "relay": "Relay",
}


def main(name: str) -> None:
    """Run the service until SIGTERM or SIGINT."""
    module = importlib.import_module(f"orderlab.services.{name.replace('-', '_')}")
    serve(getattr(module, SERVICES[name]), name)


if __name__ == "__main__":
    if sys.argv[1:2] == ["own"]:
        own = importlib.import_module("orderlab.build.own")
        sys.exit(own.main(*sys.argv[2:]))
    if len(sys.argv) != 2 or sys.argv[1] not in SERVICES:
        sys.exit(f"Say which service: python -m orderlab.services {' | '.join(SERVICES)}")
    try:
        main(sys.argv[1])
    except OrderlabError as error:
        sys.exit(error.detail)
