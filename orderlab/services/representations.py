"""Rows as the API shows them: money as text, times as ISO 8601."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from orderlab.language import _
from orderlab.messages import Message
from orderlab.order import CURRENCY, NewOrder, Status
from orderlab.store import Found

Row = Mapping[str, Any]


def order_json(row: Row) -> dict[str, Any]:
    """An order that is stored."""
    return {
        "order_id": row["order_id"],
        "status": row["status"],
        "total": str(row["total"]),
        "currency": row["currency"],
        "items": row["items"],
        "customer": {"name": row["customer_name"], "email": row["customer_email"]},
        "created_at": row["created_at"].isoformat(),
        "updated_at": row["updated_at"].isoformat(),
        "rejection_reason": row["rejection_reason"],
        "design": {"outbox": row["design_outbox"], "idempotent_consumer": row["design_idempotent_consumer"]},
    }


def new_order_json(order: NewOrder, total: Decimal, found: Found, created: Message) -> dict[str, Any]:
    """An order that has just been inserted, as reading it back would show it."""
    return {
        "order_id": order.order_id,
        "status": Status.RECEIVED,
        "total": str(total),
        "currency": CURRENCY,
        "items": [
            {"sku": item.sku, "price": str(found.prices[item.sku]), "quantity": item.quantity} for item in order.items
        ],
        "customer": {"name": order.customer_name, "email": order.customer_email},
        "created_at": created.time.isoformat(),
        "updated_at": created.time.isoformat(),
        "rejection_reason": None,
        "design": order.design.as_dict(),
    }


def event_json(row: Row) -> dict[str, Any]:
    """One event of an order's journal."""
    return {
        **row,
        "label": f"{row['step']}{row['part'] or ''}",
        "started_at": row["started_at"].isoformat(),
        "ended_at": row["ended_at"].isoformat(),
    }


def evidence_json(row: Row) -> dict[str, Any]:
    """What the tables say of an order, for who judges it."""
    names = ("deliveries", "charges", "notifications", "outbox", "halts")
    design = {"outbox": row["design_outbox"], "idempotent_consumer": row["design_idempotent_consumer"]}
    return {
        **{name: row[name] for name in names},
        "wants": int(row["wants"]),
        "design": design,
        "still": row["still"] or 0,
    }


def product_json(row: Row) -> dict[str, Any]:
    """One product of the catalogue, its name in the language that is spoken."""
    return {**row, "name": _(row["name"]), "price": str(row["price"]), "currency": CURRENCY}
