"""One call, many times at the same moment."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from orderlab.errors import LabError
from orderlab.language import _

T = TypeVar("T")

MOST = 500
"""Threads that a kernel can bear."""


def at_once(times: int, call: Callable[..., T], arguments: Sequence[Any], named: Mapping[str, Any]) -> list[T]:
    """The results of so many calls, each in a thread of its own. Raises `LabError` for what can't be called so."""
    if not 1 <= times <= MOST:
        raise LabError(_("At once can be from 1 to {most} calls, and not {times}.", most=MOST, times=times))
    try:
        inspect.signature(call).bind(*arguments, **named)
    except (TypeError, ValueError) as error:
        raise LabError(_("It can't be called so: {error}.", error=error)) from None
    gate = threading.Barrier(times)

    def one(_: int) -> T:
        gate.wait()
        return call(*arguments, **named)

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))
