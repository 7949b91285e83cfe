"""Progress while the environment is made: a line that renews itself on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Unready(Exception):
    """Something that the lab needs is not to be had here. The message says what to do."""


_PRINTING = threading.Lock()


def say(line: str) -> None:
    """Print one line of progress (to stderr: stdout belongs to the command)."""
    with _PRINTING:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


@contextmanager
def progress(doing: str, done: str = "") -> Iterator[None]:
    """Say what is being done, and how long it took when it is done (if `done` names it)."""
    say(f"  {doing} …")
    begun = time.monotonic()
    yield
    if done:
        say(f"  {done} ({time.monotonic() - begun:.0f} s)")
