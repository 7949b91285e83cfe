"""The matrices: a fault at each side of each step, met by an order of each design, and what becomes of it."""

from orderlab.matrix.results import Result, Results
from orderlab.matrix.runner import Runner

__all__ = ["Result", "Results", "Runner"]
