"""W3C Trace Context: one trace id goes along with an order over HTTP and AMQP. Standard library only."""

from __future__ import annotations

import re
import secrets

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def new_traceparent() -> str:
    """A fresh `traceparent` header (version 00, sampled)."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def traceparent(header: str | None) -> str:
    """The header as it came, if it is well formed, else a fresh one (the specification's rule for a broken one)."""
    return header if header and _TRACEPARENT.fullmatch(header) else new_traceparent()


def trace_id(header: str) -> str:
    """The 32 hex digits of a well-formed `traceparent`."""
    return header[3:35]
