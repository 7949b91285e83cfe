"""When orders come. Each way of arriving gives offsets in seconds from the start, rising, the same for a seed.

All chance is taken from `Random.random()`, the one method whose numbers Python promises to keep from version to
version, and offsets are rounded to microseconds: a seed means the same on every Python. Standard library only.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random

from orderlab.language import _
from orderlab.simulation.checks import InvalidScenario, number, whole

DAY = 86_400.0
"""Seconds of a day."""

SHOP_DAY = (2, 1, 1, 1, 1, 2, 4, 6, 8, 10, 11, 12, 13, 12, 10, 10, 11, 12, 14, 16, 18, 15, 9, 5)
"""A shop's day in 24 hours, as weights: quiet at night, a hump at noon, the peak at eight in the evening."""


@dataclass(frozen=True)
class Constant:
    """One order every 1/`rate` seconds (`rate` in orders a second), the first at once."""

    rate: float

    def __post_init__(self) -> None:
        number("rate", self.rate, above=True)

    def offsets(self, duration: float, chance: Random) -> Iterator[float]:
        """Offsets in seconds below `duration`."""
        n = 0
        while (at := round(n / self.rate, 6)) < duration:
            yield at
            n += 1


@dataclass(frozen=True)
class Poisson:
    """Orders that know nothing of each other: on average `rate` a second, with exponential gaps between them."""

    rate: float

    def __post_init__(self) -> None:
        number("rate", self.rate, above=True)

    def offsets(self, duration: float, chance: Random) -> Iterator[float]:
        """Offsets in seconds below `duration`."""
        return _poisson((self.rate,), duration, duration, chance)


@dataclass(frozen=True)
class Bursts:
    """Every `every` seconds `size` orders within `within` seconds, over a calm of `rate` orders a second (Poisson)."""

    every: float
    size: int
    within: float = 1.0
    rate: float = 0.0

    def __post_init__(self) -> None:
        number("every", self.every, above=True)
        whole("size", self.size, least=1)
        number("within", self.within, most=self.every)
        number("rate", self.rate)

    def offsets(self, duration: float, chance: Random) -> Iterator[float]:
        """Offsets in seconds below `duration`; the first burst comes after `every` seconds."""
        offsets = list(_poisson((self.rate,), duration, duration, chance))
        burst = 1
        while (start := burst * self.every) < duration:
            offsets += [round(start + self.within * chance.random(), 6) for _ in range(self.size)]
            burst += 1
        return (at for at in sorted(offsets) if at < duration)


@dataclass(frozen=True)
class Day:
    """A day's curve: on average `rate` orders a second, more or fewer by the hour, each hour Poisson.

    `curve` are the weights of the day's parts, all equally long; `length` is how many seconds the day lasts: a day
    of 60 seconds is a day in a minute. When it is over it begins anew.
    """

    rate: float
    curve: Sequence[float] = SHOP_DAY
    length: float = DAY

    def __post_init__(self) -> None:
        number("rate", self.rate, above=True)
        number("length", self.length, above=True)
        if not self.curve or not any(number(_("a weight of the curve"), weight) for weight in self.curve):
            raise InvalidScenario(_("curve must hold the weight of each part of the day, not all of them 0."))
        object.__setattr__(self, "curve", tuple(self.curve))

    def offsets(self, duration: float, chance: Random) -> Iterator[float]:
        """Offsets in seconds below `duration`."""
        scale = self.rate * len(self.curve) / sum(self.curve)
        rates = [weight * scale for weight in self.curve]
        return _poisson(rates, self.length / len(rates), duration, chance)


@dataclass(frozen=True)
class Trace:
    """Orders at given offsets, in seconds from the start: what came to somebody once, or what you made up."""

    at: Sequence[float]

    def __post_init__(self) -> None:
        if not self.at:
            raise InvalidScenario(_("A trace needs at least one offset."))
        object.__setattr__(self, "at", tuple(sorted(round(number(_("an offset"), at), 6) for at in self.at)))

    @classmethod
    def from_csv(cls, file: str | Path, column: str = "offset") -> Trace:
        """Read a CSV with a heading: seconds from the start, or ISO times of which the first is the start.

        Raises `InvalidScenario` that names the line.
        """
        path = Path(file)
        try:
            with path.open(newline="", encoding="utf-8-sig") as lines:
                reader = csv.DictReader(lines)
                if column not in (reader.fieldnames or ()):
                    has = ", ".join(reader.fieldnames or ()) or "nothing"
                    raise InvalidScenario(
                        _("{name} has no column {column!r}. It has: {has}.", name=path.name, column=column, has=has)
                    )
                moments = [_moment(row[column], f"{path.name}, line {reader.line_num}") for row in reader]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InvalidScenario(_("{path} can't be read as CSV: {error}", path=path, error=error)) from None
        if len({timed for timed, _ in moments}) > 1:
            raise InvalidScenario(_("{name} mixes seconds and times. Keep to one of them.", name=path.name))
        start = min((at for _, at in moments), default=0.0) if moments and moments[0][0] else 0.0
        return cls(tuple(at - start for _, at in moments))

    def offsets(self, duration: float, chance: Random) -> Iterator[float]:
        """Offsets in seconds below `duration`."""
        return (at for at in self.at if at < duration)


Arrivals = Constant | Poisson | Bursts | Day | Trace
"""Every way of arriving."""


def _poisson(rates: Sequence[float], part: float, duration: float, chance: Random) -> Iterator[float]:
    """A Poisson stream whose rate is `rates[0]` for `part` seconds, then `rates[1]`, and so on, round and round.

    Exponential "work" of mean 1 is drawn for each gap and used up at the rate of the moment (Çinlar, Introduction to
    Stochastic Processes, 1975, section 4.7): no draw is thrown away, so a seed stays in step.
    """
    at, n = 0.0, 0
    while at < duration:
        work = -math.log(1.0 - chance.random())
        while (left := (n + 1) * part - at) * rates[n % len(rates)] < work:
            work -= left * rates[n % len(rates)]
            n += 1
            at = n * part
            if at >= duration:
                return
        at += work / rates[n % len(rates)]
        if at < duration:
            yield round(at, 6)


def _moment(text: str | None, where: str) -> tuple[bool, float]:
    """Whether a field is a time, and its seconds."""
    try:
        return False, number(where, float(text or ""))
    except ValueError:
        pass
    try:
        return True, datetime.fromisoformat(text or "").timestamp()
    except ValueError:
        raise InvalidScenario(
            _("{where}: {field!r} is neither seconds nor an ISO time.", where=where, field=text)
        ) from None
