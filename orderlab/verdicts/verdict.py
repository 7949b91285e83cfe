"""The verdict on one order, with what it rests on. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orderlab.language import _, spoken
from orderlab.order import Status
from orderlab.verdicts.rules import Event, Evidence, Finding, Word, judge


@spoken
@dataclass(frozen=True)
class Verdict:
    """The verdict on one order, what it rests on, and the events and firings that show why."""

    order_id: str
    word: Word
    findings: tuple[Finding, ...] = ()
    status: Status | None = None
    events: tuple[Event, ...] = ()
    firings: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, evidence: Evidence) -> Verdict:
        """The verdict when patience has run out: what has not happened by now is stuck."""
        judged = judge(evidence)
        findings = sorted({*judged.findings, *judged.waits}, key=lambda found: (-_badness(found.word), found.what))
        word = findings[0].word if findings else Word.CORRECT
        shown = {label for found in findings for label in found.steps}
        shows: Callable[[Event], bool] = lambda event: event["label"] in shown  # noqa: E731
        events = tuple(filter(shows, evidence.events))
        return cls(evidence.order_id, word, tuple(findings), evidence.status, events, evidence.firings)

    @property
    def reason(self) -> str:
        """What is wrong, in one line; empty if nothing is."""
        return "; ".join(str(found) for found in self.findings)

    def __str__(self) -> str:
        stands = f" ({self.status})" if self.status else _(" (not there)")
        lines = [f"{self.order_id}{stands}: {_(self.word.value)}"]
        lines += [f"  {found}" for found in self.findings]
        if self.findings:
            lines += [f"    {line}" for line in self._why()]
        return "\n".join(lines)

    __repr__ = __str__

    def _why(self) -> list[str]:
        """Firings and events by the time at which they happened."""
        happened = [
            (str(f["at"]), f"{f['kind']:>5} {_(f['side'] or '')} {f['step'] or f['process']}") for f in self.firings
        ]
        happened += [
            (str(event["started_at"]), f"{event['label']:>5} {event['name']} [{event['outcome']}]")
            for event in self.events
        ]
        return [line for _at, line in sorted(happened)]


SETTLED_AFTER = 2.0
"""Seconds without news after which what is nowhere to be found is called lost."""


def so_far(evidence: Evidence, still: float) -> tuple[tuple[Finding, ...], bool]:
    """What is wrong with an order as it stands, worst first, for who looks on; and whether that is all.

    `still` is for how many seconds there has been no news of it: what was done is nowhere to be found until it is
    written down.
    """
    judged, settled = judge(evidence), still >= SETTLED_AFTER
    certain = [each for each in judged.findings if each.word is not Word.LOST or settled]
    return tuple(sorted(certain, key=lambda each: (-_badness(each.word), each.what))), judged.ended


def _badness(word: Word) -> int:
    return list(Word).index(word)
