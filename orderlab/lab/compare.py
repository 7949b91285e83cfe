"""`lab.compare`: one script of faults, run on several designs, and what came of it side by side."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orderlab.access.attach import Attached
from orderlab.access.button import Pressed, Wanted, check_design, press
from orderlab.access.tables import connected
from orderlab.calls.checking import public
from orderlab.client import ApiProblem
from orderlab.drawing.beside import Side, aligned, expected_labels, side_by_side_text
from orderlab.drawing.drawing import picture
from orderlab.drawing.sides import side_by_side_svg
from orderlab.drawing.words import words
from orderlab.errors import LabError
from orderlab.faults import arming
from orderlab.faults.script import Planned, as_script, fate
from orderlab.language import N_, Said, _, current
from orderlab.order import DESIGNS

if TYPE_CHECKING:
    from orderlab.drawing.timeline import Timelines
    from orderlab.verdicts.judge import Judge

PATIENCE = 60.0
"""Seconds in which a person gets an answer from the portal, and an order comes to rest."""

RESULTS = (N_("status"), N_("charges"), N_("verdict"))
"""What is compared, besides the arrows."""

_CHARGED = {0: Said("not charged"), 1: Said("charged once"), 2: Said("charged twice")}


@public
class Comparison:
    """What one script did to each design: a drawing with one column per design; as text, one line per arrow."""

    def __init__(self, sides: Sequence[Side], order_ids: Mapping[str, str]) -> None:
        speak = words(current())
        self.sides = tuple(sides)
        self.order_ids = dict(order_ids)
        """The order of each design."""
        self._rows = aligned(self.sides, speak)
        self.text = side_by_side_text(self.sides, self._rows, speak)
        self.svg = side_by_side_svg(self.sides, self._rows, speak, self.text)

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    @property
    def results(self) -> dict[str, dict[str, str]]:
        """What each design came to: status, charges and so on."""
        return {side.name: dict(side.results) for side in self.sides}

    @property
    def verdicts(self) -> dict[str, str]:
        """The verdict on each design's order."""
        return {side.name: side.results["verdict"] for side in self.sides}

    def timelines(self) -> Timelines:
        """The same rows over time, on one scale."""
        from orderlab.drawing.timeline import Timelines

        return Timelines([side.name for side in self.sides], self._rows, self.text)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": picture(self.svg, self.text), "text/plain": self.text}


def compare(
    lab: Attached,
    judge: Judge,
    read: Callable[[str], Mapping[str, Any]],
    script: Planned | Iterable[Planned],
    designs: Sequence[str],
    name: str,
    alike: Wanted,
) -> Comparison:
    """Run the script on an order of each design, one after the other, each `alike` but for its id and its design.

    `read` gives an order's journal from the API.
    """
    planned = as_script(script)
    if not designs:
        raise LabError(_("Name a design at least: {known}.", known=", ".join(DESIGNS)))
    for design in designs:
        check_design(design)
    ids = {design: _order_id(planned, name) for design in designs}
    return Comparison(
        [_run(lab, judge, read, planned, replace(alike, order_id=ids[design], design=design)) for design in designs],
        ids,
    )


def _order_id(script: Sequence[Planned], name: str) -> str:
    """A new id that chance treats as it does every order of this script."""
    meant = fate(script, "")
    while True:
        order_id = f"{name}-{secrets.token_hex(3)}"
        if fate(script, order_id) == meant:
            return order_id


def _run(
    lab: Attached,
    judge: Judge,
    read: Callable[[str], Mapping[str, Any]],
    script: Sequence[Planned],
    wanted: Wanted,
) -> Side:
    """One order of one design, from the click until nothing more comes."""
    order_id = wanted.order_id
    with connected(lab.database_url) as connection:
        armed = [planned.arm(connection, order_id, connection.info.backend_pid) for planned in script]
        try:
            pressed = _insist(lab.portal_url, wanted)
            if pressed.refused and not list(arming.queries.firings(connection, order_id=order_id)):
                said = " ".join(pressed.told) or _("its page answers {status}.", status=pressed.status)
                raise LabError(_("The portal refused the order, and nothing had been broken: {said}", said=said))
            (verdict,) = judge.verdicts([order_id], told=[order_id] if pressed.shown else [], patience=PATIENCE)
        finally:
            for fault in armed:
                arming.clear(connection, fault)
        (fired,) = arming.queries.fired_at_order(connection, order_id=order_id)
    (evidence,) = judge.evidence([order_id])
    results = {
        "status": str(verdict.status) if verdict.status else Said("none"),
        "charges": _CHARGED.get(evidence.charges, Said("charged {n} times", n=evidence.charges)),
        "verdict": Said(str(verdict.word)),
    }
    events = _journal(read, order_id)
    outcomes = {(event["label"], event["outcome"]) for event in events}
    return Side(wanted.design, events, fired, results, expected_labels(outcomes))


def _insist(portal_url: str, wanted: Wanted) -> Pressed:
    """Press the button, and again with the same id, as a person does whom the portal or the API has broken off."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            pressed = press(portal_url, wanted)
        except LabError:  # while the API is away, there is no form to press a button in
            if time.monotonic() > end:
                raise
        else:
            if pressed.shown or pressed.refused or time.monotonic() > end:
                return pressed
        time.sleep(0.5)  # in which a person reads what the page says


def _journal(read: Callable[[str], Mapping[str, Any]], order_id: str) -> list[Mapping[str, Any]]:
    try:
        return list(read(order_id)["events"])
    except ApiProblem as problem:
        if problem.status == 404:  # it never came to an order
            return []
        raise
