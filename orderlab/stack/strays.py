"""Processes of a lab whose supervisor was killed: nobody keeps them. Known by the mark in their environment."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import psutil  # type: ignore[import-untyped]

from orderlab.stack.home import Home
from orderlab.stack.programs import MARK


def find(home: Home) -> list[psutil.Process]:
    """Every process with this lab's mark, but for this one and those it runs under (a terminal in JupyterLab)."""
    here = psutil.Process()
    family = {here.pid, *(parent.pid for parent in here.parents())}
    return [
        process for process in psutil.process_iter() if process.pid not in family and _mark(process) == str(home.path)
    ]


def stop(home: Home, patience: float = 5.0) -> int:
    """Ask them to end, then, after `patience` seconds, end them. The number of processes."""
    found = find(home)
    for process in found:
        _quietly(process.resume)
        _quietly(process.terminate)
    _, left = psutil.wait_procs(found, timeout=patience)
    for process in left:
        _quietly(process.kill)
    psutil.wait_procs(left, timeout=5)
    return len(found)


def _mark(process: psutil.Process) -> str | None:
    try:
        mark: str | None = process.environ().get(MARK)
        return mark
    except (psutil.Error, OSError):
        return None  # another user's, or just ended


def _quietly(act: Callable[[], None]) -> None:
    with contextlib.suppress(psutil.Error):  # it ended by itself meanwhile
        act()
