"""Processor time by process: user and system seconds of whole process trees, from the operating system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import psutil  # type: ignore[import-untyped]


def seconds(processes: Mapping[str, Sequence[int]], but: int = 0) -> dict[str, float]:
    """What each has used so far, with all its children, those that have ended too; without the process `but`."""
    return {name: sum(_tree(psutil.Process(pid), but) for pid in pids) for name, pids in processes.items()}


def _tree(root: psutil.Process, but: int) -> float:
    used = 0.0
    for process in (root, *root.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:  # its parent has its time by now, or will have it at the next look
            continue
        # What has ended and was waited for counts with its parent (a connection's backend with PostgreSQL).
        used += times.children_user + times.children_system
        used += times.user + times.system if process.pid != but else 0
    return used
