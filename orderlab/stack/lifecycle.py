"""A lab's life: up, down, what runs now, how many of each service, empty again."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psycopg

from orderlab import schema, topology
from orderlab.language import N_, _
from orderlab.stack import control, plan, ports, programs, readiness, strays, supervisor, work
from orderlab.stack.home import ROOT, SERVICES, Home, PortTaken, StackError, State

_SERVERS = ("postgresql", "rabbitmq")
_NEED_SERVERS = (*SERVICES, "portal")
_WHAT_NOW = N_("./lab status says what runs, ./lab up starts it.")
_QUIET_WITHIN = 2.0  # seconds in which an order that was just placed has come to its end

Say = Callable[[str], None]


@dataclass(frozen=True)
class Service:
    """One program's processes.

    `state` is RUNNING where all are and pass their check, NOT READY where they don't pass it, FROZEN where one was
    halted by SIGSTOP, else the supervisor's word for one that does not run.
    """

    pids: list[int]
    state: str


@dataclass(frozen=True)
class Status:
    """A lab as it is now. `ready`: each program passes its check. Addresses are empty while the lab is down."""

    ready: bool
    api_url: str
    portal_url: str
    management_url: str
    jupyter_url: str | None
    amqp_url: str
    database_url: str
    services: dict[str, Service]
    started: bool = False  # by this very `up`
    reasons: Mapping[str, str] = field(default_factory=dict)  # of each program that fails its check
    own: Mapping[str, str] = field(default_factory=dict)  # files of a student's that run in place of a program

    def as_dict(self) -> dict[str, object]:
        """What `./lab status --json` prints."""
        return {name: value for name, value in asdict(self).items() if name not in ("started", "reasons", "own")}


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


def down(path: Path, *, keep_jupyter: bool = False) -> bool:
    """Stop the lab, servers last, and whatever was left of it; whether there was anything to stop.

    With `keep_jupyter` a JupyterLab that runs is left as it is, with its kernels and the supervisor over it.
    """
    home = Home(path)
    with home.alone():
        state = home.state()
        if not state or not control.answers(state):
            found = strays.stop(home)
        elif keep_jupyter and _runs_jupyter(state):
            _stop(state, but="jupyter")
            strays.stop(home, patience=0, but=state.supervisor_pid)
            return True
        else:
            _stop(state)
            control.end(state)
            # What is left is Erlang's epmd alone: it would take a second, and has nothing to save.
            found = strays.stop(home, patience=0)
        home.forget()
        return bool(state or found)


def status(path: Path) -> Status:
    """The lab as it is now, each program asked."""
    state = Home(path).state()
    if not state or not control.answers(state):
        return Status(False, "", "", "", None, "", "", {})
    return _status(state, readiness.failing(state, {*_SERVERS, *state.programs}))


def attached(path: Path) -> State:
    """What to know of a running lab; raise `StackError` where there is none."""
    state = Home(path).state()
    if not state or not control.answers(state):
        raise StackError(_("The lab is not up. Run ./lab up."))
    return state


def scale(path: Path, wanted: Mapping[str, int]) -> None:
    """Have this many processes of each of these services run, now and from now on."""
    for service, number in wanted.items():
        if service not in programs.SCALABLE:
            raise StackError(
                _(
                    "Only {known} can be scaled: {service} is one process.",
                    known=", ".join(programs.SCALABLE),
                    service=service,
                )
            )
        if not 1 <= number <= programs.MOST_PROCESSES:
            raise StackError(_("Choose from 1 to {most_processes} processes.", most_processes=programs.MOST_PROCESSES))
    home = Home(path)
    with home.alone():
        state = attached(path)
        state.scale |= wanted
        home.remember(state)
        for service, number in wanted.items():
            all_of_them = control.processes(state, service)
            control.start(state, [process for process in all_of_them[:number] if not process.wanted])
            control.stop(state, all_of_them[number:])
        readiness.wait(home, state, wanted)


def reset(path: Path) -> None:
    """Empty the orders, the queues and the portal's inbox, and restock.

    Where something is on its way (an order, a webhook) the services are ended before and started again after: it
    would come out of their hands into an empty lab, and be a dead letter there.
    """
    home = Home(path)
    with home.alone():
        state = attached(path)
        try:
            if not _reset_quietly(state):
                _reset_with_services_away(home, state)
        except topology.AWAY as error:
            raise StackError(_("RabbitMQ does not answer. {what_now}", what_now=_(_WHAT_NOW))) from error
        except psycopg.Error as error:
            raise StackError(_("PostgreSQL does not answer. {what_now}", what_now=_(_WHAT_NOW))) from error
        if home.inbox.exists():
            with closing(sqlite3.connect(home.inbox, timeout=10)) as inbox, inbox:
                if inbox.execute("SELECT 1 FROM sqlite_master WHERE name = 'inbox'").fetchone():
                    inbox.execute("DELETE FROM inbox")
                    inbox.execute("DELETE FROM reports")


def _reset_quietly(state: State) -> bool:
    """Reset a lab in which nothing is on its way, or soon nothing is; False where something stays so."""
    end = time.monotonic() + _QUIET_WITHIN
    while time.monotonic() < end:
        with contextlib.suppress(schema.InFlight):
            if not topology.waiting(state.amqp_url):
                schema.reset(state.database_url, quiet=True)
                topology.purge(state.amqp_url, [topology.DEAD])
                return True
        time.sleep(0.1)
    return False


def _reset_with_services_away(home: Home, state: State) -> None:
    services = [process for process in control.processes(state) if process.program in SERVICES and process.wanted]
    control.stop(state, services, at_once=True)
    try:
        end = time.monotonic() + _QUIET_WITHIN
        while topology.consumers(state.amqp_url) and time.monotonic() < end:  # until the broker has all of it back
            time.sleep(0.05)
        schema.reset(state.database_url)
        topology.purge(state.amqp_url)
    finally:
        control.start(state, services)
    readiness.wait(home, state, {process.program for process in services})


def _begin_where_free(home: Home, with_jupyter: bool, say: Say) -> State:
    """Begin, again if another program takes a port between our look at it and our use of it."""
    for _again in range(2):
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
    thawed = control.thaw(control.processes(state))
    if thawed:
        known = ", ".join(sorted({process.program for process in thawed}))
        say(_("thawing {known} …", known=known))
    if with_jupyter and "jupyter" not in state.programs:
        plan.add_jupyter(home, state)
    elif not thawed and not readiness.failing(state, {*_SERVERS, *state.programs}):
        return False
    _start(home, state, say)
    return True


def _start(home: Home, state: State, say: Say) -> None:
    """Start what does not run, what others need first; return when all of it is ready."""
    home.remember(state)
    if "jupyter" in state.programs:
        work.lay(ROOT, home.work)
        addresses = {"Portal": state.portal_url, "API": state.api_url, _("RabbitMQ's own page"): state.management_url}
        work.write_start(home.work, addresses)
    first = [name for name in state.programs if name not in _NEED_SERVERS]
    if first:
        known = _(" and ").join(readiness.called(name) for name in first)
        say(_("starting {known} …", known=known))
    _start_missing(state, first)
    readiness.wait(home, state, _SERVERS)
    say(_("starting the services …"))
    passwords = {service: home.secrets()[f"database:{service}"] for service in schema.RIGHTS}
    try:
        schema.prepare(state.database_url, passwords)
        topology.declare(state.amqp_url)
    except readiness.FAILURES as error:  # a named server may lack rights, or have other tables or queues
        raise StackError(_("The servers could not be prepared for the lab: {error}", error=error)) from error
    _start_missing(state, _NEED_SERVERS)
    readiness.wait(home, state, state.programs)


def _start_missing(state: State, names: Iterable[str]) -> None:
    for name in names:
        of_it = control.processes(state, name)[: state.scale.get(name, 1)]
        control.start(state, [process for process in of_it if not process.wanted])


def _runs_jupyter(state: State) -> bool:
    return any(process.wanted for process in control.processes(state, "jupyter"))


def _stop(state: State, but: str = "") -> None:
    """Services before servers; `but` this program."""
    running = [process for process in control.processes(state) if process.program != but]
    control.stop(state, [process for process in running if process.program not in _SERVERS])
    control.stop(state, [process for process in running if process.program in _SERVERS])


def _status(state: State, failing: dict[str, str], *, started: bool = False) -> Status:
    services = {}
    for name in state.programs:
        of_it = control.processes(state, name)[: state.scale.get(name, 1)]
        words = [process.state for process in of_it if process.state != "RUNNING"]
        ready = "NOT READY" if name in failing else "RUNNING"
        services[name] = Service([process.pid for process in of_it if process.pid], (words or [ready])[0])
    return Status(
        ready=not failing,
        api_url=state.api_url,
        portal_url=state.portal_url,
        management_url=state.management_url,
        jupyter_url=state.jupyter_url,
        amqp_url=state.amqp_url,
        database_url=state.database_url,
        services=services,
        started=started,
        reasons=failing,
        own=state.own,
    )
