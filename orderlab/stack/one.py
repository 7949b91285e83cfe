"""One program of a running lab: killed, frozen, stopped, started. What tests and faults of the environment need."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from orderlab.language import _
from orderlab.stack import control, readiness
from orderlab.stack.home import Home, StackError, State
from orderlab.stack.lifecycle import attached


def pids(path: Path, program: str) -> list[int]:
    """The processes of a program that run now."""
    return [process.pid for process in _processes(attached(path), program) if process.pid]


def kill(path: Path, program: str) -> list[int]:
    """SIGKILL every process of a program, and return their pids once they are gone. The supervisor brings them back.

    A large program takes some milliseconds to die, and answers until then.
    """
    found = [process.pid for process in _processes(attached(path), program) if process.pid]
    dying = [psutil.Process(pid) for pid in found if psutil.pid_exists(pid)]
    send(path, program, signal.SIGKILL)
    psutil.wait_procs(dying, timeout=10)
    return found


def send(path: Path, program: str, which: signal.Signals) -> list[int]:
    """Send a signal to every process of a program: SIGSTOP freezes it, SIGCONT thaws it. Returns their pids."""
    found = [process for process in _processes(attached(path), program) if process.pid]
    control.send(found, which)
    return [process.pid for process in found]


def stop(path: Path, program: str) -> None:
    """Stop a program, so that it stays away until `start`."""
    state = attached(path)
    control.stop(state, _processes(state, program))


def start(path: Path, program: str, *, seconds: float = 60.0) -> None:
    """Start a program that was stopped, thaw one that is frozen, wait for one that was killed; return when ready."""
    state = attached(path)
    wanted = _processes(state, program)[: state.scale.get(program, 1)]
    control.thaw(wanted)
    control.start(state, [process for process in wanted if not process.wanted])
    readiness.wait(Home(path), state, [program], seconds)


def _processes(state: State, program: str) -> list[control.Process]:
    if program not in state.programs:
        raise StackError(
            _(
                "There is no {program!r} in this lab. There are: {known}.",
                program=program,
                known=", ".join(state.programs),
            )
        )
    return control.processes(state, program)
