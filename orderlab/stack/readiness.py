"""Whether a program does its work, asked as its clients would: an AMQP handshake, an SQL query, an HTTP request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import amqp
import httpx
import psycopg
from kombu import Queue
from kombu.utils.url import parse_url

from orderlab import topology
from orderlab.identity import HEADER
from orderlab.language import N_, _
from orderlab.stack import control, ports, supervisor
from orderlab.stack.home import Home, PortTaken, StackError, State

_CALLED = {
    "postgresql": "PostgreSQL",
    "rabbitmq": "RabbitMQ",
    "orders-api": "the Orders API",
    "portal": N_("the portal"),
    "jupyter": "JupyterLab",
}
Check = Callable[[], None]
FAILURES = (OSError, psycopg.Error, amqp.AMQPError, httpx.HTTPError)
"""What a check raises."""

_MORE_PORTS = {"rabbitmq": ("erlang", "management")}
_CHANCES = 3  # as often a program may end before it is given up


def database(url: str) -> None:
    """One query; raise `psycopg.Error` where it is not answered."""
    with psycopg.connect(url, connect_timeout=5) as connection:
        connection.execute("SELECT 1")


def broker(url: str) -> None:
    """A handshake; raise `OSError` or an AMQP error where it fails."""
    _connect(url).close()


def consumes(state: State, name: str, *queues: Queue) -> None:
    """Each of the service's processes consumes each of these queues; raise `ConnectionError` otherwise."""
    connection = _connect(state.amqp_url)
    try:
        for queue, counted in topology.count(connection.channel(), queues).items():
            if counted.consumers < state.scale.get(name, 1):
                raise ConnectionError(_("{name} does not consume {queue} yet", name=name, queue=queue))
    finally:
        connection.close()


def own(state: State, url: str) -> None:
    """A health check that must be answered with success, and with this lab's id; raise `httpx.HTTPError` otherwise."""
    answer = httpx.get(url, timeout=5, trust_env=False).raise_for_status()
    if answer.headers.get(HEADER, "") != state.lab:
        raise ConnectionError(_("{url} is another lab's", url=url))


def notebooks(state: State) -> None:
    """JupyterLab lets this lab's token in; raise `httpx.HTTPError` otherwise."""
    address = httpx.URL(state.jupyter_url or "")
    header = {"Authorization": f"token {address.params.get('token', '')}"}
    url = address.copy_with(path="/api/status", query=None)
    httpx.get(url, headers=header, timeout=5, trust_env=False).raise_for_status()


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


def runs(state: State, name: str, running: Iterable[control.Process]) -> None:
    """As many processes as are asked for, each at its port, or where it has none for a second at least.

    Raises `ConnectionError` otherwise. It comes before the check proper: a stranger may have the port, and would be
    shown the lab's passwords.
    """
    mine = [process for process in running if process.program == name]
    if any(process.state == control.FROZEN for process in mine):
        raise ConnectionError(_("frozen by SIGSTOP; ./lab up thaws it"))
    port = state.ports.get(name)
    alive = [process for process in mine if process.state == "RUNNING" and (process.age or port)]
    if len(alive) < state.scale.get(name, 1):
        raise ConnectionError(_("does not run"))
    if port and not all(ports.listens(process.pid, port) for process in alive):
        raise ConnectionError(_("does not listen on port {port}", port=port))


def checks(state: State, names: Iterable[str]) -> dict[str, Check]:
    """A check for each of these programs, whose processes run."""
    answer: dict[str, Check] = {
        "postgresql": lambda: database(state.database_url),
        "rabbitmq": lambda: broker(state.amqp_url),
        "orders-api": lambda: own(state, f"{state.api_url}/health/ready"),
        "portal": lambda: own(state, f"{state.portal_url}/health"),
        "jupyter": lambda: notebooks(state),
        "worker": lambda: consumes(state, "worker", topology.WORKER_QUEUE),
        "notifier": lambda: consumes(state, "notifier", *topology.NOTIFICATIONS.values()),
    }
    return {name: answer.get(name, lambda: None) for name in names}


def failing(state: State, names: Iterable[str]) -> dict[str, str]:
    """Which of these programs fail their check now, and why. All are asked at once: one that hangs keeps nobody."""
    running = control.processes(state) if state.programs else []

    def ask(one: tuple[str, Check]) -> str:
        name, check = one
        try:
            if name in state.programs:
                runs(state, name, running)
            check()
        except FAILURES as error:
            return str(error).splitlines()[0] if str(error) else type(error).__name__
        return ""

    asked = checks(state, names)
    with ThreadPoolExecutor(len(asked) or 1) as pool:
        return {name: reason for name, reason in zip(asked, pool.map(ask, asked.items()), strict=True) if reason}


def wait(home: Home, state: State, names: Iterable[str], seconds: float = 180.0) -> None:
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
                    raise StackError(
                        _(
                            "{called} did not start: {last_words}",
                            called=called(process.program),
                            last_words=_last_words(home, process.program),
                        )
                    )
        if time.monotonic() > end:
            name, reason = next(iter(reasons.items()))
            raise StackError(
                _(
                    "{called} did not get ready in {seconds:.0f} s: {reason}: {last_words}",
                    called=called(name),
                    seconds=seconds,
                    reason=reason,
                    last_words=_last_words(home, name),
                )
            )
        time.sleep(0.05)


def need_named(state: State, variables: Mapping[str, str], seconds: float = 5.0) -> None:
    """The servers that a person named must answer by then; `StackError` says which variable names one that does not."""
    end = time.monotonic() + seconds
    while reasons := failing(state, variables):
        if time.monotonic() > end:
            name, reason = next(iter(reasons.items()))
            raise StackError(
                _(
                    "The {called} that {variables} names does not answer: {reason}",
                    called=called(name),
                    variables=variables[name],
                    reason=reason,
                )
            )
        time.sleep(0.1)


def called(name: str) -> str:
    """What people call a program."""
    return _CALLED.get(name, f"the {name}")


def _need_port(state: State, process: control.Process) -> None:
    """Of a program that ended: raise `PortTaken` if that is why."""
    for name in (process.program, *_MORE_PORTS.get(process.program, ())):
        port = state.ports.get(name)
        if port and not ports.is_free(port) and not _ours_listens(state, process.program, port):
            raise PortTaken(
                _(
                    "Another program has taken port {port} from {name}. Run ./lab down, then ./lab up.",
                    port=port,
                    name=name,
                )
            )


def _ours_listens(state: State, program: str, port: int) -> bool:
    return any(ports.listens(process.pid, port) for process in control.processes(state, program) if process.pid)


def _last_words(home: Home, name: str) -> str:
    file = next(iter(sorted(home.logs.glob(f"{name}*.log"))), home.logs / name)
    said = supervisor.last_words(file.read_text(errors="replace")) if file.exists() else _("it said nothing")
    return _("{said} (./lab logs {name} has the rest)", said=said[:300], name=name)
