"""How far an order has come, ready to be shown: state, steps, drawing, webhooks."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from flask import render_template
from flask_babel import get_locale

from orderlab.client import ApiProblem
from orderlab.drawing.drawing import sequence_svg, sequence_text
from orderlab.drawing.rows import observed
from orderlab.drawing.words import Words, words
from orderlab.errors import ApiAway
from orderlab.order import DESIGNS, Status
from orderlab.portal.live import AWAY, HEARTBEAT, STILL_HERE, message
from orderlab.portal.parts import parts
from orderlab.sequence import Outcome, still_to_come
from orderlab.verdicts.rules import Evidence, Word
from orderlab.verdicts.verdict import so_far


def language() -> str:
    """The page's language: "es" or "en"."""
    return str(get_locale())


def speak() -> Words:
    """The words of the drawings, in the page's language."""
    return words(language())


class Progress:
    """How an order stands, and what the page makes of it; waits up to `wait` seconds for an event after `after`."""

    def __init__(self, order_id: str, after: int | None = None, wait: float = 0) -> None:
        self.order_id = order_id
        parts().reports.hand_in(order_id)
        pending = parts().reports.pending(order_id)  # asked before the events are read, or they could lack it
        told = parts().reader.events(order_id, after, wait)
        self.status = Status(told["status"])
        self.events = told["events"]
        self.firings = told["firings"]
        self.design = told["evidence"]["design"]
        self.evidence = _evidence(told)
        self.findings, self.ended = so_far(self.evidence, told["evidence"]["still"])
        self.newest = max((int(event["id"]) for event in self.events), default=0)
        self.webhooks = parts().inbox.of_order(order_id)
        self._pending = pending

    @property
    def finished(self) -> bool:
        """Whether nothing more is to come: a final status, the message acknowledged, both webhooks settled."""
        return self.status.final and not still_to_come(self.events) and bool(self.word) and not self._pending

    @property
    def design_name(self) -> str:
        """The design that the order travels with."""
        return next(name for name, known in DESIGNS.items() if known.as_dict() == self.design)

    @property
    def word(self) -> str:
        """The verdict so far; "" while nothing is wrong and more may come."""
        return str(self.findings[0].word) if self.findings else str(Word.CORRECT) if self.ended else ""

    @property
    def wrong(self) -> str:
        """What is wrong with the order, for the page to say: a key of `WRONG`; "" while nothing is."""
        if not self.findings:
            return ""
        if self.word == Word.STUCK and self.evidence.halts:
            return "halted"
        if self.word == Word.DUPLICATED and self.evidence.charges > 1:
            return "charged_again"
        if self.word == Word.DUPLICATED and self.evidence.charges and self.status is Status.REJECTED:
            return "charged_in_vain"
        return self.word

    @property
    def tone(self) -> str:
        """How the page's head looks: `good` for an order that came to its end as it should, `bad`, `no` or `way`."""
        if self.wrong and self.wrong != "halted":
            return "bad"
        if self.status is Status.REJECTED:
            return "no"
        return "good" if self.word == Word.CORRECT and self.status is Status.CONFIRMED else "way"

    @property
    def reason(self) -> str | None:
        """Why it was rejected, read off its steps."""
        outcomes = {event["outcome"] for event in self.events}
        if self.status is not Status.REJECTED:
            return None
        return "out_of_stock" if Outcome.OUT_OF_STOCK in outcomes else "payment_declined"

    @property
    def reached(self) -> int:
        """The highest of the nineteen that has happened; 0 for none."""
        return max((int(event["step"]) for event in self.events), default=0)

    def runs(self) -> Any:
        """The rows of the drawing, for the list of steps."""
        return observed(self.events, speak(), firings=self.firings)

    def text(self) -> str:
        """The drawing, one line per arrow."""
        return sequence_text(self.events, language=language(), firings=self.firings)

    def svg(self, *, compact: bool = False) -> str:
        """The drawing."""
        return sequence_svg(self.events, language=language(), compact=compact, firings=self.firings)

    def image(self, *, compact: bool = False) -> str:
        """The drawing as a data URL: it comes with the page, and costs no further request."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg(compact=compact).encode()).decode()

    def message(self) -> str:
        """What the open page needs to show this."""
        return message(
            {
                "parts": {
                    "headline": render_template("_headline.html", progress=self),
                    "state": render_template("_state.html", progress=self),
                    "steps": render_template("_steps.html", progress=self),
                    "webhooks": render_template("_webhooks.html", progress=self),
                    "drawing-text": render_template("_text.html", progress=self),
                },
                "images": {"drawing": self.image(), "drawing-narrow": self.image(compact=True)},
                "finished": self.finished,
            },
            self.newest,
        )


def _evidence(told: Mapping[str, Any]) -> Evidence:
    """What the API says of an order, as it is judged."""
    facts, design = told["evidence"], {f"design_{name}": on for name, on in told["evidence"]["design"].items()}
    return Evidence.of({**told, **facts, **design})


def follow(order_id: str, newest: int) -> Iterator[str]:
    """Messages as things happen, from behind event `newest`, until the order is finished."""
    known: Any = None
    while True:
        try:
            progress = Progress(order_id, after=newest, wait=HEARTBEAT)
        except (ApiAway, ApiProblem):  # what is wrong with it shows when the browser comes back
            yield AWAY
            return
        state = (len(progress.events), len(progress.firings), progress.findings, progress.ended)
        if state != known or progress.finished:
            yield progress.message()
        else:
            yield STILL_HERE
        if progress.finished:
            return
        # Events can become visible out of the order of their ids, so it is their number that tells of news.
        known, newest = state, max(newest, progress.newest)
