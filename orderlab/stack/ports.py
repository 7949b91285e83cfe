"""Loopback ports: the well-known one where it is free, else a free one, kept from one start to the next."""

from __future__ import annotations

import fcntl
import os
import random
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil  # type: ignore[import-untyped]

from orderlab.bootstrap import cache
from orderlab.stack.home import StackError

PREFERRED = {"orders-api": 8000, "portal": 8080, "jupyter": 8888, "rabbitmq": 5672, "postgresql": 5432}
"""Where people look first. What is not named here is nobody's business, and gets any free port."""

# Below the range from which systems take ports for outgoing connections: what is free here stays free.
_OTHERS = range(20000, 30000)


@dataclass
class Choice:
    """Ports by program; a line for each remembered one that another program has; the locks, as open files."""

    ports: dict[str, int] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    locks: list[int] = field(default_factory=list)


@contextmanager
def chosen(names: Iterable[str], remembered: dict[str, int]) -> Iterator[Choice]:
    """A free port for each name, locked: whoever inherits the locks keeps it, also while nothing listens there."""
    choice = Choice()
    try:
        _choose(choice, names, remembered)
        yield choice
    finally:
        for lock in choice.locks:
            os.close(lock)


def _choose(choice: Choice, names: Iterable[str], remembered: dict[str, int]) -> None:
    for name in names:
        before = remembered.get(name)
        candidates = [port for port in (before, PREFERRED.get(name)) if port]
        for port in (*candidates, *random.sample(_OTHERS, 100)):
            lock = _lock(port) if is_free(port) else None
            if lock is not None:
                break
        else:
            raise StackError("No free port was found between 20000 and 30000. Stop what listens there.")
        choice.ports[name] = port
        choice.locks.append(lock)
        if before and before != port:
            choice.lines.append(f"Port {before} is taken by another program: {name} is at {port} now.")


def is_free(port: int) -> bool:
    """Whether nothing listens on the port of the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def listens(pid: int, port: int) -> bool:
    """Whether it is this process that listens on the port."""
    try:
        return any(socket.laddr.port == port for socket in psutil.Process(pid).net_connections("tcp4"))
    except (psutil.Error, ValueError):
        return False


def _lock(port: int) -> int | None:
    """Keep the port from other labs of this person: one of theirs may be down for a moment. None where they have it."""
    file = cache.folder() / f"ports/{port}"
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
