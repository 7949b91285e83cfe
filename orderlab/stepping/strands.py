"""Which arrow comes when, and what is said of what happens between arrows: the stepping run's rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from orderlab.faults.model import AFTER, PROCESS, Kind
from orderlab.language import N_, _
from orderlab.sequence import CLIENT_STEPS, POST_ORDER, REQUEST_DEMO_TOKEN, Outcome, find_step
from orderlab.stepping.watch import Halt, strand

BEFORE_IT = {"3": REQUEST_DEMO_TOKEN, "5": POST_ORDER}
"""A request that has arrived: before the one step the other arrow is there to be seen, and still goes on."""

_DONE = {
    "kill": N_("{process} was killed (SIGKILL)."),
    "stop": N_("{process} was stopped."),
    "start": N_("{process} was started."),
    "freeze": N_("{process} was frozen."),
    "thaw": N_("{process} was thawed."),
}

_CLIENT = {step.label for step in CLIENT_STEPS}


def place(halt: Halt) -> tuple[bool, int, str, bool, int]:
    """Where a halt stands in the order of showing."""
    step = find_step(halt.step)
    number = 11 if halt.at("4", AFTER) else step.number
    return halt.process == "notifier", number, step.part, halt.side == AFTER, halt.id


def key(event: Mapping[str, Any]) -> tuple[str, str]:
    """What makes an event itself. A client's steps are once a run: their record can come later than their sight."""
    return (event["label"], "") if event["label"] in _CLIENT else whole_key(event)


def whole_key(event: Mapping[str, Any]) -> tuple[str, str]:
    return event["label"], event["started_at"]


def strand_of(event: Mapping[str, Any]) -> str:
    label = str(event["label"])
    return strand("relay" if event["data"].get("by") == "relay" else PROCESS[label], label)


def is_out(event: Mapping[str, Any]) -> bool:
    """Whether the message is on its way."""
    return str(event["outcome"]) == Outcome.OK and str(event["data"].get("fault")) != Kind.DROP


def standing(order: Mapping[str, Any]) -> str:
    reason = f" ({order['rejection_reason']})" if order["rejection_reason"] else ""
    return _("{order_id} is {status}", order_id=order["order_id"], status=order["status"]) + reason


def told(firing: Mapping[str, Any]) -> str:
    """One sentence about what has fired."""
    process = firing["process"]
    if firing["step"] is None:
        return _(_DONE.get(firing["kind"], N_("{process}: something was done to it.")), process=process)
    where = f"{_(firing['side'])} {firing['step']}"
    if firing["kind"] == Kind.CRASH:
        return _(
            "The {process} was killed (SIGKILL) {where}. What it had in memory is gone; it is started again.",
            process=process,
            where=where,
        )
    return _("A fault has fired: {kind} {where}, in the {process}.", kind=firing["kind"], where=where, process=process)


def meant_for(order_id: str, armed: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those of these faults that can hit this order."""
    return [fault for fault in armed if fnmatchcase(order_id, fault["order_id"] or "*")]
