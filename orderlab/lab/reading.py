"""What a notebook reads of orders: over the lab's own HTTP API, with a token of its own."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orderlab.access.shown import Token
from orderlab.client import OrdersClient
from orderlab.errors import LabError
from orderlab.language import _
from orderlab.order import LARGEST_PAGE, Status
from orderlab.sequence import still_to_come
from orderlab.shapes import EventRow, Journal, OrderRow
from orderlab.trace import new_traceparent

if TYPE_CHECKING:
    import pandas as pd

LONG_POLL = 5.0
"""Seconds for which the API is asked to wait for the next event. Two events written at the same moment can show in
the other order than their ids, and the first then goes unannounced; so this is short."""


class Reading:
    """Reads orders and their journals. `answered` holds the traces of POSTs that were answered here, by order."""

    def __init__(self, client: OrdersClient) -> None:
        self.client = client
        self.answered: defaultdict[str, set[str]] = defaultdict(set)
        self._own_token: Token | None = None

    def token(self) -> str:
        """A token for reading, renewed before it expires."""
        if self._own_token is None or self._own_token.claims["exp"] < time.time() + 60:
            self._own_token = Token(self.client.login(new_traceparent()))
        return self._own_token.text

    def order(self, order_id: str) -> OrderRow:
        """One order as the API tells it now."""
        return self.client.order(order_id, self.token())

    def orders(self, limit: int) -> list[OrderRow]:
        """The latest orders, newest first, page by page."""
        found: list[OrderRow] = []
        after: str | None = None
        while len(found) < limit:
            page = self.client.orders(self.token(), limit=min(LARGEST_PAGE, limit - len(found)), after=after)
            found += page["orders"]
            if (after := page["next"]) is None:
                break
        return found

    def events(self, order_id: str) -> Journal:
        """{"order_id", "status", "events"}: the order's events in reading order."""
        return self.client.events(order_id, self.token())

    def wait(self, order_id: str, timeout: float) -> OrderRow:
        """Wait until the order has come to its end; raises `LabError` that says what is missing after `timeout` s."""
        end = time.monotonic() + timeout
        state = self.events(order_id)
        while missing := _missing(state, self.answered[order_id]):
            left = end - time.monotonic()
            if left <= 0:
                raise LabError(
                    _(
                        "{order_id} has not come to its end in {timeout:g} s. It is {status}; still missing: {known}.",
                        order_id=order_id,
                        timeout=timeout,
                        status=state["status"],
                        known=", ".join(missing),
                    )
                )
            newest = max((event["id"] for event in state["events"]), default=0)
            state = self.client.events(order_id, self.token(), after=newest, wait=min(left, LONG_POLL))
        return self.order(order_id)


def events_frame(events: list[EventRow]) -> pd.DataFrame:
    """Events as a DataFrame; its columns are told at `Lab.events`."""
    import pandas as pd

    frame = pd.DataFrame(events)
    if frame.empty:
        return frame
    began, ended = (pd.to_datetime(frame[name], format="ISO8601") for name in ("started_at", "ended_at"))
    frame["began"] = ((began - began.min()) / pd.Timedelta(milliseconds=1)).round(3)
    frame["took"] = ((ended - began) / pd.Timedelta(milliseconds=1)).round(3)
    columns = ["label", "name", "outcome", "lane", "attempt", "began", "took", "trace_id", "data"]
    return frame[columns].rename(columns={"label": "step"})


def _missing(state: Mapping[str, Any], traces: set[str]) -> list[str]:
    """What an order has yet to come to."""
    missing = [] if Status(state["status"]).final else [_("CONFIRMED or REJECTED")]
    missing += [f"{step.label} ({step.name})" for step in still_to_come(state["events"])]
    if traces - {event["trace_id"] for event in state["events"] if event["label"] == "10"}:
        missing.append(_("10 (respond_created) of a further POST"))
    return missing
