"""Whether a program does its work, asked as its clients would: an AMQP handshake, an SQL query, an HTTP request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from urllib.parse import urlsplit

import amqp
import httpx
import psycopg
from kombu import Queue
from kombu.utils.url import parse_url

from orderlab import topology
from orderlab.stack import control, ports, supervisor
from orderlab.stack.home import Home, PortTaken, StackError, State

_CALLED = {
    "postgresql": "PostgreSQL",
    "rabbitmq": "RabbitMQ",
    "orders-api": "the Orders API",
    "portal": "the portal",
    "jupyter": "JupyterLab",
}
Check = Callable[[], None]
FAILURES = (OSError, psycopg.Error, amqp.AMQPError, httpx.HTTPError)
"""What a check raises."""

_CHANCES = 3  # as often a program may end before it is given up


def database(url: str) -> None:
    """One query; raise `psycopg.Error` where it is not answered."""
    with psycopg.connect(url, connect_timeout=5) as connection:
        connection.execute("SELECT 1")


def broker(url: str) -> None:
    """A handshake; raise `OSError` or an AMQP error where it fails."""
    _connect(url).close()


def consumes(state: State, name: str, *queues: Queue) -> None:
    """Each of the service's processes runs and consumes each of these queues; raise `ConnectionError` otherwise."""
    runs(state, name)
    connection = _connect(state.amqp_url)
    try:
        channel = connection.channel()
        for queue in queues:
            if channel.queue_declare(queue.name, passive=True).consumer_count < state.scale.get(name, 1):
                raise ConnectionError(f"{name} does not consume {queue.name} yet")
    finally:
        connection.close()


def http(url: str) -> None:
    """A request that must be answered with success; raise `httpx.HTTPError` otherwise."""
    httpx.get(url, timeout=5, trust_env=False).raise_for_status()


def _connect(url: str) -> amqp.Connection:
    parts = parse_url(url)
    connection = amqp.Connection(
        host=f"{parts['hostname']}:{parts['port'] or 5672}",
        userid=parts["userid"] or "guest",
        password=parts["password"] or "guest",
        virtual_host=parts["virtual_host"] or "/",
        ssl=urlsplit(url).scheme == "amqps",
        connect_timeout=5,
        read_timeout=5,
    )
    connection.connect()
    return connection


def runs(state: State, name: str) -> None:
    """As many processes as are asked for, each for a second at least; raise `ConnectionError` otherwise."""
    running = [process for process in control.processes(state, name) if process.state == "RUNNING" and process.age]
    if len(running) < state.scale.get(name, 1):
        raise ConnectionError(f"{name} is not running")


def checks(state: State, names: Iterable[str]) -> dict[str, Check]:
    """A check for each of these programs."""
    answer: dict[str, Check] = {
        "postgresql": lambda: database(state.database_url),
        "rabbitmq": lambda: broker(state.amqp_url),
        "orders-api": lambda: http(f"{state.api_url}/health/ready"),
        "portal": lambda: http(f"{state.portal_url}/health"),
        "jupyter": lambda: http("{0.scheme}://{0.netloc}/api".format(urlsplit(state.jupyter_url or ""))),
        "worker": lambda: consumes(state, "worker", topology.WORKER_QUEUE),
        "notifier": lambda: consumes(state, "notifier", *topology.NOTIFICATIONS.values()),
    }
    return {name: answer.get(name, partial(runs, state, name)) for name in names}


def failing(state: State, names: Iterable[str]) -> dict[str, str]:
    """Which of these programs fail their check now, and why."""
    found = {}
    for name, check in checks(state, names).items():
        try:
            check()
        except FAILURES as error:
            found[name] = str(error).splitlines()[0] if str(error) else type(error).__name__
    return found


def wait(home: Home, state: State, names: Iterable[str], seconds: float = 60.0) -> None:
    """Wait until each of these programs passes its check; raise `StackError` that says which did not, and why.

    A program that ends again and again is given up at once.
    """
    begun, end = time.time(), time.monotonic() + seconds
    endings: dict[str, set[int]] = {}
    waiting = set(names)
    while reasons := failing(state, waiting):
        waiting = set(reasons)
        for process in control.processes(state):
            if process.program in waiting and process.ended_at > begun:
                _need_port(state, process)
                endings.setdefault(process.program, set()).add(process.ended_at)
                if len(endings[process.program]) > _CHANCES:
                    raise StackError(f"{called(process.program)} did not start: {_last_words(home, process.program)}")
        if time.monotonic() > end:
            name, reason = next(iter(reasons.items()))
            raise StackError(
                f"{called(name)} did not get ready in {seconds:.0f} s: {reason}: {_last_words(home, name)}"
            )
        time.sleep(0.05)


def need_named(state: State, variables: Mapping[str, str], seconds: float = 5.0) -> None:
    """The servers that a person named must answer by then; `StackError` says which variable names one that does not."""
    end = time.monotonic() + seconds
    while reasons := failing(state, variables):
        if time.monotonic() > end:
            name, reason = next(iter(reasons.items()))
            raise StackError(f"The {called(name)} that {variables[name]} names does not answer: {reason}")
        time.sleep(0.1)


def called(name: str) -> str:
    """What people call a program."""
    return _CALLED.get(name, f"the {name}")


def _need_port(state: State, process: control.Process) -> None:
    """Of a program that ended: raise `PortTaken` if that is why."""
    port = state.ports.get(process.program)
    if port and not ports.is_free(port) and not ports.listens(process.pid, port):
        raise PortTaken(f"Another program has taken port {port} from {process.program}. Run ./lab down, then ./lab up.")


def _last_words(home: Home, name: str) -> str:
    file = next(iter(sorted(home.logs.glob(f"{name}*.log"))), home.logs / name)
    said = supervisor.last_words(file.read_text(errors="replace")) if file.exists() else "it said nothing"
    return f"{said[:300]} (./lab logs {name} has the rest)"
