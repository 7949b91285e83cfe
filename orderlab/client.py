"""The Orders API from outside: what the portal and the notebooks call, and the one way in which they perform a step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from orderlab.errors import ApiAway, FieldProblem, OrderlabError
from orderlab.faults.gates import Gates, OpenGates, fired, raise_failure
from orderlab.faults.model import AFTER, BEFORE, Fault, Kind
from orderlab.language import _, current
from orderlab.order import is_order_id
from orderlab.sequence import Step
from orderlab.shapes import Journal, OrderRow, OrdersPage, ProductRow
from orderlab.trace import baggage, new_traceparent

P = ParamSpec("P")
R = TypeVar("R")

# An answer that never comes is not asked for again: it may still be on its way. A broken connection is.
_DROPPED = (httpx.ReadError, httpx.WriteError, httpx.CloseError, httpx.RemoteProtocolError)
_BRISK = Retrying(  # a kept connection that the server had just closed
    retry=retry_if_exception_type(_DROPPED), stop=stop_after_attempt(2), reraise=True
)
_PATIENT = Retrying(  # the API dies under an order and comes back: half a second, then one and a half
    retry=retry_if_exception_type((*_DROPPED, httpx.ConnectError)),
    stop=stop_after_attempt(3),
    wait=wait_exponential(multiplier=0.5, exp_base=3),
    reraise=True,
)


WHILE_HELD = 3600.0
"""Seconds to wait for an answer that a gate may hold back while a person looks."""


class ApiProblem(OrderlabError):
    """The Orders API refused, and said why (RFC 9457)."""

    def __init__(self, status: int, title: str, detail: str, errors: Sequence[FieldProblem] = ()) -> None:
        super().__init__(detail or title)
        self.status = status
        self.title = title
        self.errors = tuple(errors)

    @property
    def temporary(self) -> bool:
        """Whether it is the lab's trouble rather than the request's: the same may work in a moment."""
        return self.status >= 500


class ClientSteps:
    """The steps of one order that whoever plays the portal performs (1, 2, 4, 11), collected for one report."""

    def __init__(self, order_id: str, events: Iterable[dict[str, Any]] = (), gates: Gates | None = None) -> None:
        self.order_id = order_id
        self.events = list(events)
        self._gates = gates or OpenGates()

    def __call__(self, step: Step, effect: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Perform `step` by calling `effect`, note when it began and ended, and return its result.

        A step that raises did not come to its end and is not noted, unless it was answered with a refusal.
        """
        found = self._fire(step, BEFORE)
        started_at = datetime.now(UTC)
        raise_failure(found)
        try:
            result = effect(*args, **kwargs)
            if any(fault.kind is Kind.DUPLICATE for _step, fault in found):
                effect(*args, **kwargs)
        except ApiProblem:
            self._note(step, started_at)
            raise
        self._note(step, started_at)
        raise_failure(self._fire(step, AFTER))
        return result

    def _note(self, step: Step, started_at: datetime) -> None:
        ended_at = datetime.now(UTC)
        self.events.append(
            {"step": step.number, "started_at": started_at.isoformat(), "ended_at": ended_at.isoformat()}
        )

    def _fire(self, step: Step, side: str) -> list[tuple[Step, Fault]]:
        return fired(self._gates, self.order_id, [step], side, 1, lambda: self.events) if self._gates.armed else []


