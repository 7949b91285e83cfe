"""The Orders API lane: steps 3 and 5 to 10, and what clients may read."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from orderlab import tokens
from orderlab.errors import BrokerAway, FieldProblem, InvalidOrder, NotFound, NotYours, OrderConflict, UnknownOrder
from orderlab.faults.model import Kind
from orderlab.journal import Event, Steps
from orderlab.language import _
from orderlab.messages import ORDER_CREATED, Message
from orderlab.order import LARGEST_PAGE, NewOrder, is_order_id
from orderlab.sequence import (
    CHECK_IDEMPOTENCY,
    INSERT_ORDER,
    ISSUE_TOKEN,
    ORDER_ID_FREE,
    PUBLISH_ORDER_CREATED,
    RESPOND_CREATED,
    VALIDATE_TOKEN,
    Outcome,
)
from orderlab.services.asyncapi import ASYNCAPI
from orderlab.services.database import JournalProvider, Listener, StoreProvider
from orderlab.services.messaging import PublisherProvider
from orderlab.services.openapi import OPENAPI
from orderlab.services.reports import IssuedTokensProvider, read_report
from orderlab.services.representations import event_json, evidence_json, new_order_json, order_json, product_json
from orderlab.services.web import (
    LanguageProvider,
    SettingsProvider,
    apart,
    hang_up,
    http,
    json_body,
    problem,
    reply,
    told_in,
)
from orderlab.store import Found
from orderlab.tokens import Claims
from orderlab.trace import order_in, trace_id, traceparent

LONGEST_WAIT = 25.0
"""Seconds for which a reader of events may wait for the next."""


class OrdersApi:
    """Receives orders over HTTP."""

    name: ClassVar[str] = "orders-api"

    settings = SettingsProvider()
    language = LanguageProvider()
    store = StoreProvider()
    journal = JournalProvider()
    publish = PublisherProvider()
    issued = IssuedTokensProvider()
    listener = Listener()

    @http("GET", "/login-demo")
    def login_demo(self, request: Request) -> Response:
        """3: hand out a token, where demo login is switched on."""
        if not self.settings.demo_login:
            raise NotFound
        step = self.journal.steps(
            order_in(request.headers.get("baggage")), traceparent(request.headers.get("traceparent"))
        )
        token = step(ISSUE_TOKEN, self.issue, step)
        self.issued.remember(token, step.events)
        body = {"access_token": token.token, "token_type": "Bearer", "expires_in": tokens.LIFETIME}
        return reply(body, Cache_Control="no-store")

    @http("POST", "/orders")
    def post_order(self, request: Request) -> Response:
        """5 to 10. Nothing is recorded of a request that creates no order."""
        trace = traceparent(request.headers.get("traceparent"))
        step = self.journal.steps(order_in(request.headers.get("baggage")), trace)
        claims = step(VALIDATE_TOKEN, self.verify, request, tokens.WRITE)
        order = NewOrder.from_json(json_body(request))
        step.belong_to(order.order_id, order.design)
        issue = self.issued.event(claims, order.order_id)
        mine = issue.trace_id == step.trace_id  # the token was asked for with this very request
        step.include([issue] if mine else [])
        try:
            response = self.receive(step, order, claims, [] if mine else [replace(issue, trace_id=None)], trace)
        except (OrderConflict, BrokerAway) as refusal:
            response = problem(refusal)
        return self.respond(step, request, response)

    def receive(self, step: Steps, order: NewOrder, claims: Claims, earlier: list[Event], trace: str) -> Response:
        """6 to 9: a new order is inserted, with what happened `earlier`, and told of; one that is there is shown."""
        found = step(CHECK_IDEMPOTENCY, self.store.check_idempotency, order)
        if step(ORDER_ID_FREE, judge, found, order, claims) is Outcome.DUPLICATE:
            return reply(self.read(order.order_id), 200, Idempotent_Replayed="true")

        total = order.total(found.prices)
        created = Message(ORDER_CREATED, "/orders-api", order.order_id, {"order_id": order.order_id}, trace)
        inserted = step(INSERT_ORDER, self.store.insert_order, order, claims.subject, total, found, created, earlier)
        if inserted is Outcome.DUPLICATE:
            return self.receive(step, order, claims, earlier, trace)  # somebody was quicker: now it is there

        step(PUBLISH_ORDER_CREATED, self.publish, created)
        return reply(new_order_json(order, total, found, created), 201, Location=f"/orders/{order.order_id}")

    def respond(self, step: Steps, request: Request, response: Response) -> Response:
        """10: it ends when the last byte is out; the journal is written behind that."""
        opened = step.begin(RESPOND_CREATED)
        step.note(status=response.status_code)
        if opened.has(Kind.DROP):
            hang_up(request)

        def sent() -> None:
            step.end(opened)
            self.journal.write_later(step)

        response.call_on_close(partial(apart, sent))
        return response

    @http("GET", "/orders/<order_id>")
    def get_order(self, request: Request, order_id: str) -> Response:
        """One order."""
        self.verify(request, tokens.READ)
        return reply(self.read(order_id))

    @http("GET", "/orders")
    def list_orders(self, request: Request) -> Response:
        """A page of orders, newest first."""
        self.verify(request, tokens.READ)
        limit, after = number(request, "limit", 20, 1, LARGEST_PAGE), request.args.get("after")
        if after is not None and (not is_order_id(after) or self.store.order_status(after) is None):
            raise InvalidOrder([FieldProblem("after", _("must be the id of an order"))])
        rows = self.store.list_orders(int(limit) + 1, after)
        page = [order_json(row) for row in rows[: int(limit)]]
        return reply({"orders": page, "next": page[-1]["order_id"] if len(rows) > limit else None})

    @http("GET", "/orders/<order_id>/events")
    def get_events(self, request: Request, order_id: str) -> Response:
        """An order's journal; with `wait`, as soon as it holds more than the event `after`."""
        self.verify(request, tokens.READ)
        after = number(request, "after", 0, 0, 2**62)
        wait = number(request, "wait", 0, 0, LONGEST_WAIT)
        if not wait:
            return reply(self.read_events(order_id))
        with self.listener.expecting(order_id) as next_event:
            body = self.read_events(order_id)
            if max((event["id"] for event in body["events"]), default=0) <= after:
                next_event.wait(timeout=wait)
                body = self.read_events(order_id)
        return reply(body)

    @http("POST", "/orders/<order_id>/events")
    def report_events(self, request: Request, order_id: str) -> Response:
        """1, 2, 4 and 11, from whoever plays the portal; held while there is no such order yet."""
        claims = self.verify(request, tokens.WRITE)
        if not is_order_id(order_id):
            raise UnknownOrder
        header = request.headers.get("traceparent")
        events = read_report(json_body(request), order_id, trace_id(traceparent(header)) if header else None)
        became = self.store.report_events(order_id, claims.subject, events)
        if became == "refused":
            raise NotYours
        if became == "full":
            raise InvalidOrder(
                [FieldProblem("events", _("are too many of an order that is not there: place it first"))]
            )
        return reply({"accepted": len(events)}, 202)

    @http("GET", "/catalogue")
    def get_catalogue(self, request: Request) -> Response:
        """What is for sale."""
        response = reply({"products": [product_json(row) for row in self.store.list_products()]})
        response.headers.update(told_in())
        return response

    @http("GET", "/health/live")
    def live(self, request: Request) -> Response:
        """The process serves."""
        return reply({"status": "live"})

    @http("GET", "/health/ready")
    def ready(self, request: Request) -> Response:
        """Orders can be received: the database answers. The broker may be away, the outbox bridges that."""
        self.store.ping()
        return reply({"status": "ready"})

    @http("GET", "/openapi.json")
    def openapi(self, request: Request) -> Response:
        """This contract."""
        return reply(OPENAPI)

    @http("GET", "/asyncapi.json")
    def asyncapi(self, request: Request) -> Response:
        """What travels through the broker."""
        return reply(ASYNCAPI)

    def issue(self, step: Steps) -> tokens.Issued:
        """3: a token; what it says is no secret, and is noted."""
        issued = tokens.issue(self.settings.jwt_secret)
        step.note(claims=dict(issued.claims))
        return issued

    def verify(self, request: Request, scope: str) -> Claims:
        """5: who asks, and whether the token allows it."""
        return tokens.verify(self.settings.jwt_secret, request.headers.get("Authorization")).need(scope)

    def read(self, order_id: str) -> dict[str, Any]:
        """A stored order; raise `UnknownOrder`."""
        row = self.store.get_order(order_id) if is_order_id(order_id) else None
        if row is None:
            raise UnknownOrder
        return order_json(row)

    def read_events(self, order_id: str) -> dict[str, Any]:
        """A stored order's journal, what has fired, and what the tables say of it; raise `UnknownOrder`."""
        row = self.store.order_evidence(order_id) if is_order_id(order_id) else None
        if row is None:
            raise UnknownOrder
        events = [event_json(event) for event in self.store.read_events(order_id)]
        shown = {"order_id": order_id, "status": row["status"], "events": events}
        return {**shown, "firings": row["firings"], "evidence": evidence_json(row)}


def judge(found: Found, order: NewOrder, claims: Claims) -> Outcome:
    """7: free, a retry of the same request by the same subject, or a conflict (raised)."""
    if found.request is None:
        return Outcome.OK
    if found.subject == claims.subject and found.request == order.content():
        return Outcome.DUPLICATE
    raise OrderConflict


def number(request: Request, name: str, default: float, least: float, most: float) -> float:
    """A number from the query; raise `InvalidOrder` that says which it must be."""
    try:
        value = float(request.args.get(name, default))
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise InvalidOrder(
            [FieldProblem(name, _("must be a number from {least:g} to {most:g}", least=least, most=most))]
        )
    return value
