"""An order: what it holds, how it is read from a request, and which way its status may move. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from orderlab.errors import FieldProblem, InvalidOrder
from orderlab.language import N_, _

CURRENCY = "EUR"
MAX_ITEMS = 50
MAX_QUANTITY = 1000

ORDER_ID = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""What an order's id looks like, as a regular expression."""
LARGEST_PAGE = 100
"""Orders that the API lists at once."""

_ORDER_ID = re.compile(ORDER_ID, re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True)
class Card:
    """What the simulated gateway does with a payment token. What it `means` is said in the portal's form."""

    means: str
    declined: bool = False
    failures: int = 0  # calls that fail before one works
    seconds: float = 0.0  # that a call takes


PAYMENT_TOKENS: Mapping[str, Card] = {
    "tok_ok": Card(N_("works")),
    "tok_declined": Card(N_("declined by the bank"), declined=True),
    "tok_insufficient_funds": Card(N_("declined: not enough money"), declined=True),
    "tok_expired_card": Card(N_("declined: the card has expired"), declined=True),
    "tok_gateway_error": Card(N_("the gateway fails twice, then it works"), failures=2),
    "tok_slow": Card(N_("works, but takes two seconds"), seconds=2.0),
}
"""Every payment token there is, in the manner of test cards. A new one is added here, and translated."""


class Status(StrEnum):
    """Where an order stands."""

    RECEIVED = "RECEIVED"  # inserted by the API (8)
    INVENTORY_RESERVED = "INVENTORY_RESERVED"  # stock set aside by the worker (14)
    CONFIRMED = "CONFIRMED"  # paid (16)
    REJECTED = "REJECTED"  # out of stock, or payment declined (16)

    @property
    def final(self) -> bool:
        """Whether no move leads away from it."""
        return not TRANSITIONS[self]


TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.RECEIVED: frozenset({Status.INVENTORY_RESERVED, Status.REJECTED}),  # 14; 16 when out of stock
    Status.INVENTORY_RESERVED: frozenset({Status.CONFIRMED, Status.REJECTED}),  # 16; 16 when payment is declined
    Status.CONFIRMED: frozenset(),
    Status.REJECTED: frozenset(),
}
"""Every legal move. `schema.sql` refuses the others; a test holds the two together."""

REJECTION_REASONS: Mapping[str, Status] = {
    "out_of_stock": Status.RECEIVED,
    "payment_declined": Status.INVENTORY_RESERVED,
}
"""Why an order is rejected, and the status it is rejected from."""


@dataclass(frozen=True)
class Design:
    """Which safeguards an order travels with; both are on unless somebody takes one out to see what it was for."""

    outbox: bool = True
    idempotent_consumer: bool = True

    def as_dict(self) -> dict[str, bool]:
        """The two switches by name."""
        return {"outbox": self.outbox, "idempotent_consumer": self.idempotent_consumer}


DESIGNS: Mapping[str, Design] = {
    "default": Design(),
    "no-outbox": Design(outbox=False),
    "no-idempotent-consumer": Design(idempotent_consumer=False),
    "as-drawn": Design(outbox=False, idempotent_consumer=False),
}
"""The four designs by name; `as-drawn` is the source diagram, which knows neither safeguard."""


DEMO_ITEMS: Mapping[str, int] = {"KEYBOARD": 1}
"""What is ordered, where nobody says what: products with how many of each."""
DEMO_CUSTOMER: Mapping[str, str] = {"name": "Ada", "email": "ada@example.com"}
"""Who orders, where nobody says who does."""


@dataclass(frozen=True)
class Item:
    """So many of one product."""

    sku: str
    quantity: int


@dataclass(frozen=True)
class NewOrder:
    """What a client asks for: everything but prices, which are the catalogue's to say."""

    order_id: str
    customer_name: str
    customer_email: str
    items: tuple[Item, ...]
    payment_token: str
    design: Design = field(default_factory=Design)

    @classmethod
    def from_json(cls, body: Any) -> NewOrder:
        """Read a request's body; raise `InvalidOrder` that names every wrong field."""
        problems: list[FieldProblem] = []
        if not isinstance(body, dict):
            raise InvalidOrder([FieldProblem("", _("must be a JSON object"))])
        known = {"order_id", "customer", "items", "payment_token", "design"}
        problems += [FieldProblem(str(name), _("is not a field of an order")) for name in body if name not in known]
        order = cls(
            order_id=_order_id(body.get("order_id"), problems),
            customer_name=_customer(body, "name", problems),
            customer_email=_customer(body, "email", problems),
            items=_items(body.get("items"), problems),
            payment_token=_payment_token(body.get("payment_token"), problems),
            design=_design(body.get("design"), problems),
        )
        if problems:
            raise InvalidOrder(problems)
        return order

    def total(self, prices: Mapping[str, Decimal]) -> Decimal:
        """What it costs at these prices (exact); raise `InvalidOrder` for a sku that has none."""
        unknown = [
            FieldProblem(f"items[{n}].sku", _("is not in the catalogue: {sku!r}", sku=item.sku))
            for n, item in enumerate(self.items)
            if item.sku not in prices
        ]
        if unknown:
            raise InvalidOrder(unknown)
        return sum((prices[item.sku] * item.quantity for item in self.items), Decimal(0))

    def content(self) -> dict[str, Any]:
        """What makes two requests with one id the same request, as plain JSON."""
        return {
            "customer": {"name": self.customer_name, "email": self.customer_email},
            "items": [{"sku": item.sku, "quantity": item.quantity} for item in self.items],
            "payment_token": self.payment_token,
            "design": self.design.as_dict(),
        }


