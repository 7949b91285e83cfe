"""How long each step takes: samples from what the lab has recorded, or distributions that you give.

Standard library only.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

from orderlab.errors import OrderlabError
from orderlab.language import _
from orderlab.sequence import OTHER_STEPS, STEPS
from orderlab.simulation.checks import InvalidScenario, number, one_of

Draw = Callable[[Random], float]
"""A distribution: seconds, drawn with the chance that is given."""

LABELS = tuple(dict.fromkeys(step.label for step in (*STEPS, *OTHER_STEPS)))

_WORKERS_OWN = ("12", "13", "14", "15", "15c", "16", "17", "18", "19")
_PROGRAM = dict.fromkeys(("5", "6", "7", "8", "9", "10"), "api") | dict.fromkeys(_WORKERS_OWN, "worker")


class NothingMeasured(OrderlabError):
    """There is no event to learn from. Send some orders through first, with tok_ok and nothing armed."""


@dataclass(frozen=True)
class Calibration:
    """Seconds that each step took, by its label; a label without samples takes no time."""

    samples: Mapping[str, tuple[float, ...]]

    def __post_init__(self) -> None:
        for label, seconds in self.samples.items():
            one_of("a label", label, LABELS)
            if not seconds:
                raise InvalidScenario(_("Step {label} has no sample. Leave it out, and it takes no time.", label=label))
            for each in seconds:
                number(_("a sample of step {label}", label=label), each)

    def mean(self, label: str) -> float:
        """The mean of a step, in seconds."""
        seconds = self.samples.get(label, ())
        return math.fsum(seconds) / len(seconds) if seconds else 0.0

    def draws(self) -> dict[str, Draw]:
        """A distribution for each step: one of its samples, each as likely."""
        return {label: _empirical(seconds) for label, seconds in self.samples.items()}


def calibrate(events: Iterable[Mapping[str, Any]]) -> Calibration:
    """What the steps took, from rows with `label`, `started_at`, `ended_at` (datetimes, or seconds).

    Where rows also have `order_id` and `attempt`, a step of the API or the worker counts from the end of the one
    before it in that run, so that what lies between two steps is not lost. Steps are drawn one by one: that a slow
    moment slows several steps of one order is not kept. Raises `NothingMeasured`.
    """
    samples: defaultdict[str, list[float]] = defaultdict(list)
    ended: dict[tuple[Any, Any, str], float] = {}
    rows = [(_seconds(row["started_at"]), _seconds(row["ended_at"]), nth, row) for nth, row in enumerate(events)]
    for start, end, _nth, row in sorted(rows, key=lambda each: each[:3]):
        label = str(row["label"])
        program = _PROGRAM.get(label)
        if program and "order_id" in row and "attempt" in row:
            run = row["order_id"], row["attempt"], program
            start = ended.get(run, start)
            ended[run] = max(end, start)
        samples[label].append(max(0.0, end - start))
    if not samples:
        raise NothingMeasured
    return Calibration({label: tuple(seconds) for label, seconds in samples.items()})


def constant(seconds: float) -> Draw:
    """Always so many seconds."""
    number("seconds", seconds)
    return lambda _: seconds


def exponential(mean: float) -> Draw:
    """Exponential, with this mean in seconds."""
    number("mean", mean, above=True)
    return lambda chance: -mean * math.log(1.0 - chance.random())


def uniform(low: float, high: float) -> Draw:
    """Each time from `low` to `high` seconds as likely."""
    number("high", high, least=number("low", low))
    return lambda chance: low + (high - low) * chance.random()


def _empirical(seconds: tuple[float, ...]) -> Draw:
    n = len(seconds)
    return lambda chance: seconds[int(chance.random() * n)]


def _seconds(moment: datetime | float) -> float:
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)
