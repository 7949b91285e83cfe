"""What the API answers with, as types: the rows that notebooks and the portal read. Standard library only.

The OpenAPI document describes the same; a test holds the two together. Moments are ISO 8601 with their zone, money is
text, so that it stays exact.
"""

from __future__ import annotations

from typing import Any, TypedDict


class ItemRow(TypedDict):
    """So many of one product, at the price of the day of the order."""

    sku: str
    quantity: int
    price: str


class DesignRow(TypedDict):
    """The safeguards that an order travels with."""

    outbox: bool
    idempotent_consumer: bool


class OrderRow(TypedDict):
    """An order."""

    order_id: str
    status: str
    total: str
    currency: str
    items: list[ItemRow]
    customer: dict[str, str]
    created_at: str
    updated_at: str
    rejection_reason: str | None
    design: DesignRow


class OrdersPage(TypedDict):
    """A page of orders, newest first; `next` is the id after which the next page begins, None on the last."""

    orders: list[OrderRow]
    next: str | None


class EventRow(TypedDict):
    """A step that happened to an order: a row of `order_events`. `attempt` is which delivery of a message it was."""

    id: int
    step: int
    part: str | None
    label: str
    name: str
    outcome: str
    lane: str
    attempt: int
    trace_id: str
    started_at: str
    ended_at: str
    data: dict[str, Any]


class FiringRow(TypedDict):
    """A fault that hit the order. `unwritten` are events that died with the process that a crash has killed."""

    kind: str
    step: str
    side: str
    attempt: int
    process: str
    at: str
    unwritten: list[dict[str, Any]]


class EvidenceRow(TypedDict):
    """What the tables say of an order, for who judges it."""

    deliveries: int
    charges: int
    wants: int
    design: DesignRow
    notifications: list[dict[str, Any]]
    outbox: list[dict[str, Any]]
    halts: list[dict[str, Any]]
    still: float


class Journal(TypedDict):
    """All that is recorded of an order: events in reading order, faults that hit it, and what the tables say."""

    order_id: str
    status: str
    events: list[EventRow]
    firings: list[FiringRow]
    evidence: EvidenceRow


class ProductRow(TypedDict):
    """A product of the catalogue; `available` is how many can be ordered now."""

    sku: str
    name: str
    price: str
    currency: str
    available: int
