"""One sequence diagram, made live: a lab that shows how event-driven systems behave, and how they break."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["Lab", "Run"]

if TYPE_CHECKING:
    from orderlab.lab import Lab, Run


def __getattr__(name: str) -> object:
    """`Lab` and `Run` on demand: services import this package too, and have no use for pandas."""
    if name in __all__:
        import orderlab.lab

        return getattr(orderlab.lab, name)
    raise AttributeError(f"module 'orderlab' has no attribute {name!r}")
