"""The stop button of a notebook, or Ctrl-C: it ends what is waited for, and leaves nothing half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from orderlab.language import _


class Interrupted(KeyboardInterrupt):
    """Interrupted. The lab goes on by itself; what was begun in it stays begun."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or _(type(self).__doc__ or ""))

    def _render_traceback_(self) -> list[str]:
        """One line in a notebook."""
        return [f"{type(self).__name__}: {self.args[0]}"]


@contextmanager
def held_back(detail: str) -> Iterator[Callable[[], None]]:
    """Let an interrupt come only where the block calls what it is given, or at the block's end; as `Interrupted`."""
    if threading.current_thread() is not threading.main_thread():  # no other thread is ever interrupted
        yield lambda: None
        return
    came = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: came.set())

    def look() -> None:
        if came.is_set():
            came.clear()
            raise Interrupted(detail)

    try:
        yield look
    finally:
        _restore(before)
    look()


def _restore(handler: Any) -> None:
    """Give the signal back to whoever had it; None is a handler that Python does not know."""
    signal.signal(signal.SIGINT, signal.default_int_handler if handler is None else handler)