@dataclass(frozen=True)
class OrderInHand:
    """A stored order as the worker takes it up (12); `attempt` says which delivery of its message this is."""

    order_id: str
    status: Status
    rejection_reason: str | None
    customer_name: str
    customer_email: str
    payment_token: str
    total: Decimal
    currency: str
    design: Design
    attempt: int

    @property
    def fresh(self) -> bool:
        """Whether the worker starts at the beginning: a new order, or one whose design forgets earlier attempts."""
        return self.status is Status.RECEIVED or not self.design.idempotent_consumer

    @property
    def settled(self) -> bool:
        """Whether an earlier attempt brought it to its end, and this design remembers."""
        return self.status.final and self.design.idempotent_consumer


def _text(value: Any, most: int) -> str | None:
    """What is wrong with a text field, or None. PostgreSQL stores no NUL, UTF-8 no lone surrogate."""
    if not isinstance(value, str) or not value.strip():
        return _("must be a text that is not empty")
    if len(value) > most:
        return _("must have at most {most} characters", most=most)
    if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
        return _("holds a character that can't be stored")
    return None


def _order_id(value: Any, problems: list[FieldProblem]) -> str:
    if isinstance(value, str) and is_order_id(value):
        return value
    problems.append(
        FieldProblem(
            "order_id", _("must be 1 to 64 letters, digits, '.', '_' or '-', and begin with a letter or digit")
        )
    )
    return ""


def is_order_id(value: str) -> bool:
    """Whether a text may be an order's id."""
    return _ORDER_ID.fullmatch(value) is not None


def _customer(body: dict[str, Any], name: str, problems: list[FieldProblem]) -> str:
    customer = body.get("customer")
    if not isinstance(customer, dict):
        if name == "name":  # said once
            problems.append(FieldProblem("customer", _("must be an object with name and email")))
        return ""
    if name == "name":
        problems += [
            FieldProblem(f"customer.{key}", _("is not a field of a customer"))
            for key in customer
            if key not in ("name", "email")
        ]
    value = customer.get(name)
    wrong = _text(value, 200)
    if wrong is None and name == "email" and not _EMAIL.fullmatch(str(value)):
        wrong = _("must look like name@example.com")
    if wrong:
        problems.append(FieldProblem(f"customer.{name}", wrong))
        return ""
    return str(value)


def _items(value: Any, problems: list[FieldProblem]) -> tuple[Item, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_ITEMS:
        problems.append(FieldProblem("items", _("must be a list of 1 to {max_items} items", max_items=MAX_ITEMS)))
        return ()
    items = [_item(n, entry, problems) for n, entry in enumerate(value)]
    seen: set[str] = set()
    for n, item in enumerate(items):
        if item.sku and item.sku in seen:
            problems.append(FieldProblem(f"items[{n}].sku", _("stands twice; add the quantities up")))
        seen.add(item.sku)
    return tuple(items)


def _item(n: int, entry: Any, problems: list[FieldProblem]) -> Item:
    if not isinstance(entry, dict):
        problems.append(FieldProblem(f"items[{n}]", _("must be an object with sku and quantity")))
        return Item("", 0)
    problems += [
        FieldProblem(f"items[{n}].{key}", _("is not a field of an item"))
        for key in entry
        if key not in ("sku", "quantity")
    ]
    sku, quantity = entry.get("sku"), entry.get("quantity")
    if wrong := _text(sku, 64):
        problems.append(FieldProblem(f"items[{n}].sku", wrong))
        sku = ""
    if not isinstance(quantity, int) or isinstance(quantity, bool) or not 1 <= quantity <= MAX_QUANTITY:
        problems.append(
            FieldProblem(
                f"items[{n}].quantity", _("must be a whole number from 1 to {max_quantity}", max_quantity=MAX_QUANTITY)
            )
        )
        quantity = 0
    return Item(str(sku), quantity)


def _payment_token(value: Any, problems: list[FieldProblem]) -> str:
    if isinstance(value, str) and value in PAYMENT_TOKENS:
        return value
    problems.append(FieldProblem("payment_token", _("must be one of {tokens}", tokens=", ".join(PAYMENT_TOKENS))))
    return ""


def _design(value: Any, problems: list[FieldProblem]) -> Design:
    if value is None:
        return Design()
    known = Design().as_dict()
    if not isinstance(value, dict) or any(k not in known or not isinstance(v, bool) for k, v in value.items()):
        problems.append(
            FieldProblem("design", _("must be an object with outbox and idempotent_consumer, true or false"))
        )
        return Design()
    return Design(**{**known, **value})
