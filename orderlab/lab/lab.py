"""`Lab`: the running lab from a notebook."""

from __future__ import annotations

import functools
import inspect
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from orderlab import tokens
from orderlab.access.attach import attach
from orderlab.access.shown import Answer, Token
from orderlab.calls.checking import checked, public
from orderlab.calls.kinds import OrderId
from orderlab.client import OrdersClient
from orderlab.drawing.drawing import Drawing
from orderlab.errors import LabError
from orderlab.lab.breaking import Breaking
from orderlab.lab.order import Order
from orderlab.lab.portal import RECORDED, Portal, answer, order_body
from orderlab.nearest import instead
from orderlab.order import TRANSITIONS, Status
from orderlab.trace import new_traceparent, trace_id

if TYPE_CHECKING:
    import pandas as pd

    from orderlab.access.broker import Tap
    from orderlab.drawing.timeline import Timeline

T = TypeVar("T")

LONG_POLL = 5.0
"""Seconds for which the API is asked to wait for the next event. Two events written at the same moment can show in
the other order than their ids, and the first then goes unannounced; so this is short."""

_AT_ONCE = 500  # threads that a kernel can bear

# An order has come to its end when these are in its journal, beside a final status.
_LAST = {
    "10": "respond_created",
    "18a": "the webhook for Operations",
    "18b": "the webhook for the customer",
    "19": "ack_message",
}


