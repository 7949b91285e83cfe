"""Waiting for PostgreSQL in a greenlet: psycopg's own way to wait made of selectors, at a third of its cost.

`wait_selector` builds a selector for every statement, and eventlet's is slow to build; this asks the hub directly.
"""

from __future__ import annotations

from time import monotonic
from typing import Any

import psycopg
from eventlet import hubs, patcher
from greenlet import getcurrent
from psycopg import waiting
from psycopg.waiting import READY_NONE, READY_R, READY_W, WAIT_R, WAIT_W

_select = patcher.original("select")


def install() -> None:
    """Have psycopg wait like this, in a process that eventlet has patched."""
    waiting.wait = wait


def wait(gen: Any, fileno: int, interval: float = 0.0, timeout: float | None = None) -> Any:
    """Run psycopg's generator to its end and return its value; the contract is `psycopg.waiting.wait_selector`'s.

    `interval` and `timeout` are in seconds. Raises psycopg's `_WaitTimeout` when `timeout` is over.
    """
    deadline = None if timeout is None else monotonic() + timeout
    try:
        wanted = next(gen)
        while True:
            seconds = interval if deadline is None else max(0.0, min(interval, deadline - monotonic()))
            wanted = gen.send(_ready(fileno, wanted) or until_ready(fileno, wanted, seconds)) or wanted
            if deadline is not None and monotonic() >= deadline:
                raise psycopg.errors._WaitTimeout("wait timeout expired")
    except StopIteration as end:
        return end.value


def until_ready(fileno: int, wanted: int, seconds: float | None = None) -> int:
    """What of `wanted` the socket is ready for; nothing after `seconds`. Meanwhile other greenlets run."""
    hub, me = hubs.get_hub(), getcurrent()
    listeners = []
    if wanted & WAIT_R:
        listeners.append(hub.add(hub.READ, fileno, lambda _: me.switch(READY_R), me.throw, None))
    if wanted & WAIT_W:
        listeners.append(hub.add(hub.WRITE, fileno, lambda _: me.switch(READY_W), me.throw, None))
    timer = None if seconds is None else hub.schedule_call_global(seconds, me.switch, READY_NONE)
    try:
        return int(hub.switch())
    finally:
        if timer:
            timer.cancel()
        for listener in listeners:
            hub.remove(listener)


def _ready(fileno: int, wanted: int) -> int:
    """What of `wanted` the socket is ready for now. A socket can nearly always be written to."""
    poll = _select.poll()
    poll.register(fileno, (_select.POLLIN if wanted & WAIT_R else 0) | (_select.POLLOUT if wanted & WAIT_W else 0))
    ready = 0
    for _, events in poll.poll(0):
        if events & ~_select.POLLOUT and wanted & WAIT_R:
            ready |= READY_R
        if events & ~_select.POLLIN and wanted & WAIT_W:
            ready |= READY_W
    return ready
