"""The simulated payment gateway: what step 15 talks to. Its behaviour is chosen by the payment token."""

from __future__ import annotations

import time
from collections import Counter

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from orderlab.errors import GatewayError
from orderlab.order import OrderInHand
from orderlab.sequence import Outcome
from orderlab.store import Store

DECLINED = {"tok_declined", "tok_insufficient_funds", "tok_expired_card"}
FAILURES = 2
"""How often the gateway fails for `tok_gateway_error` before it works."""
FIRST_PAUSE = 0.05
"""Seconds before the second call; then twice that, and so on."""
SLOW = 2.0
"""Seconds that `tok_slow` takes."""


class Gateway:
    """Charges a payment token; the charge is entered in the gateway's own ledger, the table `payments`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._failures: Counter[str] = Counter()

    def charge(self, order: OrderInHand, idempotency_key: str | None = None) -> Outcome:
        """15: `ok`, `declined`, or `already_done` if the idempotency key was charged before. Retries failures.

        Without a key every call is a new charge.
        """
        try:
            return self._call(order, idempotency_key)
        except GatewayError:
            time.sleep(FIRST_PAUSE)
        return Retrying(
            retry=retry_if_exception_type(GatewayError),
            wait=wait_exponential(multiplier=2 * FIRST_PAUSE, max=1),
            stop=stop_after_attempt(4),
            reraise=True,
        )(self._call, order, idempotency_key)

    def _call(self, order: OrderInHand, idempotency_key: str | None) -> Outcome:
        if order.payment_token in DECLINED:
            return Outcome.DECLINED
        if order.payment_token == "tok_gateway_error" and self._failures[order.order_id] < FAILURES:
            self._failures[order.order_id] += 1
            raise GatewayError
        self._failures.pop(order.order_id, None)
        if order.payment_token == "tok_slow":
            time.sleep(SLOW)
        return self._store.charge(order, idempotency_key)
