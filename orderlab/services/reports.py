"""Steps that are told to the API: by clients, who report theirs, and by a token, which was issued before its order."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from nameko.extensions import DependencyProvider

from orderlab.errors import FieldProblem, InvalidOrder
from orderlab.journal import Event, Events, event_id, now
from orderlab.language import _
from orderlab.sequence import CLIENT_STEPS, ISSUE_TOKEN, Step
from orderlab.tokens import Claims, Issued

LONGEST_REPORT = 20
"""Steps in one report."""
OLDEST, LONGEST, SKEW = timedelta(days=365), timedelta(days=1), timedelta(minutes=1)
"""How long ago a reported step may have begun, how long it may have taken, and how far clocks may differ."""
MOST_TOKENS = 10_000
"""Tokens whose issue is remembered; the oldest give way."""

_REPORTABLE: dict[Any, Step] = {key: step for step in CLIENT_STEPS for key in (step.number, step.name)}


def read_report(body: Any, order_id: str, trace_id: str | None) -> Events:
    """The events of a report; raise `InvalidOrder` that names what is wrong."""
    reported = body.get("events") if isinstance(body, dict) else None
    if not isinstance(reported, list) or not 1 <= len(reported) <= LONGEST_REPORT:
        raise InvalidOrder([FieldProblem("events", _("must be a list of 1 to {most} steps", most=LONGEST_REPORT))])
    problems: list[FieldProblem] = []
    events = Events()
    for n, entry in enumerate(reported):
        entry = entry if isinstance(entry, dict) else {}
        which = entry.get("step")
        step = _REPORTABLE.get(which) if isinstance(which, (int, str)) and not isinstance(which, bool) else None
        started_at, ended_at = _moment(entry.get("started_at")), _moment(entry.get("ended_at"))
        if step is None:
            known = ", ".join(str(s.number) for s in CLIENT_STEPS)
            problems.append(
                FieldProblem(f"events[{n}].step", _("must be a step that a client takes: {known}", known=known))
            )
        problems += [FieldProblem(f"events[{n}].{field}", wrong) for field, wrong in _wrong_times(started_at, ended_at)]
        if step and started_at and ended_at:
            same = event_id(order_id, step.label, trace_id or "", started_at.isoformat())  # for a report sent again
            events.append(Event(order_id, step, 1, trace_id, started_at, ended_at, id=same))
    if problems:
        raise InvalidOrder(problems)
    return events


def _wrong_times(started_at: datetime | None, ended_at: datetime | None) -> list[tuple[str, str]]:
    """(field, what it must be) for each time that is missing or can't be true."""
    wrong, present = [], now()
    if started_at is None:
        wrong.append(("started_at", _("must be a time with its zone (ISO 8601)")))
    elif started_at < present - OLDEST:
        wrong.append(("started_at", _("must lie within the last {days} days", days=OLDEST.days)))
    if ended_at is None or (started_at and ended_at < started_at):
        wrong.append(("ended_at", _("must be a time with its zone (ISO 8601), not before started_at")))
    elif ended_at > present + SKEW:
        wrong.append(("ended_at", _("must not lie in the future: a step is reported when it has ended")))
    elif started_at and ended_at - started_at > LONGEST:
        wrong.append(("ended_at", _("must be at most a day after started_at")))
    return wrong


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (TypeError, ValueError, OverflowError):
        return None


class IssuedTokens:
    """When tokens were issued (3). Where this process does not know, because another issued it, the token does."""

    def __init__(self) -> None:
        self._events: OrderedDict[str, Event] = OrderedDict()

    def remember(self, token: Issued, events: Events) -> None:
        """A token was issued; every order that is placed with it shows that."""
        for event in events:
            self._events[token.token_id] = event
        while len(self._events) > MOST_TOKENS:
            self._events.popitem(last=False)

    def event(self, claims: Claims, order_id: str) -> Event:
        """The issue of this token, as an event of this order. It has one id, whoever tells of it."""
        moment = datetime.fromtimestamp(claims.issued_at, UTC)
        told = Event(order_id, ISSUE_TOKEN, 1, None, moment, moment, data={"claims": dict(claims.as_told)})
        known = self._events.get(claims.token_id) or told
        return replace(known, order_id=order_id, id=event_id(ISSUE_TOKEN.name, claims.token_id))


class IssuedTokensProvider(DependencyProvider):
    """Gives the API its `IssuedTokens`."""

    def setup(self) -> None:
        self.tokens = IssuedTokens()

    def get_dependency(self, worker_ctx: Any) -> IssuedTokens:
        return self.tokens
