"""Verdicts: what an order's end state amounts to. Pure: evidence in, verdict out.

The rules, worst first. More than one can hold; the worst is the verdict.

- **duplicated**: the customer is charged more than once, or at all for an order that is REJECTED; or an audience is
  notified under two ids.
- **lost**: something that had to happen has not, and nothing that is left anywhere will make it happen. In a RECEIVED
  or INVENTORY_RESERVED order that is OrderCreated; in a CONFIRMED one the charge; in either final state the event
  for the fanout, or the notification of an audience (also one that was given up). An order of which somebody was told
  (200, 201) and that is not in the tables is lost as a whole.
- **oversold**: stock is not exact: the order holds more, or less, than its state entitles it to.
- **stuck**: a message is there but makes no progress: in `orders.dead`, halted at a gate, or still in the outbox, a
  queue or a consumer's hands when patience has run out.
- **correct**: none of these. So is an order that is not there and of which nobody was told: the person saw that it
  failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from orderlab.language import N_, Said, _
from orderlab.messages import AUDIENCES, NOTIFICATION, ORDER_CONFIRMED, ORDER_CREATED, ORDER_REJECTED
from orderlab.order import Design, Status
from orderlab.sequence import Outcome

Event = Mapping[str, Any]
"""A row of `order_events`, with its `label` ("9", "15c")."""


class Word(StrEnum):
    """What an order's end state amounts to, from good to worst."""

    CORRECT = N_("correct")
    STUCK = N_("stuck")
    OVERSOLD = N_("oversold")
    LOST = N_("lost")
    DUPLICATED = N_("duplicated")


