"""W3C Trace Context: one trace id goes along with an order over HTTP and AMQP. Standard library only.

W3C Baggage says which order a request is for where that is not known yet: gates tell orders apart by it.
"""

from __future__ import annotations

import re
import secrets

from orderlab.order import ORDER_ID

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


_ORDER = re.compile(rf"(?:^|,)\s*order_id=({ORDER_ID})\s*(?:[,;]|$)")


def new_traceparent() -> str:
    """A fresh `traceparent` header (version 00, sampled)."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def traceparent(header: str | None) -> str:
    """The header as it came, if it is well formed, else a fresh one (the specification's rule for a broken one)."""
    return header if header and _TRACEPARENT.fullmatch(header) else new_traceparent()


def baggage(order_id: str) -> str:
    """The `baggage` header of a request for this order."""
    return f"order_id={order_id}"


def order_in(baggage: str | None) -> str:
    """The order that a `baggage` header names; "" if it names none."""
    found = _ORDER.search(baggage or "")
    return found[1] if found else ""


def trace_id(header: str) -> str:
    """The 32 hex digits of a well-formed `traceparent`."""
    return header[3:35]
