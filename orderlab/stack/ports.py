"""Loopback ports: the well-known one where it is free, else a free one, kept from one start to the next."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil  # type: ignore[import-untyped]

from orderlab.language import _
from orderlab.stack.home import StackError

PREFERRED = {
    "orders-api": 8000,
    "portal": 8080,
    "jupyter": 8888,
    "rabbitmq": 5672,
    "management": 15672,  # RabbitMQ's own page
    "postgresql": 5432,
}
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
            if (lock := _lock(port)) is None:
                continue
            if is_free(port):
                break
            os.close(lock)
        else:
            raise StackError(_("No free port was found between 20000 and 30000. Stop what listens there."))
        choice.ports[name] = port
        choice.locks.append(lock)
        if before and before != port:
            choice.lines.append(
                _(
                    "Port {before} is taken by another program: {name} is at {port} now.",
                    before=before,
                    name=name,
                    port=port,
                )
            )


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
    """Whether it is this process that listens on the port (or may be: some systems don't show another user's)."""
    try:
        sockets = psutil.Process(pid).net_connections("tcp4")
        return any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in sockets)
    except psutil.AccessDenied:
        return True
    except (psutil.Error, ValueError):
        return False


def _lock(port: int) -> int | None:
    """Keep the port from every other lab of this machine, whoever's it is: one may be down for a moment. None: taken.

    The lock is the UDP port of the same number. One process alone can have it, the system takes it back with the last
    of those who inherited it, and there is no file that could be stale, or another user's.
    """
    lock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        lock.bind(("127.0.0.1", port))
    except OSError:
        lock.close()
        return None
    return lock.detach()
