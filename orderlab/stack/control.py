"""What is asked of a supervisor that runs: which processes there are, and start, stop or signal one of them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import xmlrpc.client
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psutil  # type: ignore[import-untyped]

from orderlab.language import _
from orderlab.stack.home import StackError, State

FROZEN = "FROZEN"
"""The state of a process that was halted by SIGSTOP; the supervisor does not know of it."""

_RUNNING = ("RUNNING", "STARTING", "BACKOFF", FROZEN)


@dataclass(frozen=True)
class Process:
    """One process as the supervisor sees it. `state` is its word (RUNNING, STARTING, BACKOFF, STOPPED, …) or FROZEN."""

    program: str
    name: str
    pid: int
    state: str
    ended_at: int  # seconds since the epoch; 0: never yet
    age: int  # seconds since it was started

    @property
    def address(self) -> str:
        """What the supervisor calls it."""
        return f"{self.program}:{self.name}"

    @property
    def wanted(self) -> bool:
        """Whether the supervisor keeps it running (it may be between two tries)."""
        return self.state in _RUNNING


def answers(state: State) -> bool:
    """Whether the lab's supervisor is alive and answers."""
    if not is_alive(state.supervisor_pid):  # never offer the password to whoever has its port now
        return False
    try:
        return bool(_supervisor(state).getState()["statename"] == "RUNNING")
    except (OSError, xmlrpc.client.Error):
        return False


def processes(state: State, program: str | None = None) -> list[Process]:
    """The lab's processes (of one program); raise `StackError` where the supervisor is away."""
    return [
        Process(
            program=info["group"],
            name=info["name"],
            pid=info["pid"],
            state=FROZEN if info["statename"] == "RUNNING" and _is_frozen(info["pid"]) else info["statename"],
            ended_at=info["stop"],
            age=info["now"] - info["start"],
        )
        for info in _ask(state, "getAllProcessInfo")
        if program in (None, info["group"])
    ]


def start(state: State, names: Iterable[Process]) -> None:
    """Have these processes started, without waiting for them."""
    for process in names:
        _ask(state, "startProcess", process.address, False, unless="ALREADY_STARTED")


def stop(state: State, names: Iterable[Process], *, at_once: bool = False) -> None:
    """Stop these processes together, and return when they have ended; `at_once`: by SIGKILL."""
    stopping = [process for process in names if process.wanted]
    for process in stopping:
        _ask(state, "stopProcess", process.address, False, unless="NOT_RUNNING")
    send(stopping, signal.SIGKILL if at_once else signal.SIGCONT)  # what is frozen can't hear that it is to end
    names_left = {process.address for process in stopping}
    while names_left & {p.address for p in processes(state) if p.wanted or p.state == "STOPPING"}:
        time.sleep(0.05)


def send(processes: Iterable[Process], which: signal.Signals) -> None:
    """Send a signal to these processes, straight from here."""
    for process in processes:
        if process.pid:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself meanwhile
                os.kill(process.pid, which)


def thaw(names: Iterable[Process]) -> list[Process]:
    """Let the frozen ones of these go on; which those were."""
    frozen = [process for process in names if process.state == FROZEN]
    send(frozen, signal.SIGCONT)
    return frozen


def end(state: State) -> None:
    """End a supervisor that has nothing left to keep (asked to, it would take a second to notice)."""
    if is_alive(state.supervisor_pid):
        os.kill(state.supervisor_pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether there is such a supervisor (a zombie is none, nor is a stranger who got its number)."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and "supervisor.supervisord" in process.cmdline()
    except (psutil.Error, ValueError):
        return False


def _is_frozen(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    except (psutil.Error, ValueError):
        return False


def _supervisor(state: State) -> Any:
    return xmlrpc.client.ServerProxy(state.control_url).supervisor


def _ask(state: State, verb: str, *words: object, unless: str = "") -> Any:
    """One call; a fault whose name starts with `unless` is no failure."""
    try:
        return getattr(_supervisor(state), verb)(*words)
    except xmlrpc.client.Fault as fault:
        if unless and fault.faultString.startswith(unless):
            return None
        raise StackError(_("The supervisor refused: {refusal}", refusal=fault.faultString)) from fault
    except (OSError, xmlrpc.client.Error) as error:
        raise StackError(_("The lab's supervisor does not answer. Run ./lab up again: it repairs the lab.")) from error
