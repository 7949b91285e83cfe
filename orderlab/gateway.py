"""The simulated payment gateway: what step 15 talks to. Its behaviour is chosen by the payment token."""

from __future__ import annotations

import time
from collections import Counter

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from orderlab.errors import GatewayError
from orderlab.order import PAYMENT_TOKENS, OrderInHand
from orderlab.sequence import Outcome
from orderlab.store import Store

FIRST_PAUSE = 0.05
"""Seconds before the second call; then twice that, and so on."""


class Gateway:
    """Charges a payment token, as its `Card` says; a charge is entered in the gateway's own ledger, `payments`."""

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
        card = PAYMENT_TOKENS[order.payment_token]
        if card.declined:
            return Outcome.DECLINED
        if self._failures[order.order_id] < card.failures:
            self._failures[order.order_id] += 1
            raise GatewayError
        self._failures.pop(order.order_id, None)
        if card.seconds:
            time.sleep(card.seconds)
        return self._store.charge(order, idempotency_key)
