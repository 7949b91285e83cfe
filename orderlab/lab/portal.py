"""Playing the portal: a person's order, one arrow per call, over the same client as the real one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from orderlab.access.shown import Answer, Token
from orderlab.calls.checking import public
from orderlab.client import ClientSteps, OrdersClient
from orderlab.language import _
from orderlab.order import DEMO_CUSTOMER, DEMO_ITEMS, DESIGNS
from orderlab.sequence import CLICK_CREATE_ORDER, POST_ORDER, REQUEST_DEMO_TOKEN, SHOW_CONFIRMATION
from orderlab.trace import new_traceparent, trace_id

RECORDED = (200, 201, 409)
"""Answers to POST /orders that come with an event, for they are about an order that is there."""


def order_body(
    order_id: str,
    items: Mapping[str, int] | None = None,
    payment_token: str = "tok_ok",
    customer: Mapping[str, str] | None = None,
    design: str = "default",
) -> dict[str, Any]:
    """The JSON of POST /orders; `items` is {sku: quantity}."""
    wanted = DEMO_ITEMS if items is None else items
    return {
        "order_id": order_id,
        "customer": dict(customer or DEMO_CUSTOMER),
        "items": [{"sku": sku, "quantity": quantity} for sku, quantity in wanted.items()],
        "payment_token": payment_token,
        **({} if design == "default" else {"design": DESIGNS[design].as_dict()}),
    }


def post(http: httpx.Client, body: Any, token: str) -> tuple[Answer, str]:
    """POST /orders alone; the answer whatever it is, and the request's trace id. With "" no token is sent."""
    traceparent = new_traceparent()
    headers = {"traceparent": traceparent} | ({"Authorization": f"Bearer {token}"} if token else {})
    return answer(http.post("/orders", json=body, headers=headers)), trace_id(traceparent)


def answer(response: httpx.Response) -> Answer:
    """What came back, as it is shown."""
    try:
        body = response.json()
    except ValueError:
        body = response.text
    return Answer(response.status_code, response.reason_phrase, response.headers, body)


@public
class Portal:
    """One person, one order. Each call is one numbered arrow, or the request that sets several off."""

    def __init__(self, client: OrdersClient, order_id: str, answered: Mapping[str, set[str]]) -> None:
        """`answered` is told the trace of a POST that was answered, by order."""
        self.order_id = order_id
        self._answered = answered
        self._client = client
        self._steps = ClientSteps(order_id)
        self._trace = new_traceparent()
        self._token: Token | None = None

    def click_create_order(self) -> None:
        """1: the person presses "Crear Pedido"."""
        self._steps(CLICK_CREATE_ORDER, lambda: None)

    def request_demo_token(self) -> Token:
        """2 and 3: GET /login-demo, and the token that comes back."""
        self._token = Token(self._steps(REQUEST_DEMO_TOKEN, self._client.login, self._trace, self.order_id))
        return self._token

    def post_order(
        self,
        items: Mapping[str, int] | None = None,
        payment_token: str = "tok_ok",
        customer: Mapping[str, str] | None = None,
        design: str = "default",
    ) -> Answer:
        """4 to 10: POST /orders with the token; `items` is {sku: quantity}.

        Raises `ApiProblem` if the API refuses.
        """
        token = self._token or self.request_demo_token()
        body = order_body(self.order_id, items, payment_token, customer, design)
        response = self._steps(POST_ORDER, self._client.create_order, body, token.text, self._trace)
        self._answered[self.order_id].add(trace_id(self._trace))
        return answer(response)

    def show_confirmation(self) -> str:
        """11: what the person reads. The portal's own steps are then reported to the API, in one go."""
        said = self._steps(
            SHOW_CONFIRMATION, lambda: _("Your order {order_id} has been received.", order_id=self.order_id)
        )
        token = self._token or self.request_demo_token()
        self._client.report(self.order_id, self._steps.events, token.text, self._trace)
        return said