@public
class Lab(Breaking):
    """The running lab. `Lab()` finds it; `./lab up` starts it. Everything here goes through the lab's own front doors:
    its HTTP API, its database, its broker.
    """

    @checked
    def __init__(self, home: str | Path | None = None) -> None:
        """Attach to the lab in `home`, else the one that is found; raise `NoLab` if there is none."""
        self._lab = attach(home)
        self.client = OrdersClient(self._lab.api_url)
        self.api_url = self._lab.api_url
        self.portal_url = self._lab.portal_url
        self._http = httpx.Client(base_url=self._lab.api_url, timeout=30, trust_env=False)
        self._own_token: Token | None = None
        self._answered: defaultdict[str, set[str]] = defaultdict(set)  # traces of answered POSTs, by order

    def __repr__(self) -> str:
        return f"Lab(api={self.api_url}, portal={self.portal_url})"

    def diagram(self) -> Drawing:
        """The nineteen arrows as drawn, before anything has run."""
        return Drawing.expected()

    # placing orders

    def new_id(self, name: str = "ws") -> str:
        """An order id that nobody has used: `name` and six random digits. Choosing the id is the client's business."""
        return f"{name}-{secrets.token_hex(3)}"

    def portal(self, order_id: OrderId | None = None) -> Portal:
        """Play the portal for one order, an arrow a call."""
        return Portal(self.client, order_id or self.new_id(), self._answered)

    def create_order(
        self,
        order_id: OrderId | None = None,
        items: Mapping[str, int] | None = None,
        payment_token: str = "tok_ok",
        customer: Mapping[str, str] | None = None,
    ) -> Order:
        """Steps 1 to 11 in one call, as the portal does them; `items` is {sku: quantity}, `customer` {name, email}.

        Returns the order; raises `ApiProblem` if the API refuses.
        """
        portal = self.portal(order_id)
        portal.click_create_order()
        portal.request_demo_token()
        order = self._order(portal.post_order(items, payment_token, customer).body)
        portal.show_confirmation()
        return order

    def login(self) -> Token:
        """A token from GET /login-demo."""
        return Token(self.client.login(new_traceparent()))

    def forge(
        self,
        *,
        expires_in: int = 3600,
        audience: str = tokens.AUDIENCE,
        issuer: str = tokens.ISSUER,
        scope: str = f"{tokens.READ} {tokens.WRITE}",
        algorithm: str = tokens.ALGORITHM,
        key: str | None = None,
    ) -> Token:
        """A token of your own making, to see what the API does with it; signed with the API's key unless one is given.

        `expires_in` is in seconds, and may be negative; `algorithm` "none" leaves the signature out.
        """
        import jwt

        if key is None and algorithm != "none" and not self._lab.jwt_secret:
            raise LabError(
                "The API's key is not at hand here, so give a `key`: only the API's own makes a valid token."
            )
        now = int(time.time())
        claims = {
            "iss": issuer,
            "aud": audience,
            "sub": "demo",
            "iat": min(now, now + expires_in),
            "exp": now + expires_in,
            "jti": secrets.token_hex(16),
            "scope": scope,
        }
        signing = None if algorithm == "none" else key or self._lab.jwt_secret
        return Token(jwt.encode(claims, signing, algorithm=algorithm))

    def post_order(
        self,
        order_id: OrderId | None = None,
        items: Mapping[str, int] | None = None,
        payment_token: str = "tok_ok",
        customer: Mapping[str, str] | None = None,
        *,
        token: Token | str | None = None,
        body: Any = None,
    ) -> Answer:
        """POST /orders alone (4), and the answer whatever it is. A `body` of your own takes the place of the fields.

        `token`: None is a fresh one, "" sends none.
        """
        token = self.login() if token is None else token
        text = token.text if isinstance(token, Token) else token
        traceparent = new_traceparent()
        headers = {"traceparent": traceparent} | ({"Authorization": f"Bearer {text}"} if text else {})
        json = order_body(order_id or self.new_id(), items, payment_token, customer) if body is None else body
        answered = answer(self._http.post("/orders", json=json, headers=headers))
        if answered.status in RECORDED and isinstance(json, dict):
            self._answered[str(json.get("order_id"))].add(trace_id(traceparent))
        return answered

    def at_once(self, times: int, call: Callable[..., T], *arguments: Any, **named: Any) -> list[T]:
        """Make one call so many times at the same moment, each in a thread of its own; the results."""
        if not 1 <= times <= _AT_ONCE:
            raise LabError(f"At once can be from 1 to {_AT_ONCE} calls, and not {times}.")
        try:
            inspect.signature(call).bind(*arguments, **named)
        except (TypeError, ValueError) as error:
            raise LabError(f"It can't be called so: {error}.") from None
        gate = threading.Barrier(times)

        def one(_: int) -> T:
            gate.wait()
            return call(*arguments, **named)

        with ThreadPoolExecutor(times) as pool:
            return list(pool.map(one, range(times)))

    # following an order

    def order(self, order_id: OrderId) -> Order:
        """The order as the API tells it now."""
        return self._order(self.client.order(order_id, self._token()))

    def orders(self, limit: int = 20) -> pd.DataFrame:
        """The latest orders, newest first."""
        import pandas as pd

        columns = ["order_id", "status", "rejection_reason", "total", "currency", "created_at"]
        return pd.DataFrame(self.client.orders(self._token(), limit=limit)["orders"], columns=columns)

    def wait(self, order_id: OrderId, timeout: float = 30) -> Order:
        """Wait until the order has come to its end: final status, message acked, both webhooks recorded, and every
        POST of it that was answered to this notebook.

        Raises `LabError` that says what is missing after `timeout` seconds.
        """
        end = time.monotonic() + timeout
        told = self.client.events(order_id, self._token())
        while missing := _missing(told, self._answered[order_id]):
            left = end - time.monotonic()
            if left <= 0:
                raise LabError(
                    f"{order_id} has not come to its end in {timeout:g} s. It is {told['status']}; "
                    f"still missing: {', '.join(missing)}."
                )
            newest = max((event["id"] for event in told["events"]), default=0)
            told = self.client.events(order_id, self._token(), after=newest, wait=min(left, LONG_POLL))
        return self.order(order_id)

    def journal(self, order_id: OrderId) -> list[dict[str, Any]]:
        """The order's events in reading order, as the API gives them."""
        events: list[dict[str, Any]] = self.client.events(order_id, self._token())["events"]
        return events

    def events(self, order_id: OrderId) -> pd.DataFrame:
        """The order's events as a DataFrame: `began` and `took` are milliseconds, `began` since the first event."""
        import pandas as pd

        frame = pd.DataFrame(self.journal(order_id))
        if frame.empty:
            return frame
        began, ended = (pd.to_datetime(frame[name], format="ISO8601") for name in ("started_at", "ended_at"))
        frame["began"] = ((began - began.min()) / pd.Timedelta(milliseconds=1)).round(3)
        frame["took"] = ((ended - began) / pd.Timedelta(milliseconds=1)).round(3)
        columns = ["label", "name", "outcome", "lane", "attempt", "began", "took", "trace_id", "data"]
        return frame[columns].rename(columns={"label": "step"})

    def sequence(self, order_id: OrderId) -> Drawing:
        """What happened to the order, as the diagram draws it."""
        told = self.client.events(order_id, self._token())
        return Drawing.of(told["events"], title=f"{order_id} · {told['status']}")

    def timeline(self, order_id: OrderId) -> Timeline:
        """What happened to the order, as bars over time."""
        from orderlab.drawing.timeline import Timeline

        told = self.client.events(order_id, self._token())
        return Timeline(told["events"], f"{order_id} · {told['status']}")

    # behind the front door

    def reserved(self, sku: str) -> int:
        """How many of a product are set aside for orders."""
        products = self.table("products").set_index("sku")
        if sku not in products.index:
            raise LabError(f"There is no product {sku!r}.{instead(sku, products.index, 'The products are')}")
        return int(products.reserved[sku])

    def table(self, name: str, order_id: OrderId | None = None, limit: int = 100) -> pd.DataFrame:
        """The last rows of a table in PostgreSQL, oldest first; only those of an order if one is given."""
        from orderlab.access.tables import read_table

        return read_table(self._lab.database_url, name, order_id, limit)

    def queues(self) -> dict[str, int]:
        """How many messages wait in each queue of RabbitMQ."""
        from orderlab.access.broker import depths

        return depths(self._lab.amqp_url)

    def tap(self, exchange: str) -> Tap:
        """A queue of your own on a fanout exchange: it sees a copy of each message from now on."""
        from orderlab.access.broker import Tap

        return Tap(self._lab.amqp_url, exchange)

    def reset(self) -> None:
        """Empty the lab as `./lab reset` does: every order goes, everybody's, and the shop is restocked."""
        if self._lab.home is None:
            raise LabError("This lab was not brought up by ./lab up here, so it can't be emptied from a notebook.")
        from orderlab import stack

        stack.reset(self._lab.home)

    def catalogue(self) -> pd.DataFrame:
        """What is for sale."""
        import pandas as pd

        return pd.DataFrame(self.client.catalogue())

    def _order(self, told: Mapping[str, Any]) -> Order:
        """The order, which reads its journal from this lab when it is asked for it."""
        order = Order(told)
        order._events = functools.partial(self.journal, order["order_id"])
        return order

    def _token(self) -> str:
        """The lab's own token for reading, renewed before it expires."""
        if self._own_token is None or self._own_token.claims["exp"] < time.time() + 60:
            self._own_token = self.login()
        return self._own_token.text


def _missing(told: Mapping[str, Any], traces: set[str]) -> list[str]:
    """What an order has yet to come to."""
    missing = [] if not TRANSITIONS[Status(told["status"])] else ["CONFIRMED or REJECTED"]
    there = {event["label"] for event in told["events"]}
    missing += [f"{label} ({what})" for label, what in _LAST.items() if label not in there]
    if traces - {event["trace_id"] for event in told["events"] if event["label"] == "10"}:
        missing.append("10 (respond_created) of a further POST")
    return missing
