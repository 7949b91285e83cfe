"""Where an order that is stepped through stands: who is halted with it, what was shown, what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orderlab.faults.model import AFTER, BEFORE
from orderlab.language import _
from orderlab.sequence import Outcome, find_step
from orderlab.stepping import strands, watch
from orderlab.stepping.watch import Halt, Watch


class Course:
    """The order's strands: the request, the worker's delivery, each webhook, what the relay does.

    All of them are under way at once; one is shown to its end, and then the next.
    """

    def __init__(self, look: Watch) -> None:
        self._watch = look
        self._known = {strands.whole_key(event) for event in look.journal()}  # of an earlier request
        self.trace = ""  # of this request, once the API has it
        self.events: list[dict[str, Any]] = []  # in the order in which they were shown
        self.begun: list[str] = []  # steps of the request that have begun
        self.strand = "request"  # the one that is shown
        self.over = set[str]()
        self.answered = False  # the person has a page
        self.delivering = False  # the worker has a delivery in hand

    def pass_(self, halt: Halt) -> None:
        """Let it go on."""
        self._watch.release(halt)
        self.strand = halt.strand
        if halt.side == BEFORE:
            self.over.discard(halt.strand)
            if halt.strand == "request":
                self.begun.append(halt.step)
            if halt.strand == "worker" and halt.step == "12":
                self.delivering = True
        elif halt.step == "19":
            self.delivering = False
        elif halt.strand not in ("request", "worker"):
            self.over.add(halt.strand)

    def take_up(self, halts: Sequence[Halt]) -> str:
        """Take what has happened to an order that is halted for shown; where it stands, in words."""
        alive = [halt for halt in halts if halt.alive]
        self._known = set()
        written = [event for halt in alive for event in halt.events]
        self.trace = next((e["trace_id"] for e in [*written, *self._watch.journal()] if e["trace_id"]), "")
        journal = self._watch.journal()
        there = {strands.key(event) for event in journal}
        self.events = [event for event in journal if event["label"] not in ("18a", "18b")]
        self.events += [e for e in written if e["ended_at"] is not None and strands.key(e) not in there]
        self.events += [event for event in journal if event["label"] in ("18a", "18b")]
        self.delivering = any(halt.strand == "worker" and not halt.at("12", BEFORE) for halt in alive)
        first = min(alive, key=strands.place, default=None)
        if first is None:  # released meanwhile
            return _("a moment ago")
        self.strand = first.strand
        return _(
            "{side} {step} {name}, in the {process}",
            side=_(first.side),
            step=first.step,
            name=find_step(first.step).name,
            process=first.process,
        )

    def halts(self) -> list[Halt]:
        """Where the order is halted; a halt whose process was killed is no more."""
        found = self._watch.halts()
        for halt in found:
            if not halt.alive:
                self._watch.release(halt, "its process is gone")
                if halt.process == "worker":
                    self.delivering = False
        return [halt for halt in found if halt.alive]

    def choose(self, halts: Sequence[Halt], stalled: bool) -> Halt | None:
        """The halt to look at next: of the strand that is shown, and when that is over the next in the diagram."""
        unpublished = (
            {row["type"] for row in self._watch.tables()["outbox"] if not row["published"]}
            if any(halt.process == "relay" for halt in halts)
            else set()
        )
        over = self._is_over(self.strand) or stalled
        candidates = []
        for halt in halts:
            if halt.process == "relay" and halt.side == BEFORE:
                if not unpublished:
                    return halt  # its message is out by now: the relay finds nothing to do
                if not over:
                    continue
            if not over and halt.strand != self.strand:
                continue
            if halt.at("12", BEFORE) and self.delivering and not stalled and not self._failed(halt):
                continue  # another delivery waits for its turn
            if halt.at("4", AFTER) and "10" not in {event["label"] for event in self.events} and not stalled:
                continue  # the answer has arrived; first it is shown to leave
            candidates.append(halt)
        return min(candidates, key=strands.place, default=None)

    def unseen(self, halt: Halt) -> list[dict[str, Any]]:
        """Arrows of the halt's strand that were not shown yet; those that were are brought up to date."""
        if halt.process == "orders-api":
            self.trace = next((event["trace_id"] for event in halt.events), self.trace)
        journal = [event for event in self._watch.journal() if self.is_mine(event)]
        new = self.news([*halt.events, *journal], halt.strand)
        begun = strands.BEFORE_IT.get(halt.step) if halt.side == BEFORE else None
        if begun and begun.label not in {event["label"] for event in (*self.events, *new)}:
            new.append(watch.performed(begun))
        return new

    def news(self, found: Sequence[dict[str, Any]], strand: str = "") -> list[dict[str, Any]]:
        """Which of these events have ended and were not shown yet, of one strand or of all."""
        new: dict[tuple[str, str], dict[str, Any]] = {}
        shown = {strands.key(event): n for n, event in enumerate(self.events)}
        for event in found:
            if event["ended_at"] is None or strands.whole_key(event) in self._known:
                continue
            key = strands.key(event)
            if key in shown:
                self.events[shown[key]] = event
            elif not strand or strands.strand_of(event) == strand:
                new[key] = event
        return sorted(new.values(), key=lambda event: (event["started_at"], event["step"], event["part"] or ""))

    def is_mine(self, event: dict[str, Any]) -> bool:
        """Whether it is no late record of an earlier request for the same order."""
        return strands.strand_of(event) != "request" or event["trace_id"] == self.trace

    def _is_over(self, strand: str) -> bool:
        if strand == "request":
            return self.answered
        return not self.delivering if strand == "worker" else strand in self.over

    def _failed(self, halt: Halt) -> bool:
        """Whether the delivery before has broken off, so that this is the message come again."""
        return any(event["outcome"] == Outcome.FAILED for event in self.unseen(halt))
