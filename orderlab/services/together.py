"""Writing together: what several greenlets want written at one time goes out as one, each of them waiting for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from eventlet.semaphore import Semaphore

from orderlab.errors import OrderlabError

T = TypeVar("T")


@dataclass
class Batch(Generic[T]):
    """What goes out together, and what became of it."""

    things: list[T] = field(default_factory=list)
    sent: bool = False
    error: Exception | None = None


class Together(Generic[T]):
    """Calling it returns when the thing is written, or raises what writing it has raised.

    One batch is on its way at a time; meanwhile the next gathers.
    """

    def __init__(self, write: Callable[[list[T]], object]) -> None:
        self._write = write
        self._turn = Semaphore(1)
        self._gathering = Batch[T]()

    def __call__(self, thing: T) -> None:
        batch = self._gathering
        batch.things.append(thing)
        with self._turn:
            if not batch.sent:  # the first of a batch whose turn it is writes it
                batch.sent, self._gathering = True, Batch()
                try:
                    self._write(batch.things)
                except Exception as error:
                    batch.error = error
        if batch.error and len(batch.things) > 1 and not isinstance(batch.error, OrderlabError):
            self._write([thing])  # one that can't be written at all must not keep the others from it
        elif batch.error:
            raise batch.error
