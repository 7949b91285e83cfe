"""What the portal is made of, at hand in every view, and how it reads from the API."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from flask import current_app
from standardwebhooks import Webhook

from orderlab.client import ApiProblem, ClientSteps, OrdersClient
from orderlab.faults.gates import Gates, OpenGates
from orderlab.portal.store import Inbox, Reports
from orderlab.shapes import Journal, OrderRow
from orderlab.trace import new_traceparent

R = TypeVar("R")


class Reader:
    """Reads orders with a demo token of its own: fetched when first needed, and again when it has run out."""

    def __init__(self, client: OrdersClient) -> None:
        self._client = client
        self._token = ""
        self._lock = threading.Lock()

    def order(self, order_id: str) -> OrderRow:
        """One order."""
        return self._with_token(lambda token: self._client.order(order_id, token))

    def orders(self, limit: int) -> list[OrderRow]:
        """The latest orders."""
        page = self._with_token(lambda token: self._client.orders(token, limit))
        return page["orders"]

    def events(self, order_id: str, after: int | None = None, wait: float = 0) -> Journal:
        """An order's status and events; waits up to `wait` seconds for one that is newer than `after`."""
        return self._with_token(lambda token: self._client.events(order_id, token, after, wait))

    def _with_token(self, read: Callable[[str], R]) -> R:
        with self._lock:
            token = self._token = self._token or self._client.login(new_traceparent())
        try:
            return read(token)
        except ApiProblem as problem:
            if problem.status != 401:
                raise
        with self._lock:
            if self._token == token:
                self._token = self._client.login(new_traceparent())
            token = self._token
        return read(token)


@dataclass(frozen=True)
class Parts:
    """The portal's own: nothing in it reaches the orders' database."""

    client: OrdersClient
    reader: Reader
    inbox: Inbox
    reports: Reports
    webhook: Webhook
    gates: Gates = field(default_factory=OpenGates)

    def steps(self, order_id: str, events: Iterable[dict[str, Any]] = ()) -> ClientSteps:
        """The portal's own steps of one order, after those it has already taken."""
        return ClientSteps(order_id, events, self.gates)


def parts() -> Parts:
    """The parts of the running application."""
    return cast(Parts, current_app.extensions["orderlab"])
