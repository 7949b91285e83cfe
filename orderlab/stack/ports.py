"""Loopback ports: the well-known one where it is free, else a free one, kept from one start to the next."""

from __future__ import annotations

import random
import socket

from orderlab.stack.home import StackError

PREFERRED = {"orders-api": 8000, "portal": 8080, "jupyter": 8888, "rabbitmq": 5672, "postgresql": 5432}
"""Where people look first. What is not named here is nobody's business, and gets any free port."""

# Below the range from which systems take ports for outgoing connections: what is free here stays free.
_OTHERS = range(20000, 30000)


def choose(names: list[str], remembered: dict[str, int]) -> tuple[dict[str, int], list[str]]:
    """A free port for each name, and a line for each remembered one that another program has taken meanwhile."""
    chosen: dict[str, int] = {}
    lines: list[str] = []
    for name in names:
        before = remembered.get(name)
        port = next((p for p in (before, PREFERRED.get(name)) if p and p not in chosen.values() and is_free(p)), None)
        chosen[name] = port or _any_free(set(chosen.values()))
        if before and chosen[name] != before:
            lines.append(f"Port {before} ({name}) has been taken by another program: {name} is at {chosen[name]} now.")
    return chosen, lines


def is_free(port: int) -> bool:
    """Whether nothing listens on the port of the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _any_free(taken: set[int]) -> int:
    for port in random.sample(_OTHERS, 200):
        if port not in taken and is_free(port):
            return port
    raise StackError("No free port was found between 20000 and 30000. Stop what listens there.")
