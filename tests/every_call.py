"""Every public call of a notebook, with arguments that fit; for tests that try them all."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from orderlab import Lab, Run, client
from orderlab.access.attach import Attached
from orderlab.calls.interrupts import Interrupted
from orderlab.drawing.grid import Grid
from orderlab.drawing.score import Score, Square
from orderlab.errors import OrderlabError
from orderlab.verdicts.rules import Word

GOOD: dict[str, Any] = {
    "step": 9,
    "order_id": "ws-1",
    "name": "orders",
    "file": "/nowhere/run.json",
    "exchange": "orders.created",
}
GOOD |= {
    "sku": "KEYBOARD",
    "kind": "crash",
    "times": 1,
    "call": len,
    "handler": len,
    "arguments": ("x",),
    "steps": [9],
    "items": {"KEYBOARD": 1},
    "event_id": "none",
}


def instances(lab: Lab) -> list[Any]:
    return [
        lab,
        lab.faults,
        lab.processes,
        lab.dead,
        lab.portal("ws-1"),
        lab._order({"order_id": "ws-1"}),
        Run("ws-1"),
        Grid("crash", {}),
        Score("mine.py", "crash", {("9", "before"): Square(Word.LOST, "lost", "ws-1")}),
    ]


def public_methods(cls: type) -> dict[str, Any]:
    """The public methods of a class and those it is made of; not those of the dict that an order is."""
    return {
        name: member
        for name, member in inspect.getmembers(cls, callable)
        if not name.startswith("_") and not hasattr(dict, name)
    }


def in_one_line(call: Callable[..., Any], /, *arguments: Any, **named: Any) -> None:
    """It works, or says in one line why it does not."""
    try:
        call(*arguments, **named)
    except (OrderlabError, Interrupted) as error:
        (line,) = error._render_traceback_()
        assert "\n" not in line
        assert len(line) < 900, line
    # anything else is a traceback, and fails the test


def parameters(method: Any) -> list[inspect.Parameter]:
    return [each for each in inspect.signature(method).parameters.values() if each.name not in ("self", "cls")]


def required(method: Any) -> dict[str, Any]:
    return {
        p.name: GOOD[p.name]
        for p in parameters(method)
        if p.default is p.empty and p.kind is not p.VAR_KEYWORD and p.kind is not p.VAR_POSITIONAL
    }


NOWHERE = Attached(
    api_url="http://127.0.0.1:1",
    portal_url="http://127.0.0.1:1",
    amqp_url="amqp://a:b@127.0.0.1:1//",
    database_url="postgresql://a:b@127.0.0.1:1/a",
    jwt_secret="x" * 32,
    home=None,
)


def lab_of_nowhere(monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab of which every server is away."""
    monkeypatch.setattr("orderlab.lab.lab.attach", lambda home=None: NOWHERE)
    monkeypatch.setattr("orderlab.client._PATIENT", client._BRISK)  # nobody comes back here
    monkeypatch.setattr("orderlab.lab.judging.DATABASE_AWAY", 0.0)
    return Lab()
