"""Faults that are written down before they are armed, so that one script can be run on several designs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from orderlab.calls import kinds
from orderlab.calls.checking import checked
from orderlab.faults import arming
from orderlab.faults.model import Kind, chance, check
from orderlab.language import _
from orderlab.sequence import find_step

ATTEMPTS = range(1, 5)
"""The deliveries for which chance is the same wherever a script runs."""


@dataclass(frozen=True)
class Planned:
    """A fault that will be armed for an order. `side` is before or after the step; `times` None is every time.

    A `probability` is decided by the seed: the same seed, the same fate, in each run and on each design.
    """

    kind: str
    step: int | str
    side: str = "before"
    attempt: int | None = None
    times: int | None = 1
    probability: float = 1.0
    seed: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what can't fire; raises `ImpossibleFault` with the reason."""
        check(self.kind, self.step, self.side, self.probability, self.seconds)

    def __str__(self) -> str:
        return f"{self.kind} {self.side} {self.step}"

    def arm(self, connection: arming.Connection, order_id: str, owner: int) -> int:
        """Arm it for this order; the fault's number, once every process has it. Raises `ImpossibleFault`.

        `owner` is the backend pid of a connection: with that gone, whoever the fault has halted goes on.
        """
        return arming.arm(connection, **asdict(self), order_id=order_id, owner=owner)


def as_script(planned: Planned | Iterable[Planned]) -> list[Planned]:
    """One fault, or several, as a list."""
    return [planned] if isinstance(planned, Planned) else list(planned)


def _script(value: Any) -> Any:
    planned = [value] if isinstance(value, Planned) else list(value) if isinstance(value, Iterable) else [None]
    if not all(isinstance(each, Planned) for each in planned):
        raise kinds.Unfit(_("faults of orderlab, such as crash(15, 'after')"))
    return planned


kinds.KINDS["script"] = _script


@checked
def crash(
    step: int | str,
    side: str = "before",
    *,
    attempt: int | None = None,
    times: int | None = 1,
    probability: float = 1.0,
    seed: int = 0,
) -> Planned:
    """SIGKILL for the process that performs the step; the rest is as in `Planned`."""
    return Planned(Kind.CRASH, step, side, attempt, times, probability, seed)


@checked
def fail(
    step: int | str,
    side: str = "before",
    *,
    attempt: int | None = None,
    times: int | None = 1,
    probability: float = 1.0,
    seed: int = 0,
) -> Planned:
    """The error that the step would really meet."""
    return Planned(Kind.FAIL, step, side, attempt, times, probability, seed)


@checked
def drop(
    step: int | str,
    *,
    attempt: int | None = None,
    times: int | None = 1,
    probability: float = 1.0,
    seed: int = 0,
) -> Planned:
    """The arrow gets lost, unseen by whoever sent it."""
    return Planned(Kind.DROP, step, "before", attempt, times, probability, seed)


@checked
def duplicate(
    step: int | str,
    *,
    attempt: int | None = None,
    times: int | None = 1,
    probability: float = 1.0,
    seed: int = 0,
) -> Planned:
    """The arrow's effect happens twice."""
    return Planned(Kind.DUPLICATE, step, "before", attempt, times, probability, seed)


@checked
def delay(
    step: int | str,
    side: str = "before",
    *,
    seconds: float,
    attempt: int | None = None,
    times: int | None = 1,
    probability: float = 1.0,
    seed: int = 0,
) -> Planned:
    """The order waits there for so many seconds."""
    return Planned(Kind.DELAY, step, side, attempt, times, probability, seed, seconds)


def fate(script: Sequence[Planned], order_id: str) -> list[bool]:
    """Which of the script's faults that are left to chance would hit this order, delivery by delivery."""
    return [
        chance(planned.seed, order_id, find_step(planned.step).label, attempt) < planned.probability
        for planned in script
        if planned.probability < 1
        for attempt in ATTEMPTS
    ]
