"""What a fault is: its kinds, the steps at which each can be, and the orders that it hits. Standard library only."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from orderlab import errors
from orderlab.errors import OrderlabError
from orderlab.language import N_, _
from orderlab.sequence import OTHER_STEPS, STEPS, Step, find_step

BEFORE, AFTER = N_("before"), N_("after")


class Kind(StrEnum):
    """What a fault does at its gate."""

    PAUSE = "pause"  # halt the order until somebody releases it
    DELAY = "delay"  # let the order wait some seconds
    FAIL = "fail"  # raise the error that the step would really meet
    CRASH = "crash"  # SIGKILL the process that performs the step
    DROP = "drop"  # the effect does not happen, but the code goes on
    DUPLICATE = "duplicate"  # the effect happens twice


ERRORS: Mapping[str, type[OrderlabError]] = {
    "2": errors.ApiAway,
    "4": errors.ApiAway,
    "5": errors.InvalidToken,
    "6": errors.DatabaseAway,
    "7": errors.DatabaseAway,
    "8": errors.DatabaseAway,
    "9": errors.BrokerAway,
    "12": errors.DatabaseAway,
    "13": errors.DatabaseAway,
    "14": errors.DatabaseAway,
    "15": errors.GatewayError,
    "16": errors.DatabaseAway,
    "17": errors.BrokerAway,
    "18": errors.BrokerAway,
    "18a": errors.WebhookRefused,
    "18b": errors.WebhookRefused,
    "19": errors.BrokerAway,
}
"""The error a step meets when what it talks to fails. The others talk to nobody: a click, a signature, a page."""

DROPPABLE = frozenset({"9", "10", "12", "17", "18", "18a", "18b", "19"})
"""Arrows that can be lost unseen: messages, a response, a delivery, a webhook, an ack. Others wait for an answer."""

REPEATABLE = frozenset({"2", "4", "8", "9", "12", "14", "15", "16", "17", "18", "18a", "18b"})
"""Steps that can happen twice: two requests, two statements, two messages, two deliveries, two calls, two webhooks."""

PROCESS: Mapping[str, str] = {
    **dict.fromkeys(("1", "2", "4", "11"), "portal"),
    **dict.fromkeys(("3", "5", "6", "7", "8", "9", "10"), "orders-api"),
    **dict.fromkeys(("12", "13", "14", "15", "15c", "16", "17", "18", "19"), "worker"),
    **dict.fromkeys(("18a", "18b"), "notifier"),
}
"""The process that performs a step; what it had to defer or could not publish, the relay does (9, 17, 18)."""

_GATED = sorted(
    {step.label: step for step in (*OTHER_STEPS, *STEPS)}.values(), key=lambda step: (step.number, step.part)
)


class ImpossibleFault(OrderlabError):
    """This fault can't fire."""


@dataclass(frozen=True)
class Fault:
    """One armed fault. None matches anything: every step, either side, all orders, each attempt."""

    id: int
    kind: Kind
    step: str | None = None  # a label: "9", "15c"
    side: str | None = None
    order_id: str | None = None  # a shell-style pattern: ws-*
    attempt: int | None = None
    probability: float = 1.0
    seed: int = 0
    seconds: float = 0.0  # of a delay; of a pause, after which it ends by itself

    def matches(self, order_id: str, step: Step, side: str, attempt: int) -> bool:
        """Whether this fault hits this order at this gate."""
        return (
            (self.step is None or self.step == step.label)
            and (self.side is None or self.side == side)
            and (self.order_id is None or fnmatchcase(order_id, self.order_id))
            and (self.attempt is None or self.attempt == attempt)
            and (self.probability >= 1 or chance(self.seed, order_id, step.label, attempt) < self.probability)
        )


def chance(seed: int, order_id: str, step: str, attempt: int) -> float:
    """A number from 0 to 1 that is the same in every run: SHA-256 of what it is asked for, as a fraction of 2⁶⁴."""
    asked = f"{seed}\0{order_id}\0{step}\0{attempt}".encode()
    return int.from_bytes(hashlib.sha256(asked).digest()[:8], "big") / 2**64


def check(kind: str, step: int | str | None, side: str | None, probability: float, seconds: float) -> tuple[str, str]:
    """The step's label and the side ("" for any) of a fault that can fire; raise `ImpossibleFault` with the reason."""
    if kind not in list(Kind):
        raise ImpossibleFault(_("There is no fault {kind!r}. There are: {known}.", kind=kind, known=", ".join(Kind)))
    if side not in (BEFORE, AFTER, None):
        raise ImpossibleFault(
            _("A fault is {before!r} or {after!r} its step, and not {side!r}.", before=BEFORE, after=AFTER, side=side)
        )
    if not 0 < probability <= 1:
        raise ImpossibleFault(
            _("A probability is more than 0 and at most 1, and not {probability:g}.", probability=probability)
        )
    if kind == Kind.DELAY and not seconds > 0:
        raise ImpossibleFault(_("A delay needs its seconds."))
    if step is None:
        if kind not in (Kind.PAUSE, Kind.DELAY):
            raise ImpossibleFault(_("Say at which step to {kind}.", kind=kind))
        return "", side or ""
    try:
        label = find_step(step).label
    except KeyError as error:
        raise ImpossibleFault(str(error.args[0])) from None
    if kind == Kind.FAIL and label not in ERRORS:
        raise ImpossibleFault(
            _("Step {label} talks to nothing that could fail. These do: {labels}.", label=label, labels=_list(ERRORS))
        )
    if kind == Kind.DROP and label not in DROPPABLE:
        raise ImpossibleFault(
            _(
                "Step {label} waits for an answer, so it can't be lost unseen. These can: {labels}.",
                label=label,
                labels=_list(DROPPABLE),
            )
        )
    if kind == Kind.DUPLICATE and label not in REPEATABLE:
        raise ImpossibleFault(
            _("Step {label} can't happen twice. These can: {labels}.", label=label, labels=_list(REPEATABLE))
        )
    if kind in (Kind.DROP, Kind.DUPLICATE) and side == AFTER:
        raise ImpossibleFault(_("To {kind} is about the step itself: it is armed 'before' it.", kind=kind))
    return label, BEFORE if kind in (Kind.DROP, Kind.DUPLICATE) else side or BEFORE


def _list(labels: Mapping[str, Any] | frozenset[str]) -> str:
    return ", ".join(step.label for step in _GATED if step.label in labels)
