"""Steps told by a client, and steps that happen before there is an order: held until the order's insert writes them."""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any

from nameko.extensions import DependencyProvider

from orderlab.errors import FieldProblem, InvalidOrder
from orderlab.journal import Event, Events
from orderlab.sequence import CLIENT_STEPS, ISSUE_TOKEN, Step
from orderlab.tokens import Claims

MOST_HELD = 10_000
"""Orders and tokens for which steps are held; the oldest give way."""
LONGEST_REPORT = 20
"""Steps in one report."""

_REPORTABLE: dict[Any, Step] = {key: step for step in CLIENT_STEPS for key in (step.number, step.name)}


def read_report(body: Any, order_id: str, trace_id: str | None) -> Events:
    """The events of a report; raise `InvalidOrder` that names what is wrong."""
    reported = body.get("events") if isinstance(body, dict) else None
    if not isinstance(reported, list) or not 1 <= len(reported) <= LONGEST_REPORT:
        raise InvalidOrder([FieldProblem("events", f"must be a list of 1 to {LONGEST_REPORT} steps")])
    problems: list[FieldProblem] = []
    events = Events()
    for n, entry in enumerate(reported):
        entry = entry if isinstance(entry, dict) else {}
        which = entry.get("step")
        step = _REPORTABLE.get(which) if isinstance(which, (int, str)) and not isinstance(which, bool) else None
        started_at, ended_at = _moment(entry.get("started_at")), _moment(entry.get("ended_at"))
        if step is None:
            told = ", ".join(str(s.number) for s in CLIENT_STEPS)
            problems.append(FieldProblem(f"events[{n}].step", f"must be a step that a client takes: {told}"))
        if started_at is None:
            problems.append(FieldProblem(f"events[{n}].started_at", "must be a time with its zone (ISO 8601)"))
        if ended_at is None or (started_at and ended_at < started_at):
            problems.append(
                FieldProblem(f"events[{n}].ended_at", "must be a time with its zone (ISO 8601), not before started_at")
            )
        if step and started_at and ended_at:
            events.append(Event(order_id, step, 1, trace_id, started_at, ended_at))
    if problems:
        raise InvalidOrder(problems)
    return events


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (TypeError, ValueError, OverflowError):
        return None


class Held:
    """What is held: the issue of a token (3) by its id, and reports (1, 2, 4) by order and subject."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[str, ...], list[Event]] = OrderedDict()

    def _hold(self, key: tuple[str, ...], events: list[Event]) -> None:
        self._held.setdefault(key, []).extend(events)
        while len(self._held) > MOST_HELD:
            self._held.popitem(last=False)

    def issued(self, token_id: str, events: list[Event]) -> None:
        """A token was issued; every order that is placed with it shows that."""
        self._hold((token_id,), events)

    def reported(self, order_id: str, subject: str, events: list[Event]) -> None:
        """A client has reported steps of an order that does not exist yet."""
        self._hold((order_id, subject), events)

    def of_trace(self, trace_id: str, order_id: str, claims: Claims) -> list[Event]:
        """What is held for a request and belongs to its own trace: it happened for this request, new order or not."""
        return [event for event in self._before(order_id, claims) if event.trace_id == trace_id]

    def of_others(self, trace_id: str, order_id: str, claims: Claims) -> list[Event]:
        """The rest, which joins the order at its insert: an older token, reports that named no trace."""
        return [event for event in self._before(order_id, claims) if event.trace_id != trace_id]

    def _before(self, order_id: str, claims: Claims) -> list[Event]:
        """A token remembers when it was issued, even if this process does not."""
        moment = datetime.fromtimestamp(claims.issued_at, UTC)
        issued = self._held.get((claims.token_id,)) or [Event(order_id, ISSUE_TOKEN, 1, None, moment, moment)]
        return [*self._held.get((order_id, claims.subject), []), *issued]

    def written(self, order_id: str, subject: str) -> None:
        """The order exists, and its steps with it."""
        self._held.pop((order_id, subject), None)


class HeldProvider(DependencyProvider):
    """Gives the API what is held."""

    def setup(self) -> None:
        self.held = Held()

    def get_dependency(self, worker_ctx: Any) -> Held:
        return self.held
