"""What is measured: orderlab, the peer and the bare bound, each on servers of its own with the same settings."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg

from bench import bare
from orderlab import schema, stack
from orderlab.stack import Home, State

PEER = {"api": "orders-api", "worker": "worker", "notifier": "notifier", "relay": "relay", "inbox": "portal"}
"""The peer's roles, and which of orderlab's programs each stands in for."""


@dataclass(frozen=True)
class System:
    """Something that takes orders. `processes` are pids by name, the servers' too; `load` is what places the orders."""

    name: str
    database_url: str
    processes: Callable[[], Mapping[str, Sequence[int]]]
    reset: Callable[[], object]
    load: Callable[[int, int, int, str], list[str]]  # orders, clients, products, run: the command


def through(api_url: str) -> Callable[[int, int, int, str], list[str]]:
    """Load that comes by HTTP."""
    return lambda orders, clients, products, run: [
        *(sys.executable, "-m", "bench.load", api_url),
        *(str(orders), str(clients), str(products), run),
    ]


@contextmanager
def orderlab(home: Path) -> Iterator[System]:
    """orderlab as `./lab up` brings it up, without Jupyter."""
    stack.up(home, jupyter=False)
    try:
        state = stack.attached(home)
        yield System(
            "orderlab", state.database_url, lambda: pids(home), lambda: stack.reset(home), through(state.api_url)
        )
    finally:
        stack.down(home)


@contextmanager
def servers(home: Path) -> Iterator[State]:
    """PostgreSQL and RabbitMQ as orderlab has them, with its tables and queues, and none of its processes."""
    stack.up(home, jupyter=False)
    try:
        with without_services(home):
            yield stack.attached(home)
    finally:
        stack.down(home)


@contextmanager
def without_services(home: Path) -> Iterator[None]:
    """The lab's own services are away meanwhile; who wants them back says so with `stack.up`."""
    for program in PEER.values():
        stack.stop(home, program)
    yield


def pids(home: Path) -> dict[str, list[int]]:
    """The processes of a lab by program."""
    return {name: service.pids for name, service in stack.status(home).services.items() if service.pids}


@contextmanager
def peer(home: Path, state: State) -> Iterator[System]:
    """The peer on these servers, listening where orderlab would, each role as the database role it stands for."""
    roles = [Role(home, state, name) for name in PEER]
    try:
        with psycopg.connect(state.database_url) as database:
            from bench.peer.database import (
                queries,  # here, so that orderlab alone can be measured without its libraries
            )

            queries.prepare(database)
        for role in roles:
            role.start()
        for role in roles:
            role.wait_until_ready()
        running = {PEER[role.name]: [role.process.pid] for role in roles}
        yield System(
            "peer", state.database_url, lambda: pids(home) | running, lambda: stack.reset(home), through(state.api_url)
        )
    finally:
        for role in roles:
            role.stop()


class Role:
    """One process of the peer."""

    process: subprocess.Popen[bytes]

    def __init__(self, home: Path, state: State, name: str) -> None:
        self.name, self._state = name, state
        secrets, program = Home(home).secrets(), PEER[name]
        ports = state.ports
        self._log = Home(home).logs / f"peer-{name}.log"
        self._environment = os.environ | {
            "PYTHONUNBUFFERED": "1",
            "ORDERLAB_AMQP_URL": state.amqp_url,
            "ORDERLAB_DATABASE_URL": schema.role_url(state.database_url, program, secrets[f"database:{program}"]),
            "ORDERLAB_API_ADDRESS": f"127.0.0.1:{ports['orders-api']}",
            "ORDERLAB_PORTAL_ADDRESS": f"127.0.0.1:{ports['portal']}",
            "ORDERLAB_PORTAL_URL": state.portal_url,
            "ORDERLAB_PORTAL_DATA": str(Home(home).inbox),
            "ORDERLAB_JWT_SECRET": secrets["jwt"],
            "ORDERLAB_WEBHOOK_SECRET": secrets["webhook"],
        }

    def start(self) -> None:
        """Start it; what it says goes to the lab's logs."""
        with self._log.open("wb") as log:
            command = [sys.executable, "-m", "bench.peer", self.name]
            self.process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)

    def wait_until_ready(self, seconds: float = 90.0) -> None:
        """Return once it serves, or consumes; raise with the end of its log if it does not."""
        url = {"api": self._state.api_url, "inbox": self._state.portal_url}.get(self.name)
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            try:
                if httpx.get(f"{url}/health/ready").is_success if url else "ready" in self._log.read_text():
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise SystemExit(f"The peer's {self.name} did not start:\n{self._log.read_text()[-2000:]}")

    def stop(self) -> None:
        """Stop it, if it was started."""
        if hasattr(self, "process"):
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@contextmanager
def bare_bound(home: Path, state: State) -> Iterator[System]:
    """The bare loops on these servers; they start with a measurement's load, and end with it."""
    with bare.workers(state) as worker:
        yield System(
            "bare",
            state.database_url,
            lambda: pids(home) | {"worker": [worker.pid]},
            lambda: stack.reset(home),
            lambda orders, clients, products, run: [
                *(sys.executable, "-m", "bench.bare", "api", state.database_url, state.amqp_url),
                *(str(orders), str(clients), str(products), run),
            ],
        )
