"""Processes of a lab whose supervisor was killed: nobody keeps them. Known by the mark in their environment."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import psutil  # type: ignore[import-untyped]

from orderlab.stack.home import Home
from orderlab.stack.programs import MARK


def find(variable: str, value: str) -> list[psutil.Process]:
    """Every process with this in its environment, but for this one and those it runs under (a shell in JupyterLab)."""
    here = psutil.Process()
    family = {here.pid, *(parent.pid for parent in here.parents())}
    return [
        process for process in psutil.process_iter() if process.pid not in family and _value(process, variable) == value
    ]


PATIENCE = 3.0
"""Seconds for a process to end when asked to."""


def stop(home: Home, patience: float = PATIENCE, but: int = 0) -> int:
    """End what runs for this lab without a supervisor (`but`: the pid of one that goes on). The number of processes."""
    kept = {but, *(child.pid for child in psutil.Process(but).children(recursive=True))} if but else set()
    return end([process for process in find(MARK, str(home.path)) if process.pid not in kept], patience)


def end(found: list[psutil.Process], patience: float = PATIENCE) -> int:
    """Ask processes to end, then, after `patience` seconds, end them. Their number."""
    for process in found:
        _quietly(process.resume)
        _quietly(process.terminate)
    _, left = psutil.wait_procs(found, timeout=patience)
    for process in left:
        _quietly(process.kill)
    psutil.wait_procs(left, timeout=5)
    return len(found)


def _value(process: psutil.Process, variable: str) -> str | None:
    try:
        value: str | None = process.environ().get(variable)
        return value
    except (psutil.Error, OSError):
        return None  # another user's, or just ended


def _quietly(act: Callable[[], None]) -> None:
    with contextlib.suppress(psutil.Error):  # it ended by itself meanwhile
        act()
