"""One moment of an order that is stepped through: the current arrow, and what it has changed.

Standard library only; the same moment reads the same in every run but for ids and times in a message or a token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any

from orderlab.access.shown import Copy, claims_text
from orderlab.drawing.drawing import Drawing, picture
from orderlab.drawing.rows import Event, Firing
from orderlab.language import _, spoken
from orderlab.sequence import WEBHOOK_FAILED, find_step
from orderlab.stepping.changes import Queues, Tables, queue_changes, table_changes


@spoken
@dataclass(frozen=True, repr=False)
class Moment:
    """What there is to see after one arrow, or when something else has happened."""

    order_id: str
    events: Sequence[Event]  # the arrows so far, in the order in which they were shown
    arrows: tuple[str, ...] = ()  # labels of what is new; several when one transaction takes them together
    before: str = ""  # the label of the step that the order is halted before, if that was asked for
    said: tuple[str, ...] = ()  # what is to be told besides: a fault that has fired, a refusal, the end
    died: bool = False  # a process was killed
    ended: bool = False
    tables_before: Tables | None = None
    tables: Tables | None = None
    queues_before: Queues | None = None
    queues: Queues | None = None
    messages: Sequence[Mapping[str, Any]] = field(default=())  # exchange, headers, body
    claims: Mapping[str, Any] | None = None  # of the token
    firings: Sequence[Firing] = ()  # faults that have hit the order so far

    @property
    def title(self) -> str:
        """What the moment is about."""
        if self.arrows:
            return _(" and ").join(f"{event['label']} {event['name']}" for event in self.news)
        if self.before:
            step = find_step(self.before)
            return _("before {step}", step=f"{step.label} {step.name}")
        if self.died:
            return _("a crash")
        return _("the end") if self.ended else _("no arrow")

    @property
    def news(self) -> Sequence[Event]:
        """The events that are new."""
        return self.events[-len(self.arrows) :] if self.arrows else ()

    @property
    def idle(self) -> bool:
        """Whether nothing has come, and nothing is over."""
        return not (self.arrows or self.before or self.died or self.ended)

    @property
    def drawing(self) -> Drawing:
        """The whole diagram so far, the current arrow lit."""
        return Drawing.of(self.events, title=self._heading, lit=self._lit, new=len(self.arrows), firings=self.firings)

    @property
    def arrow(self) -> Drawing | None:
        """What this moment is about and no more: its arrows, the one to come, or the crash; at the end, the whole."""
        if self.ended:
            return self.drawing
        if self.arrows:
            return self.drawing.only_lit()
        if self.before:
            return Drawing.to_come(self.before, title=self._heading)
        return self.drawing.only_crash() if self.died and self.firings else None

    @property
    def _lit(self) -> int | None:
        return -1 if self.arrows else None

    @property
    def _heading(self) -> str:
        return f"{self.order_id} · {self.title}"

    @property
    def changes(self) -> list[tuple[str, str]]:
        """(where, what changed), a row or a queue each."""
        found: list[tuple[str, str]] = []
        if self.tables is not None and self.tables_before is not None:
            told = table_changes(self.tables_before, self.tables, self.news)
            found += [(_("table {name}", name=name), said) for name, said in told]
        if self.queues is not None and self.queues_before is not None:
            found += [
                (_("queue {name}", name=name), said)
                for name, said in queue_changes(self.queues_before, self.queues, self.died)
            ]
        return found

    @property
    def details(self) -> list[tuple[str, str]]:
        """(heading, text) of what was carried: the token, the messages."""
        found = [(_("the token, decoded"), claims_text(self.claims))] if self.claims else []
        for message in self.messages:
            text = str(Copy(message["exchange"], message["headers"], message["body"]))
            if queue := message.get("queue"):
                found.append(
                    (_("the message to the queue {queue}, from the outbox", queue=queue), text.partition("\n\n")[2])
                )
            else:
                found.append((_("the message, as a queue of its own got it"), text))
        return found

    def __str__(self) -> str:
        lines = [self.arrow.text, ""] if self.arrow else []
        lines += [self.title, *(f"  {sentence}" for sentence in self.said)]
        lines += [f"  {where:<31} {what}" for where, what in self.changes] or self._nothing()
        for heading, text in self.details:
            lines += [f"  {heading}:", *(f"    {line}".rstrip() for line in text.splitlines())]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        parts = [picture(drawing.svg, drawing.text)] if (drawing := self.arrow) else []
        parts.append(f"<p><b>{escape(self.title)}</b></p>")
        parts += [f"<p>{escape(sentence)}</p>" for sentence in (*self.said, *self._nothing())]
        left = 'style="text-align: left"'
        rows = "".join(
            f"<tr><th {left}>{escape(where)}</th><td {left}>{escape(what)}</td></tr>" for where, what in self.changes
        )
        parts += [f"<table>{rows}</table>"] if rows else []
        parts += [f"<p>{escape(heading)}</p><pre>{escape(text)}</pre>" for heading, text in self.details]
        return {"text/html": "\n".join(parts), "text/plain": str(self)}

    def _nothing(self) -> list[str]:
        """What is said of an arrow that left no trace but itself."""
        quiet = self.arrows and not (self.changes or self.details or self.said)
        return [_("  No row and no queue has changed.")] if quiet and self.tables is not None else []

    def as_json(self) -> dict[str, Any]:
        """For a capsule."""
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Moment:
        """What `as_json` gave."""
        return cls(**{**told, "arrows": tuple(told["arrows"]), "said": tuple(told["said"])})


def passed(order_id: str, shown: Sequence[Event], gone_by: Sequence[Event], said: str) -> list[Moment]:
    """A moment for each arrow that went by while nobody looked; 15c goes with 16, whose transaction it is.

    `shown` are the events that were there before.
    """
    moments: list[Moment] = []
    events, arrows = list(shown), list[str]()
    for event in gone_by:
        events.append(event)
        arrows.append(str(event["label"]))
        if arrows[-1] != "15c":
            moments.append(
                Moment(order_id, list(events), tuple(arrows), said=(said,), claims=event["data"].get("claims"))
            )
            arrows = []
    return moments


def names(event: Event) -> set[str]:
    """What an arrow is called by: its label and its name."""
    return {str(event["label"]), "webhook_delivered" if event["name"] == WEBHOOK_FAILED else str(event["name"])}
