"""A lab's life: up, down, what runs now, how many of each service, empty again."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from orderlab import schema, topology
from orderlab.stack import control, plan, ports, programs, readiness, strays, supervisor
from orderlab.stack.home import SERVICES, Home, PortTaken, StackError, State

_SERVERS = ("postgresql", "rabbitmq")
_NEED_SERVERS = (*SERVICES, "portal")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Service:
    """One program's processes. `state` is RUNNING where all are, else the supervisor's word for one that is not."""

    pids: list[int]
    state: str


@dataclass(frozen=True)
class Status:
    """A lab as it is now. `ready`: each program passes its check. Addresses are empty while the lab is down."""

    ready: bool
    api_url: str
    portal_url: str
    jupyter_url: str | None
    amqp_url: str
    database_url: str
    services: dict[str, Service]
    started: bool = False  # by this very `up`

    def as_dict(self) -> dict[str, object]:
        """What `./lab status --json` prints."""
        return {name: value for name, value in asdict(self).items() if name != "started"}


def up(path: Path, *, jupyter: bool = True, say: Say = lambda line: None) -> Status:
    """Bring the lab in the folder `path` up, or what of it does not run; return when all of it is ready.

    `say` gets a line of progress now and then. Raises `StackError` that says what went wrong; what this call has
    started is then stopped again.
    """
    home = Home(path)
    with home.alone():
        state = home.state()
        if state and control.answers(state):
            started = _repair(home, state, jupyter, say)
        else:
            strays.stop(home)
            state, started = _begin_where_free(home, jupyter, say), True
    return _status(state, {}, started=started)


def down(path: Path) -> bool:
    """Stop the lab, servers last, and whatever was left of it; whether there was anything to stop."""
    home = Home(path)
    with home.alone():
        state = home.state()
        if state and control.answers(state):
            _stop(state)
            found = strays.stop(
                home, patience=0
            )  # Erlang's epmd alone: it would take a second, and has nothing to save
        else:
            found = strays.stop(home)
        home.forget()
        return bool(state or found)


def status(path: Path) -> Status:
    """The lab as it is now, each program asked."""
    state = Home(path).state()
    if not state or not control.answers(state):
        return Status(False, "", "", None, "", "", {})
    return _status(state, readiness.failing(state, {*_SERVERS, *state.programs}))


def attached(path: Path) -> State:
    """What to know of a running lab; raise `StackError` where there is none."""
    state = Home(path).state()
    if not state or not control.answers(state):
        raise StackError("The lab is not up. Run ./lab up.")
    return state


def scale(path: Path, service: str, processes: int) -> None:
    """Have this many processes of a service run, now and from now on."""
    if service not in programs.SCALABLE:
        raise StackError(f"Only {', '.join(programs.SCALABLE)} can be scaled: {service} is one process.")
    if not 1 <= processes <= programs.MOST_PROCESSES:
        raise StackError(f"Choose from 1 to {programs.MOST_PROCESSES} processes.")
    home = Home(path)
    with home.alone():
        state = attached(path)
        state.scale[service] = processes
        home.remember(state)
        all_of_them = control.processes(state, service)
        control.start(state, [process for process in all_of_them[:processes] if not process.wanted])
        control.stop(state, all_of_them[processes:])
        readiness.wait(home, state, [service])


def reset(path: Path) -> None:
    """Empty the orders, the queues and the portal's inbox, and restock."""
    home = Home(path)
    state = attached(path)
    topology.purge(state.amqp_url)
    schema.reset(state.database_url)
    if home.inbox.exists():
        with closing(sqlite3.connect(home.inbox, timeout=10)) as inbox, inbox:
            if inbox.execute("SELECT 1 FROM sqlite_master WHERE name = 'inbox'").fetchone():
                inbox.execute("DELETE FROM inbox")
                inbox.execute("DELETE FROM reports")


def _begin_where_free(home: Home, with_jupyter: bool, say: Say) -> State:
    """Begin, again if another program takes a port between our look at it and our use of it."""
    for _ in range(2):
        with contextlib.suppress(PortTaken):
            return _begin(home, with_jupyter, say)
    return _begin(home, with_jupyter, say)


def _begin(home: Home, with_jupyter: bool, say: Say) -> State:
    """Everything from nothing."""
    remembered, scale = home.choices()
    try:
        with ports.chosen([*ports.PREFERRED, "erlang", "epmd", "supervisor"], remembered) as choice:
            for line in choice.lines:
                say(line)
            state = plan.addresses(home, choice.ports, scale)
            plan.write(home, state)
            supervisor.launch(home, state, choice.locks)
        if with_jupyter:
            plan.add_jupyter(home, state)
        _start(home, state, say)
    except BaseException:  # Ctrl-C too: nothing is left half-started
        strays.stop(home)
        home.forget()
        raise
    return state


def _repair(home: Home, state: State, with_jupyter: bool, say: Say) -> bool:
    """Start what a running lab lacks; whether there was anything."""
    if with_jupyter and "jupyter" not in state.programs:
        plan.add_jupyter(home, state)
    elif not readiness.failing(state, {*_SERVERS, *state.programs}):
        return False
    _start(home, state, say)
    return True


def _start(home: Home, state: State, say: Say) -> None:
    """Start what does not run, what others need first; return when all of it is ready."""
    home.remember(state)
    first = [name for name in state.programs if name not in _NEED_SERVERS]
    if first:
        say(f"starting {' and '.join(readiness.called(name) for name in first)} …")
    _start_missing(state, first)
    readiness.wait(home, state, _SERVERS)
    say("starting the services …")
    passwords = {service: home.secrets()[f"database:{service}"] for service in schema.RIGHTS}
    try:
        schema.prepare(state.database_url, passwords)
        topology.declare(state.amqp_url)
    except readiness.FAILURES as error:  # a named server may lack rights, or have other tables or queues
        raise StackError(f"The servers could not be prepared for the lab: {error}") from error
    _start_missing(state, _NEED_SERVERS)
    readiness.wait(home, state, state.programs)


def _start_missing(state: State, names: Iterable[str]) -> None:
    for name in names:
        of_it = control.processes(state, name)[: state.scale.get(name, 1)]
        control.start(state, [process for process in of_it if not process.wanted])


def _stop(state: State) -> None:
    """Services before servers, then the supervisor itself."""
    running = control.processes(state)
    control.stop(state, [process for process in running if process.program not in _SERVERS])
    control.stop(state, [process for process in running if process.program in _SERVERS])
    control.end(state)


def _status(state: State, failing: dict[str, str], *, started: bool = False) -> Status:
    services = {}
    for name in state.programs:
        of_it = control.processes(state, name)[: state.scale.get(name, 1)]
        words = [process.state for process in of_it if process.state != "RUNNING"]
        services[name] = Service([process.pid for process in of_it if process.pid], (words or ["RUNNING"])[0])
    return Status(
        ready=not failing,
        api_url=state.api_url,
        portal_url=state.portal_url,
        jupyter_url=state.jupyter_url,
        amqp_url=state.amqp_url,
        database_url=state.database_url,
        services=services,
        started=started,
    )
