"""What changed between two looks at an order's rows and queues, in lines that read the same every time.

Times and ids stay out of the lines: they are new in every run. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
Tables = Mapping[str, Sequence[Row]]
Queues = Mapping[str, Mapping[str, int]]
"""By queue: `waiting` messages (anybody's), and how many of this order's are `in hand`, not yet acknowledged."""

_KEYS = {
    "orders": "order_id",
    "order_items": "line",
    "products": "sku",
    "payments": "payment_id",
    "outbox": "event_id",
    "notifications": "event_id",
}
_TOLD = {
    "orders": ("status", "rejection_reason", "deliveries"),
    "outbox": ("published",),
    "notifications": ("status", "reason"),
}
"""Columns whose changes are told."""

SHARED = "products"
"""The table whose rows are everybody's: what this order has moved there is told by its arrows and items."""

_MOVES = {"14": 1, "15c": -1}


def stock_changes(tables: Tables, news: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """(table, what this order's arrows have set aside or given back), a product each. `news` are events."""
    forgets = any(not row["design_idempotent_consumer"] for row in tables.get("orders", ()))
    moved = 0
    for event in news:
        if event["outcome"] == "ok":
            twice = event["data"].get("again", forgets) and event["data"].get("fault") == "duplicate"
            moved += _MOVES.get(str(event["label"]), 0) * (2 if twice else 1)
    for item in sorted(tables.get("order_items", ()), key=lambda item: str(item["sku"])):
        if moved:
            yield SHARED, f"{item['sku']}: reserved {moved * item['quantity']:+d}"


def table_changes(before: Tables, after: Tables, news: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """(table, what changed) for each row that came, changed or went; `news` are the events that changed it."""
    for name, key in _KEYS.items():
        if name == SHARED:
            yield from stock_changes(after, news)
            continue
        old = {row[key]: row for row in before.get(name, ())}
        new = {row[key]: row for row in after.get(name, ())}
        for found, row in new.items():
            if found not in old:
                yield name, f"+ {_new(name, row)}"
            elif told := _changed(name, old[found], row):
                yield name, told
        for found, row in old.items():
            if found not in new:
                yield name, f"- {_new(name, row)}"


def queue_changes(before: Queues, after: Queues, died: bool) -> Iterator[tuple[str, str]]:
    """(queue, what changed) for each queue; `died`: whoever had a message in hand was killed."""
    for name, now in after.items():
        was = before.get(name, {})
        hand = now["in hand"] - was.get("in hand", 0)
        waiting = now["waiting"] - was.get("waiting", 0)
        if hand > 0:
            yield name, f"+ {_messages(hand)}, delivered and not yet acknowledged"
        elif hand < 0 and died:
            yield name, f"{_messages(-hand)} back in the queue: nobody has acknowledged it"
        elif hand < 0:
            yield name, f"- {_messages(-hand)}, acknowledged: the broker forgets it"
        elif waiting > 0 and not died:
            yield name, f"+ {_messages(waiting)}, waiting for a consumer"


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"


def _new(table: str, row: Row) -> str:
    if table == "orders":
        return f"{row['status']}, {row['total']} {row['currency']}, {_design(row)}"
    if table == "order_items":
        return f"{row['quantity']} × {row['sku']} at {row['price']}"
    if table == "payments":
        key = "the order's id" if row["idempotency_key"] else "none"
        return f"{row['amount']} {row['currency']} with {row['payment_token']}; idempotency key: {key}"
    if table == "outbox":
        audience = f" to {row['data']['audience']}" if "audience" in row["data"] else ""
        return f"{row['type']}{audience} from {row['source']}, {_published(row)}"
    return f"{row['type']} to {row['audience']}, {row['status']}"


def _changed(table: str, old: Row, new: Row) -> str:
    if table == "outbox":
        return f"{new['type']}: {_published(new)}" if old["published"] != new["published"] else ""
    said = [
        f"{column} {_value(old[column])} → {_value(new[column])}"
        for column in _TOLD.get(table, ())
        if old[column] != new[column]
    ]
    who = f"{new['audience']}: " if table == "notifications" else ""
    return who + ", ".join(said) if said else ""


def _published(row: Row) -> str:
    return "published, and marked so" if row["published"] else "not marked as published"


def _design(row: Row) -> str:
    on = {True: "on", False: "off"}
    return f"outbox {on[row['design_outbox']]}, idempotent consumer {on[row['design_idempotent_consumer']]}"


def _value(value: Any) -> str:
    return "none" if value is None else str(value)
