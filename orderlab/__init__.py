"""One sequence diagram, made live: a lab that shows how event-driven systems behave, and how they break."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["Lab", "Run", "crash", "delay", "drop", "duplicate", "fail"]

if TYPE_CHECKING:
    from orderlab.faults.script import crash, delay, drop, duplicate, fail
    from orderlab.lab.lab import Lab
    from orderlab.stepping.run import Run

_HOME = {"Lab": "orderlab.lab.lab", "Run": "orderlab.stepping.run"}


def __getattr__(name: str) -> object:
    """What a notebook imports, on demand: services import this package too, and have no use for pandas."""
    if name in __all__:
        return getattr(import_module(_HOME.get(name, "orderlab.faults.script")), name)
    raise AttributeError(f"module 'orderlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    """What a notebook may import, for its tab key."""
    return sorted([*__all__, "__version__"])
