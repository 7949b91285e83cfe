"""What notebooks call. `Lab` is loaded on demand: the portal draws with this package and has no use for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["Lab", "Run"]

if TYPE_CHECKING:
    from orderlab.lab.lab import Lab
    from orderlab.lab.run import Run


def __getattr__(name: str) -> object:
    if name == "Lab":
        from orderlab.lab.lab import Lab

        return Lab
    if name == "Run":
        from orderlab.lab.run import Run

        return Run
    raise AttributeError(f"module 'orderlab.lab' has no attribute {name!r}")
