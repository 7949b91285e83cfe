"""The run of an order that was not stepped through, with what each arrow has changed and the crashes in their places.

The tables are as they were left; what an arrow has done to them is known, so they are built up again arrow by arrow.
What was done and not recorded (the record died with its process) is told where the process died, and drawn as a ghost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from orderlab.access.attach import Attached
from orderlab.access.tables import connected
from orderlab.drawing import story
from orderlab.errors import LabError
from orderlab.faults.model import Kind
from orderlab.language import _
from orderlab.messages import NOTIFICATION, ORDER_CONFIRMED, ORDER_CREATED, ORDER_REJECTED
from orderlab.sequence import Outcome
from orderlab.stepping import strands
from orderlab.stepping.changes import Tables
from orderlab.stepping.moment import Moment
from orderlab.stepping.run import Run
from orderlab.stepping.watch import Watch

Row = Mapping[str, Any]

_TYPES = {"9": (ORDER_CREATED,), "17": (ORDER_CONFIRMED, ORDER_REJECTED), "18": (NOTIFICATION,)}
_AUDIENCES = {"18a": "operations", "18b": "customer"}


def replayed(lab: Attached, order_id: str) -> Run:
    """The run of an order as it was recorded; raise `LabError` if there is none."""
    with connected(lab.database_url) as connection:
        found = connection.execute("SELECT sku FROM order_items WHERE order_id = %s", (order_id,)).fetchall()
    look = Watch(lab.database_url, order_id, [row[0] for row in found], since=0)
    try:
        tables, journal = look.tables(), look.journal()
        firings = [firing for firing in look.firings() if firing["step"] is not None]
        if not tables["orders"]:
            raise LabError(_("There is no order {order_id}.", order_id=order_id))
        faults = strands.meant_for(order_id, look.armed(0))
        return Run(order_id, moments(order_id, journal, firings, tables), faults, firings)
    finally:
        look.close()


def moments(
    order_id: str, journal: Sequence[Row], firings: Sequence[Mapping[str, Any]], end: Tables
) -> Iterator[Moment]:
    """A moment for each arrow and each crash, given the journal in reading order and the tables as they were left."""
    building = Building(end)
    shown: list[Row] = []
    fired: list[Row] = []
    for happened in in_order(journal, [firing for firing in firings if firing["kind"] == Kind.CRASH]):
        before = deepcopy(building.tables)
        if "kind" in happened:
            fired.append(happened)
            ghosts = unrecorded(happened, journal)
            for ghost in ghosts:
                building.add(ghost)
            said = (strands.told(happened), *_said(ghosts))
            after = deepcopy(building.tables)
            yield Moment(
                order_id,
                list(shown),
                said=said,
                died=True,
                tables_before=before,
                tables=after,
                firings=list(fired),
            )
            continue
        building.add(happened)
        shown.append(happened)
        yield Moment(
            order_id,
            list(shown),
            (str(happened["label"]),),
            tables_before=before,
            tables=deepcopy(building.tables),
            claims=happened["data"].get("claims"),
            firings=list(fired),
        )
    said = (f"{strands.standing(end['orders'][0])}.",)
    yield Moment(order_id, list(shown), said=said, ended=True, tables=end, firings=list(firings))


def in_order(journal: Sequence[Row], crashes: Sequence[Row]) -> Iterator[Row]:
    """The arrows in the order in which they are drawn, causes before effects, and each crash where its process died."""
    for strand in story.told(journal, crashes):
        for happened in strand.happened:
            if happened.firing is not None:
                yield happened.firing
            elif happened.index is not None:  # what is not recorded is told with the crash
                yield journal[happened.index]


def unrecorded(crash: Row, journal: Sequence[Row]) -> list[Row]:
    """What was done by then, and stands nowhere: its record died with its process."""
    there = {(str(event["label"]), str(event["started_at"])) for event in journal}
    found: list[Row] = []
    for event in crash.get("unwritten") or ():
        label = f"{event['step']}{event['part'] or ''}"
        if event["ended_at"] and (label, str(event["started_at"])) not in there:
            found.append({**event, "label": label})
    return found


def _said(ghosts: Sequence[Row]) -> list[str]:
    if not ghosts:
        return []
    done = ", ".join(f"{ghost['label']} {ghost['name']}" for ghost in ghosts)
    return [_("Done, and not recorded: {done}.", done=done)]


class Building:
    """An order's tables, built up arrow by arrow from what they came to."""

    def __init__(self, end: Tables) -> None:
        self._end = end
        self._charges = list(end.get("payments", ()))
        self.tables: dict[str, list[dict[str, Any]]] = {name: [] for name in end}
        self.tables["products"] = [dict(row) for row in end.get("products", ())]

    def add(self, event: Row) -> None:
        """What this arrow has done."""
        label, went = str(event["label"]), str(event["outcome"])
        if label == "8" and went == Outcome.OK:
            self._insert()
        elif label == "12" and self.tables["orders"]:
            self._order(deliveries=self.tables["orders"][0]["deliveries"] + 1)
        elif label == "14" and went == Outcome.OK:
            self._order(status="INVENTORY_RESERVED")
        elif label == "15" and went == Outcome.OK:
            self._charge(event)
        elif label == "16" and went in (Outcome.OK, Outcome.REJECTED):
            self._settle(event)
        elif label in _TYPES and went == Outcome.OK and strands.is_out(event):
            self._mark(_TYPES[label])
        elif label in _AUDIENCES:
            self._notified(_AUDIENCES[label])

    def _insert(self) -> None:
        if self.tables["orders"]:
            return
        as_left = {"status": "RECEIVED", "rejection_reason": None, "deliveries": 0}
        self.tables["orders"] = [{**row, **as_left} for row in self._end["orders"]]
        self.tables["order_items"] = [dict(row) for row in self._end.get("order_items", ())]
        self._outbox(lambda row: row["type"] == ORDER_CREATED)

    def _order(self, **columns: Any) -> None:
        self.tables["orders"] = [{**row, **columns} for row in self.tables["orders"]]

    def _charge(self, event: Row) -> None:
        """The charge that was made meanwhile, twice if the step was repeated."""
        for _charge in range(2 if event["data"].get("fault") == Kind.DUPLICATE else 1):
            if self._charges:
                self.tables["payments"].append(dict(self._charges.pop(0)))

    def _settle(self, event: Row) -> None:
        left = self._end["orders"][0]
        self._order(status=left["status"], rejection_reason=left["rejection_reason"])
        attempt = event["attempt"]
        self._outbox(lambda row: row["type"] != ORDER_CREATED and row["attempt"] == attempt)
        there = {row["event_id"] for row in self.tables["notifications"]}
        mine = {row["event_id"] for row in self.tables["outbox"]}
        for row in self._end.get("notifications", ()):
            if row["event_id"] not in there and (row["event_id"] in mine or not mine):
                self.tables["notifications"].append({**row, "status": "pending", "reason": None})

    def _outbox(self, which: Any) -> None:
        there = {row["event_id"] for row in self.tables["outbox"]}
        self.tables["outbox"] += [
            {**row, "published": False, "published_at": None}
            for row in self._end.get("outbox", ())
            if which(row) and row["event_id"] not in there
        ]

    def _mark(self, types: Sequence[str]) -> None:
        left = {row["event_id"]: row for row in self._end.get("outbox", ())}
        self.tables["outbox"] = [
            dict(left[row["event_id"]]) if row["type"] in types else row for row in self.tables["outbox"]
        ]

    def _notified(self, audience: str) -> None:
        left = {row["event_id"]: row for row in self._end.get("notifications", ())}
        self.tables["notifications"] = [
            dict(left[row["event_id"]]) if row["audience"] == audience else row for row in self.tables["notifications"]
        ]