@dataclass(frozen=True)
class Evidence:
    """What is known of one order: from the tables, the queues, and whoever listens at the exchanges and the inbox."""

    order_id: str
    status: Status | None = None  # None: not in the tables
    design: Design = field(default_factory=Design)
    deliveries: int = 0
    charges: int = 0
    wants: int = 0  # units
    notifications: tuple[Mapping[str, Any], ...] = ()  # id, audience, status, reason
    outbox: tuple[Mapping[str, Any], ...] = ()  # type, audience, published
    events: tuple[Event, ...] = ()
    halts: tuple[Mapping[str, Any], ...] = ()  # step, side, process
    firings: tuple[Mapping[str, Any], ...] = ()  # kind, step, side, process
    told: bool = False  # somebody got 200 or 201
    queued: str = ""  # where its OrderCreated is, as far as records and queues tell: "in its queue"
    dead: str | None = None  # why a message of it is in orders.dead
    seen: frozenset[str] | None = None  # types that a queue on the fanouts has seen; None: nobody listened
    inbox: tuple[tuple[str, str], ...] | None = None  # (audience, webhook id) of what arrived; None: not reachable

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Evidence:
        """What a row of `lab.evidence` holds, with the order's events, halts and firings."""
        if row["status"] is None:
            return cls(row["order_id"], firings=tuple(row["firings"]), halts=tuple(row["halts"]))
        return cls(
            row["order_id"],
            status=Status(row["status"]),
            design=Design(row["design_outbox"], row["design_idempotent_consumer"]),
            deliveries=row["deliveries"],
            charges=row["charges"],
            wants=int(row["wants"]),
            notifications=tuple(row["notifications"]),
            outbox=tuple(row["outbox"]),
            events=tuple({**event, "label": f"{event['step']}{event['part'] or ''}"} for event in row["events"]),
            halts=tuple(row["halts"]),
            firings=tuple(row["firings"]),
        )


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: its word, what it is, and the labels of the steps that show it."""

    word: Word
    what: str
    steps: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{_(self.word.value)}: {_(self.what)}"


@dataclass(frozen=True)
class Judgement:
    """What is wrong with an order, what it waits for, and whether it may still move though nothing shows it."""

    findings: tuple[Finding, ...]
    waits: tuple[Finding, ...]  # what would have to happen; stuck if it does not
    ended: bool  # nothing that is known can change it


def judge(evidence: Evidence) -> Judgement:
    """Judge one order as it is now."""
    findings, stopped = [*_duplicated(evidence), *_oversold(evidence)], [*_stopped(evidence)]
    if stopped:  # until somebody helps
        return Judgement((*findings, *stopped), (), ended=True)
    if evidence.status is None:
        lost = (Finding(Word.LOST, Said("the order: somebody was told of it, and it is not there")),)
        return Judgement(lost if evidence.told else (), (), ended=False)
    waits = list[Finding]()
    for rule in (_unpublished, _unsettled, _unheard, _unnotified):
        for found in rule(evidence):
            (waits if found.word is Word.STUCK else findings).append(found)
    ended = not waits and evidence.status.final and _acked(evidence)
    return Judgement(tuple(findings), tuple(waits), ended)


def _duplicated(e: Evidence) -> Iterable[Finding]:
    if e.charges > 1:
        yield Finding(Word.DUPLICATED, Said("charged {n} times", n=e.charges), ("12", "15"))
    elif e.charges and e.status is Status.REJECTED:
        yield Finding(Word.DUPLICATED, Said("charged, although it is REJECTED"), ("15", "16"))
    for audience in AUDIENCES:
        ids = _delivered(e, audience)
        if len(ids) > 1:
            yield Finding(
                Word.DUPLICATED,
                Said("{audience} notified under {n} ids", audience=audience, n=len(ids)),
                ("12", "16", _webhook(audience)),
            )


def _oversold(e: Evidence) -> Iterable[Finding]:
    """What the order holds, from its journal: 14 and 15c are written by the very transactions that move the stock."""
    holds = sum(e.wants * _times(e, event) for event in _went_well(e, "14"))
    holds -= sum(e.wants * _times(e, event) for event in _went_well(e, "15c"))
    right = e.wants if e.status in (Status.INVENTORY_RESERVED, Status.CONFIRMED) else 0
    if holds != right:
        yield Finding(
            Word.OVERSOLD, Said("{holds} set aside, {right} would be right", holds=holds, right=right), ("14", "15c")
        )


def _times(e: Evidence, event: Event) -> int:
    """How often a recorded step moved the stock: a repeated one is recorded once, and an idempotent one works once.

    Code of a student's own notes whether it would do it `again`; the lab's goes by the order's design.
    """
    again = event["data"].get("again", not e.design.idempotent_consumer)
    return 2 if again and event["data"].get("fault") == "duplicate" else 1


def _stopped(e: Evidence) -> Iterable[Finding]:
    if e.dead is not None:
        yield Finding(Word.STUCK, Said("dead: {reason}", reason=e.dead), ("12",))
    for halt in e.halts:
        yield Finding(
            Word.STUCK,
            Said(
                "halted {side} {step} in {process}", side=Said(halt["side"]), step=halt["step"], process=halt["process"]
            ),
        )


def _unpublished(e: Evidence) -> Iterable[Finding]:
    for message in e.outbox:
        if not message["published"]:
            yield Finding(
                Word.STUCK, Said("{what} is still in the outbox", what=_called(message["type"], message["audience"]))
            )


def _unsettled(e: Evidence) -> Iterable[Finding]:
    """RECEIVED and INVENTORY_RESERVED: what will move it?"""
    if e.queued:
        yield Finding(Word.STUCK, Said("{message} {where}", message=ORDER_CREATED, where=e.queued), ("9",))
    if e.status is None or e.status.final or e.queued:
        return
    if e.deliveries and _acked(e):
        yield Finding(
            Word.LOST,
            Said("{message}: it was acknowledged, and the work was not done", message=ORDER_CREATED),
            ("12", "19"),
        )
    elif e.deliveries:
        yield Finding(Word.STUCK, Said("{message} is still in a worker's hands", message=ORDER_CREATED), ("12",))
    elif _published(e, ORDER_CREATED, "9"):
        yield Finding(Word.STUCK, Said("{message} is on its way to a worker", message=ORDER_CREATED), ("9",))
    elif not any(message["type"] == ORDER_CREATED for message in e.outbox):
        yield Finding(Word.LOST, ORDER_CREATED, ("8", "9"))


def where_queued(e: Evidence, waiting: int, consumed: bool, accounted: int) -> str:
    """What is to be said of the order's OrderCreated in the worker's queue; nothing if it is not there.

    Told from what is recorded: to look into a queue is to take from it. `waiting` messages lie there, `accounted` of
    them are those of orders known to be published and never delivered; `consumed` is whether a worker is there.
    """
    if not waiting or e.status is None:
        return ""
    sent = sum(_times_sent(event) for event in _went_well(e, "9"))
    sent = max(sent, any(message["type"] == ORDER_CREATED and message["published"] for message in e.outbox))
    acked = len({event["attempt"] for event in _went_well(e, "19") if event["data"].get("fault") != "drop"})
    if sent > e.deliveries or (e.deliveries > acked and not consumed):
        return Said("is still in its queue")
    unaccounted = not e.deliveries and not any(message["type"] == ORDER_CREATED for message in e.outbox)
    if unaccounted and not _went_well(e, "9") and waiting > accounted:
        return Said("may be in its queue, where a message lies that nothing accounts for")
    return ""


def _times_sent(event: Event) -> int:
    return {"drop": 0, "duplicate": 2}.get(str(event["data"].get("fault")), 1)


def _unheard(e: Evidence) -> Iterable[Finding]:
    """CONFIRMED and REJECTED: has the fanout had its event, and the gateway its charge?"""
    event = _EVENT_OF.get(e.status) if e.status else None
    if event is None:
        return
    if e.status is Status.CONFIRMED and not e.charges:
        yield Finding(Word.LOST, Said("the charge"), ("15", "16"))
    if not (_published(e, event, "17") or any(message["type"] == event for message in e.outbox)):
        yield Finding(Word.LOST, event, ("16", "17"))


def _unnotified(e: Evidence) -> Iterable[Finding]:
    """CONFIRMED and REJECTED: has each audience had its notification?"""
    if e.status not in _EVENT_OF:
        return
    for audience in AUDIENCES:
        if _delivered(e, audience):
            continue
        rows = [row for row in e.notifications if row["audience"] == audience]
        what = _called(NOTIFICATION, audience)
        if rows and all(row["status"] == "failed" for row in rows):
            yield Finding(
                Word.LOST, Said("{what}: {reason}", what=what, reason=rows[-1]["reason"]), (_webhook(audience),)
            )
        elif any(message["audience"] == audience for message in e.outbox) or _sent(e, "18"):
            yield Finding(Word.STUCK, Said("{what} is still on its way", what=what), ("18",))
        else:
            yield Finding(Word.LOST, what, ("16", "18"))


def _acked(e: Evidence) -> bool:
    """Whether each copy of the message that was delivered is known to have been acknowledged: none comes again."""
    copies = {event["attempt"]: event["data"].get("copy") or event["attempt"] for event in e.events if _is_12(event)}
    acks = {event["attempt"] for event in _went_well(e, "19") if event["data"].get("fault") != "drop"}
    delivered = {copies.get(attempt, attempt) for attempt in range(1, e.deliveries + 1)}
    return bool(delivered) and delivered <= {copies.get(attempt, attempt) for attempt in acks}


def _is_12(event: Event) -> bool:
    return str(event["label"]) == "12"


def _published(e: Evidence, kind: str, label: str) -> bool:
    """Whether a message of this type reached the broker, as far as anybody knows."""
    if e.seen is not None and kind != ORDER_CREATED:
        return kind in e.seen
    return any(message["type"] == kind and message["published"] for message in e.outbox) or _sent(e, label)


def _sent(e: Evidence, label: str) -> bool:
    return any(event["data"].get("fault") != "drop" for event in _went_well(e, label))


def _went_well(e: Evidence, label: str) -> list[Event]:
    return [event for event in e.events if event["label"] == label and event["outcome"] == Outcome.OK]


def _delivered(e: Evidence, audience: str) -> set[str]:
    """The ids under which an audience has had a notification."""
    if e.inbox is not None:
        return {webhook_id for to, webhook_id in e.inbox if to == audience}
    return {str(row["id"]) for row in e.notifications if row["audience"] == audience and row["status"] == "delivered"}


def _called(kind: str, audience: str | None) -> str:
    return Said("the notification of {audience}", audience=audience) if kind == NOTIFICATION else kind


def _webhook(audience: str) -> str:
    return "18a" if audience == "operations" else "18b"


_EVENT_OF = {Status.CONFIRMED: ORDER_CONFIRMED, Status.REJECTED: ORDER_REJECTED}
