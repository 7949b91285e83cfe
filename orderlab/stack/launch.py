"""Becomes one program of the lab: `launch.py programs.json NAME`, started by supervisord.

A file of its own, run with the standard library only (`python -I`): it takes some 20 ms before the real program starts.
"""

from __future__ import annotations

import ctypes
import json
import os
import pwd
import signal
import sys
import time
from pathlib import Path
from typing import Any

from orderlab.language import _

_PR_SET_PDEATHSIG = 1
_PR_SET_SECUREBITS = 28
_NO_SETUID_FIXUP = 1 << 2
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION = 0x20080522


def main(table: str, name: str) -> None:
    """Read how the program is run, tie it to its supervisor, and become it."""
    parent = os.getppid()
    _not_too_often()
    program: dict[str, Any] = json.loads(Path(table).read_text())[name]
    if folder := program["postgres_data"]:
        if os.getuid() == 0 and sys.platform == "linux":
            _leave_root(Path(folder))
        _await_orphans(Path(folder))
    _die_with_the_supervisor(parent, program["stop_signal"])
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


def _leave_root(data: Path) -> None:
    """PostgreSQL refuses to run as root: become nobody, with the one right that opens folders that are root's alone."""
    nobody = pwd.getpwnam("nobody")
    libc = ctypes.CDLL(None, use_errno=True)
    right = 1 << _CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    rights = (ctypes.c_uint32 * 6)(right, right, right)  # effective, permitted, inheritable
    try:
        _give(data, nobody.pw_uid, nobody.pw_gid)
        # Keeps rights across setuid, and has access(2) look at them: initdb asks so for its own neighbours.
        libc.prctl(_PR_SET_SECUREBITS, _NO_SETUID_FIXUP, 0, 0, 0)
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
        kept = libc.capset(header, rights) == 0
        kept = kept and libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0) == 0
    except OSError:
        kept = False
    if not kept:
        sys.exit(
            _(
                "PostgreSQL refuses to run as root, and this machine gives no way out of it. Run ./lab as an "
                "ordinary user, or name a running PostgreSQL in ORDERLAB_DATABASE_URL."
            )
        )


def _give(data: Path, user: int, group: int) -> None:
    """PostgreSQL wants its data to be its own: hand it over if it was another's."""
    if data.exists() and data.stat().st_uid != user:
        for path in (data, *data.rglob("*")):
            os.chown(path, user, group, follow_symlinks=False)


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
