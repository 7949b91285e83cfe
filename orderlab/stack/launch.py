"""Becomes one program of the lab: `launch.py programs.json NAME`, started by supervisord.

A file of its own, run with the standard library only (`python -I`): it takes some 20 ms before the real program starts.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000


def main(table: str, name: str) -> None:
    """Read how the program is run, tie it to its supervisor, and become it."""
    parent = os.getppid()
    _not_too_often()
    program: dict[str, Any] = json.loads(Path(table).read_text())[name]
    if program.get("not_root") and os.getuid() == 0:
        _leave_root()
    _die_with_the_supervisor(parent, program["stop_signal"])
    if folder := program.get("postgres_data"):
        _await_orphans(Path(folder))
    os.chdir(program["folder"])
    os.execve(program["command"][0], program["command"], program["environment"])


def _not_too_often() -> None:
    """What is started again within a second of its last start waits a second: what can't run must not spin."""
    if name := os.environ.get("SUPERVISOR_PROCESS_NAME"):
        mark = Path("started", name)
        mark.parent.mkdir(exist_ok=True)
        if mark.exists() and 0 <= time.time() - mark.stat().st_mtime < 1:
            time.sleep(1)
        mark.touch()


def _die_with_the_supervisor(parent: int, stop_signal: str) -> None:
    """A supervisor killed by SIGKILL can't stop its children: on Linux the kernel does (elsewhere the next `up`)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, getattr(signal, f"SIG{stop_signal}"), 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            sys.exit(1)


def _leave_root() -> None:
    """PostgreSQL refuses to run as root: it gets a user namespace, where it is user 1000 and its files are its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER):
        sys.exit(
            "PostgreSQL refuses to run as root, and this machine allows no user namespaces. "
            "Run ./lab as an ordinary user, or name a running PostgreSQL in ORDERLAB_DATABASE_URL."
        )
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text("1000 0 1")
    Path("/proc/self/gid_map").write_text("1000 0 1")


def _await_orphans(data: Path) -> None:
    """After a SIGKILL the server's children hold its shared memory a moment: a new server would refuse to start."""
    try:
        segment = (data / "postmaster.pid").read_text().splitlines()[6].split()[1]
    except (OSError, IndexError):
        return
    end = time.monotonic() + 5
    while time.monotonic() < end and _attached(segment):
        time.sleep(0.02)


def _attached(segment: str) -> bool:
    try:
        rows = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    except OSError:
        return False
    return any(row.split()[1] == segment and row.split()[6] != "0" for row in rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
