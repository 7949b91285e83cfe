"""Gates: before and after each step, whatever is armed there fires. Standard library only.

`keeper.py` brings the faults into a process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from orderlab.errors import OrderlabError
from orderlab.faults.model import ERRORS, Fault, Kind
from orderlab.sequence import Outcome, Step


class Lost(OrderlabError):
    """A fault has let this delivery, or the webhook that it stands for, get lost on its way."""


class Gates(Protocol):
    """What a process's gates offer to the steps that pass through them."""

    armed: Sequence[Fault]

    def fire(self, fault: Fault, order_id: str, step: Step, side: str, attempt: int, pending: list[Any]) -> bool:
        """Take one of the fault's firings, record it, and pause, delay or crash; False if none was left."""


class OpenGates:
    """Gates where nothing is ever armed."""

    armed: Sequence[Fault] = ()

    def fire(self, fault: Fault, order_id: str, step: Step, side: str, attempt: int, pending: list[Any]) -> bool:
        """Nothing fires."""
        return False


def fired(
    gates: Gates, order_id: str, steps: Sequence[Step], side: str, attempt: int, pending: Callable[[], list[Any]]
) -> list[tuple[Step, Fault]]:
    """Fire what is armed at this side of these steps, in the order in which it was armed; what fired."""
    return [
        (step, fault)
        for step in steps
        for fault in gates.armed
        if fault.matches(order_id, step, side, attempt) and gates.fire(fault, order_id, step, side, attempt, pending())
    ]


def raise_failure(found: Sequence[tuple[Step, Fault]]) -> None:
    """Raise the error of the first `fail` among these, if there is one."""
    for step, fault in found:
        if fault.kind is Kind.FAIL:
            raise ERRORS[step.label]


def as_if(step: Step) -> Outcome:
    """The outcome of a step that was dropped, as the code that goes on is told it."""
    if step.label in ("12", "18a", "18b"):
        raise Lost
    return Outcome.OK
