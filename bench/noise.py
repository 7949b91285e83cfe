"""Which figures of two series have moved by more than their noise."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

FEWEST = 5
"""Rounds below which agreement says too little: two alike agree in two rounds every other time."""


def moved(before: Sequence[float], after: Sequence[float]) -> bool:
    """Whether a figure has moved, measured by turns in as many rounds.

    It has when the middle halves of the two series do not overlap, and every round, taken alone, agrees on the
    direction. Chance alone makes n rounds agree once in 2 ** (n - 1): six rounds, once in 32.
    """
    if len(before) < FEWEST or len(before) != len(after):
        raise ValueError(f"Two series of as many rounds are needed, {FEWEST} rounds at least.")
    (low, high), (other_low, other_high) = middle(before), middle(after)
    apart = high < other_low or other_high < low
    directions = {(b > a) - (b < a) for a, b in zip(before, after, strict=True)}
    return apart and directions in ({1}, {-1})


def middle(series: Sequence[float]) -> tuple[float, float]:
    """The middle half of a series: its first and third quartile."""
    low, _, high = statistics.quantiles(series, n=4, method="inclusive")
    return low, high
