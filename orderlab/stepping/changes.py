"""What changed between two looks at an order's rows and queues, in lines that read the same every time.

Times and ids stay out of the lines: they are new in every run. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orderlab.language import _, ngettext

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
            yield SHARED, _("{sku}: reserved {moved:+d}", sku=item["sku"], moved=moved * item["quantity"])


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
            yield name, _("+ {messages}, delivered and not yet acknowledged", messages=_messages(hand))
        elif hand < 0 and died:
            yield name, _("{messages} back in the queue: nobody has acknowledged it", messages=_messages(-hand))
        elif hand < 0:
            yield name, _("- {messages}, acknowledged: the broker forgets it", messages=_messages(-hand))
        elif waiting > 0 and not died:
            yield name, _("+ {messages}, waiting for a consumer", messages=_messages(waiting))


def _messages(count: int) -> str:
    return ngettext("{n} message", "{n} messages", count)


def _new(table: str, row: Row) -> str:
    if table == "orders":
        return f"{row['status']}, {row['total']} {row['currency']}, {_design(row)}"
    if table == "order_items":
        return _("{quantity} × {sku} at {price}", quantity=row["quantity"], sku=row["sku"], price=row["price"])
    if table == "payments":
        key = _("the order's id") if row["idempotency_key"] else _("none")
        return _(
            "{amount} {currency} with {payment_token}; idempotency key: {key}",
            amount=row["amount"],
            currency=row["currency"],
            payment_token=row["payment_token"],
            key=key,
        )
    if table == "outbox":
        audience = row["data"].get("audience")
        what = _("{type} to {audience}", type=row["type"], audience=audience) if audience else row["type"]
        return _("{what} from {source}, {state}", what=what, source=row["source"], state=_published(row))
    return _("{type} to {audience}", type=row["type"], audience=row["audience"]) + f", {row['status']}"


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
    return _("published, and marked so") if row["published"] else _("not marked as published")


def _design(row: Row) -> str:
    on = {True: _("on"), False: _("off")}
    return _(
        "outbox {outbox}, idempotent consumer {consumer}",
        outbox=on[row["design_outbox"]],
        consumer=on[row["design_idempotent_consumer"]],
    )


def _value(value: Any) -> str:
    return _("none") if value is None else str(value)
