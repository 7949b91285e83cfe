"""The ways that an order takes through a program, step by step with its outcome. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from orderlab.sequence import PUBLISH_ORDER_REJECTED, REJECT_ORDER, Outcome, Step, find_step
from orderlab.simulation.tables import EventRow

Path = tuple[tuple[str, Outcome], ...]

_OK, _DONE = Outcome.OK, Outcome.ALREADY_DONE
_FIRST = tuple((label, _OK) for label in ("5", "6", "7", "8", "9", "10"))

API: dict[bool, Path] = {False: _FIRST, True: (*_FIRST[:4], ("9", Outcome.DEFERRED), _FIRST[5])}
"""A new order in the API, by whether its message is deferred."""
REPLAY: Path = (("5", _OK), ("6", _OK), ("7", Outcome.DUPLICATE))
"""The same request once more."""


@cache
def worker_path(*, again: bool, reserved: bool, paid: bool, short: bool, declined: bool) -> Path:
    """An order that is not settled, in the worker, from 12 to 19; the first three are what earlier deliveries did."""
    path = [("12", Outcome.REDELIVERED if again else _OK)]
    if not reserved:
        path.append(("13", Outcome.OUT_OF_STOCK if short else _OK))
    if short and not reserved:
        path.append(("16", Outcome.REJECTED))
    else:
        path.append(("14", _DONE if reserved else _OK))
        path.append(("15", Outcome.DECLINED if declined else _DONE if paid else _OK))
        path += [("15c", _OK), ("16", Outcome.REJECTED)] if declined else [("16", _OK)]
    return (*path, ("17", _OK), ("18", _OK), ("19", _OK))


@cache
def settled_path(confirmed: bool) -> Path:
    """An order that an earlier delivery has settled."""
    done = ("14", "15", "16") if confirmed else ("16",)
    return (("12", Outcome.REDELIVERED), *((label, _DONE) for label in done), ("19", _OK))


@cache
def deferred_path(path: Path) -> Path:
    """The same with the broker away at 17 and 18; the ack goes nowhere."""
    return (*path[:-3], ("17", Outcome.DEFERRED), ("18", Outcome.DEFERRED), ("19", Outcome.FAILED))


@cache
def late_path(path: Path) -> Path:
    """The same where a delivery that began before this one got to 16 first."""
    return (*path[:-4], ("16", _DONE), path[-1])


@dataclass(slots=True)
class Stretch:
    """Steps that one program took one after the other: rows are made of it when somebody asks."""

    order_id: str
    attempt: int
    start: float
    path: Path
    seconds: tuple[float, ...]
    rejected: bool = False

    def cut(self, at: float) -> None:
        """A crash: what had not ended by then did not happen."""
        end, done = self.start, 0
        for seconds in self.seconds:
            end += seconds
            if end > at:
                break
            done += 1
        self.path, self.seconds = self.path[:done], self.seconds[:done]

    def rows(self) -> Iterator[EventRow]:
        """One row per step."""
        start = self.start
        for (label, outcome), seconds in zip(self.path, self.seconds, strict=True):
            step = _step(label, self.rejected)
            yield EventRow(
                order_id=self.order_id,
                label=label,
                name=step.name,
                outcome=outcome.value,
                lane=step.source.value,
                attempt=self.attempt,
                started_at=start,
                ended_at=start + seconds,
            )
            start += seconds


@cache
def _step(label: str, rejected: bool) -> Step:
    return (
        {"16": REJECT_ORDER, "17": PUBLISH_ORDER_REJECTED}.get(label, find_step(label))
        if rejected
        else find_step(label)
    )