class OrdersClient:
    """The HTTP API, one method per operation. Thread-safe, with one connection pool.

    Every method raises `ApiProblem` when the API refuses, and `ApiAway` when it can't be reached or does not answer
    within `timeout` seconds.
    """

    def __init__(
        self,
        api_url: str,
        *,
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
        held: Callable[[], bool] = lambda: False,
    ) -> None:
        """`held` says whether gates may hold an order's answer back now: then `login` and `create_order` wait long."""
        self.api_url = api_url
        self._timeout = timeout
        self._held = held
        self._http = httpx.Client(
            base_url=api_url,
            timeout=timeout,
            transport=transport,
            trust_env=False,  # a proxy in the environment has no business with the lab's own address
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=40),
        )

    def close(self) -> None:
        """Close the pool."""
        self._http.close()

    def login(self, traceparent: str, order_id: str = "") -> str:
        """A demo token (step 2); `order_id` says for which order."""
        answer = self._send(_PATIENT, "GET", "/login-demo", None, traceparent, order_id)
        return str(answer.json()["access_token"])

    def create_order(self, body: dict[str, Any], token: str, traceparent: str) -> httpx.Response:
        """Send an order (step 4): 201, or 200 with `Idempotent-Replayed: true` if it was there already.

        The id makes a repetition harmless, so a connection that breaks is tried twice more.
        """
        return self._send(_PATIENT, "POST", "/orders", token, traceparent, body.get("order_id", ""), json=body)

    def report(self, order_id: str, events: list[dict[str, Any]], token: str, traceparent: str) -> int:
        """Tell which client steps happened (`ClientSteps.events`); the number that was accepted."""
        path = f"/orders/{quote(order_id, safe='')}/events"
        answer = self._send(_BRISK, "POST", path, token, traceparent, json={"events": events})
        return int(answer.json()["accepted"])

    def order(self, order_id: str, token: str) -> OrderRow:
        """One order."""
        order: OrderRow = self._read(f"/orders/{quote(order_id, safe='')}", token)
        return order

    def orders(self, token: str, limit: int = 20, after: str | None = None) -> OrdersPage:
        """A page of orders, newest first: {"orders": […], "next": an order id for `after`, or None}."""
        page: OrdersPage = self._read("/orders", token, {"limit": limit, "after": after})
        return page

    def events(self, order_id: str, token: str, after: int | None = None, wait: float = 0) -> Journal:
        """All of an order's events in reading order: {"order_id", "status", "events"}.

        With `after` (the highest id seen) and `wait` (seconds, at most 25) it answers when there is a newer one.
        """
        path = f"/orders/{quote(order_id, safe='')}/events"
        journal: Journal = self._read(path, token, {"after": after, "wait": wait or None}, self._timeout + wait)
        return journal

    def catalogue(self) -> list[ProductRow]:
        """The products: sku, name, price (text), currency, available."""
        products: list[ProductRow] = self._read("/catalogue")["products"]
        return products

    def document(self, name: str) -> dict[str, Any]:
        """One of the API's descriptions of itself: `openapi` or `asyncapi`."""
        document: dict[str, Any] = self._read(f"/{name}.json")
        return document

    def _read(
        self,
        path: str,
        token: str | None = None,
        query: dict[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Any:
        params = {name: value for name, value in (query or {}).items() if value is not None}
        answer = self._send(_BRISK, "GET", path, token, params=params, timeout=timeout or self._timeout)
        return answer.json()

    def _send(
        self,
        retrying: Retrying,
        method: str,
        path: str,
        token: str | None = None,
        traceparent: str | None = None,
        order_id: Any = "",
        **request: Any,
    ) -> httpx.Response:
        headers = {"traceparent": traceparent or new_traceparent(), "Accept-Language": current()}
        if is_order_id(order_id):
            headers["baggage"] = baggage(order_id)
            if self._held():
                request["timeout"] = httpx.Timeout(self._timeout, read=WHILE_HELD)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            answer = retrying(self._http.request, method, path, headers=headers, **request)
        except httpx.TimeoutException:
            raise ApiAway(
                _("The Orders API at {api_url} took too long to answer. Try again.", api_url=self.api_url)
            ) from None
        except httpx.TransportError as error:
            raise ApiAway(
                _(
                    "The Orders API does not answer at {api_url} ({error}). `./lab up` starts it; try again then.",
                    api_url=self.api_url,
                    error=error,
                )
            ) from None
        if answer.is_success:
            return answer
        raise _problem(answer)


def _problem(answer: httpx.Response) -> ApiProblem:
    """What the API says is wrong, also where something else answered in its place."""
    try:
        told = answer.json()
        errors = [FieldProblem(str(e["field"]), str(e["problem"])) for e in told.get("errors", [])]
        return ApiProblem(
            answer.status_code, str(told.get("title", answer.reason_phrase)), str(told.get("detail", "")), errors
        )
    except (ValueError, TypeError, AttributeError, KeyError):
        return ApiProblem(answer.status_code, answer.reason_phrase, answer.text[:200])
