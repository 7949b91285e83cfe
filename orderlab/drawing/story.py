"""What happened to an order, so told that nothing stands before what led to it. Standard library only.

An order has strands that go on at the same time: requests, deliveries of its message to a worker, and what the relay
publishes. Each is told by itself, by the numbers of its steps; what a fault broke off ends where that happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, auto
from typing import Any

from orderlab.faults.model import AFTER, PROCESS, Kind
from orderlab.sequence import (
    CONSUME_ORDER_CREATED,
    NOTIFY,
    OTHER_STEPS,
    PUBLISH_ORDER_CREATED,
    SHOW_CONFIRMATION,
    STEPS,
    Outcome,
    Step,
    find_step,
)

Event = Mapping[str, Any]
"""One event as `GET /orders/{order_id}/events` gives it."""
Firing = Mapping[str, Any]
"""One of its `firings`: kind, step, side, attempt, process, at, and the events that died with the process."""

_BY_NAME = {step.name: step for step in (*OTHER_STEPS, *STEPS)}
_NEVER = 10**6  # the number of a delivery that has not come


class Part(Enum):
    """What a strand is."""

    REQUEST = auto()  # 1 to 11
    RELAYED = auto()  # the relay's 9, which leads to a delivery
    DELIVERY = auto()  # 12 to 19, and the webhooks it led to
    CAUGHT_UP = auto()  # what the relay publishes of a delivery: 17, 18, and the webhooks they led to


@dataclass(frozen=True)
class Happened:
    """An arrow, as an event; or a fault that hit. `index` is the event's place in the journal; None: not recorded.

    `harm`: it did again what an order should have once: stock, a charge, a notification under another id.
    """

    event: Event | None = None
    index: int | None = None
    firing: Firing | None = None
    harm: bool = False

    @property
    def step(self) -> Step:
        """The arrow, or where the fault hit."""
        return step_of(self.event) if self.event is not None else find_step((self.firing or {})["step"])

    @property
    def at(self) -> datetime:
        """When it began."""
        return _moment(self.event["started_at"] if self.event is not None else (self.firing or {})["at"])

    @property
    def crash(self) -> bool:
        """Whether a process ended here."""
        return self.firing is not None and self.firing["kind"] == Kind.CRASH


@dataclass
class Strand:
    """What goes on by itself, in the order of its steps; a crash, and what a request does after it, behind that."""

    part: Part
    which: str | int  # a request's trace; else a delivery's number
    happened: list[Happened] = field(default_factory=list)

    @property
    def delivery(self) -> int:
        """The delivery that this is, or led to; a request leads to the first."""
        return self.which if isinstance(self.which, int) else 1

    @property
    def began(self) -> datetime | None:
        """When its first arrow did."""
        return min((each.at for each in self.happened if each.firing is None), default=None)

    @property
    def arrows(self) -> list[Happened]:
        """Without the faults."""
        return [each for each in self.happened if each.firing is None]


def told(events: Sequence[Event], firings: Sequence[Firing] = ()) -> list[Strand]:
    """The strands of an order, given its journal in reading order and what has fired at it."""
    firings = [firing for firing in firings if firing["step"]]
    arrows = list(_arrows(events, firings))
    causes = _Causes(arrows)
    strands: dict[tuple[Part, str | int], Strand] = {}
    for arrow in arrows:
        key = causes.strand_of(arrow)
        strands.setdefault(key, Strand(*key)).happened.append(arrow)
    for firing in firings:
        fired = Happened(firing=firing)
        key = causes.hit(fired, list(strands.values()))
        strands.setdefault(key, Strand(*key)).happened.append(fired)
    for strand in strands.values():
        strand.happened = _sorted(strand)
    ordered = list(_in_order(list(strands.values())))
    _mark_harm(ordered)
    return ordered


def step_of(event: Event) -> Step:
    """The arrow that an event is."""
    if event.get("part"):
        return find_step(f"{event['step']}{event['part']}")
    return _BY_NAME.get(event["name"]) or find_step(event["step"])


def by_relay(event: Event) -> bool:
    """Whether the relay performed the step, in place of its own process."""
    return (event.get("data") or {}).get("by") == "relay"


def _arrows(events: Sequence[Event], firings: Iterable[Firing]) -> Iterator[Happened]:
    """The events, and what a process had not written down yet when it was killed. The portal notes less of its own.

    Whoever steps through an order has seen such events before they could be written: they have no number.
    """
    trace = next((event["trace_id"] for event in events), "")
    lost: dict[tuple[str, datetime], Event] = {}
    for event in (event for firing in firings for event in firing.get("unwritten") or () if event.get("ended_at")):
        step = step_of(event) if "name" in event else find_step(event["step"])
        whole = {"part": step.part or None, "name": step.name, "outcome": "ok", "attempt": 1, "data": {}} | event
        lost[_key(step, event)] = {**whole, "label": step.label, "trace_id": event.get("trace_id") or trace}
    for n, event in enumerate(events):
        died = lost.pop(_key(step_of(event), event), None)
        yield Happened(event, None if died and event.get("id") is None else n)
    yield from map(Happened, lost.values())


def _key(step: Step, event: Event) -> tuple[str, datetime]:
    """What makes an event itself."""
    return step.label, _moment(event["started_at"])


class _Causes:
    """Which delivery an arrow belongs to, by the copies of messages that were published and consumed."""

    def __init__(self, arrows: Sequence[Happened]) -> None:
        self._consumed: dict[str, int] = {}  # copy of OrderCreated → its first delivery
        self._notified: list[tuple[datetime, Event]] = []
        self._began: dict[int, datetime] = {}  # deliveries
        for arrow in arrows:
            event, number = arrow.event or {}, arrow.step.number
            if arrow.step == CONSUME_ORDER_CREATED and (copy := (event.get("data") or {}).get("copy")):
                self._consumed[copy] = min(event["attempt"], self._consumed.get(copy, _NEVER))
            if arrow.step == NOTIFY and event["outcome"] == Outcome.OK:
                self._notified.append((arrow.at, event))
            if number > SHOW_CONFIRMATION.number and arrow.step.part not in ("a", "b") and not by_relay(event):
                self._began[event["attempt"]] = min(arrow.at, self._began.get(event["attempt"], arrow.at))

    def strand_of(self, arrow: Happened) -> tuple[Part, str | int]:
        event, step = arrow.event or {}, arrow.step
        if step.part in ("a", "b"):
            return self._led_to_webhook(event, arrow.at)
        if by_relay(event) and step == PUBLISH_ORDER_CREATED:
            copies = (event.get("data") or {}).get("copies", ())
            led_to = [self._consumed.get(copy, _NEVER if self._began else 1) for copy in copies]
            return Part.RELAYED, min(led_to, default=1)
        if by_relay(event):
            return Part.CAUGHT_UP, int(event["attempt"])
        if step.number <= SHOW_CONFIRMATION.number:
            return Part.REQUEST, str(event["trace_id"])
        return Part.DELIVERY, int(event["attempt"])

    def _led_to_webhook(self, event: Event, at: datetime) -> tuple[Part, int]:
        """The 18 that sent this copy of the notification; where that is not known, the last that had begun."""
        copy = (event.get("data") or {}).get("copy")
        sent = [notify for _, notify in self._notified if copy and copy in (notify["data"] or {}).get("copies", ())]
        sent = sent or [notify for began, notify in sorted(self._notified, key=lambda one: one[0]) if began <= at]
        if sent:
            return Part.CAUGHT_UP if by_relay(sent[-1]) else Part.DELIVERY, int(sent[-1]["attempt"])
        return Part.DELIVERY, self._delivery_at(at)

    def _delivery_at(self, at: datetime) -> int:
        """The last delivery that had begun by then."""
        begun = [(began, n) for n, began in self._began.items() if began <= at]
        return max(begun)[1] if begun else min(self._began, default=1)

    def hit(self, fired: Happened, strands: Sequence[Strand]) -> tuple[Part, str | int]:
        """The strand that a fault hit."""
        firing, step, at = fired.firing or {}, fired.step, fired.at
        if firing["process"] == "relay":
            return self._hit_relay(fired, strands)
        if step.part in ("a", "b"):
            return self._led_to_webhook({}, at)
        if PROCESS[step.label] == "worker":
            if step != CONSUME_ORDER_CREATED:
                return Part.DELIVERY, int(firing["attempt"])
            if firing["side"] == AFTER:  # the gate knows the broker's count alone
                return Part.DELIVERY, self._delivery_at(at)
            later = [(began, n) for n, began in self._began.items() if began >= at]
            return Part.DELIVERY, min(later)[1] if later else max(self._began, default=0) + 1
        requests = [(strand.began, strand) for strand in strands if strand.part is Part.REQUEST]
        begun = [(began, strand.which) for began, strand in requests if began and began <= at]
        if begun:
            return Part.REQUEST, max(begun)[1]
        return Part.REQUEST, requests[0][1].which if requests else ""

    def _hit_relay(self, fired: Happened, strands: Sequence[Strand]) -> tuple[Part, str | int]:
        if fired.step != PUBLISH_ORDER_CREATED:
            return Part.CAUGHT_UP, int((fired.firing or {})["attempt"])
        relayed = [strand for strand in strands if strand.part is Part.RELAYED]
        near = min(relayed, key=lambda strand: abs((strand.began or fired.at) - fired.at), default=None)
        return Part.RELAYED, near.which if near else _NEVER


def _sorted(strand: Strand) -> list[Happened]:
    """By the numbers of the steps; what a request did after its process had been killed stands behind that."""
    crashes = [each.at for each in strand.happened if each.crash] if strand.part is Part.REQUEST else []

    def place(each: Happened) -> tuple[int, int, str, datetime]:
        return sum(crash < each.at for crash in crashes), each.step.number, each.step.part, each.at

    return sorted(strand.happened, key=place)


def _in_order(strands: list[Strand]) -> Iterator[Strand]:
    """As the journal has them; what the relay published before the delivery that it led to, or behind its own."""
    placed = [strand for strand in strands if strand.part in (Part.REQUEST, Part.DELIVERY)]
    for strand in [each for each in placed if all(arrow.index is None for arrow in each.arrows) and each.began]:
        placed.remove(strand)  # nothing of it was recorded, so the journal gives it no place
        later = [n for n, other in enumerate(placed) if other.began and strand.began and other.began > strand.began]
        placed.insert(later[0] if later else len(placed), strand)
    relayed = {strand.which: strand for strand in strands if strand.part is Part.RELAYED}
    for strand in strands:
        if strand.part is Part.CAUGHT_UP:
            before = [n for n, other in enumerate(placed) if _led_to(other, strand)]
            placed.insert(before[-1] + 1 if before else len(placed), strand)
    for strand in placed:
        if strand.part is Part.DELIVERY and strand.which in relayed:
            yield relayed.pop(strand.which)
        yield strand
    yield from relayed.values()


def _led_to(strand: Strand, caught_up: Strand) -> bool:
    """Whether what the relay caught up with stands behind this: its own delivery, and whatever had begun before."""
    own = (strand.part, strand.which) == (Part.DELIVERY, caught_up.which)
    return own or bool(strand.began and caught_up.began and strand.began <= caught_up.began)


_ONCE = ("14", "15", "18a", "18b")


def _mark_harm(strands: Iterable[Strand]) -> None:
    """Mark what was done again, for all that is on record."""
    done: dict[str, set[str]] = {}
    for strand in strands:
        for at, each in enumerate(strand.happened):
            event, label = each.event or {}, each.step.label
            if each.firing or label not in _ONCE or event["outcome"] != Outcome.OK:
                continue
            known, data = done.setdefault(label, set()), event.get("data") or {}
            which = str(data.get("webhook_id")) if each.step.part else f"{strand.delivery} {at}"
            strand.happened[at] = replace(each, harm=bool(known) and which not in known)
            known.add(which)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
