"""Words of the portal that are chosen by a value, marked for translation. The drawings have their own."""

from __future__ import annotations

from flask_babel import lazy_gettext as _

from orderlab.order import PAYMENT_TOKENS, Status

STATUS = {
    Status.RECEIVED: _("Received: the order is stored and on its way to the worker."),
    Status.INVENTORY_RESERVED: _("Stock is reserved; the payment is next."),
    Status.CONFIRMED: _("Confirmed: paid, and the stock is yours."),
    Status.REJECTED: _("Rejected."),
}

HEADLINE = {
    Status.RECEIVED: _("Order created"),
    Status.INVENTORY_RESERVED: _("Order created"),
    Status.CONFIRMED: _("Order confirmed"),
    Status.REJECTED: _("Order rejected"),
}

WRONG = {
    "charged_again": _("The customer was charged more than once"),
    "charged_in_vain": _("The customer was charged for an order that is rejected"),
    "duplicated": _("Somebody was notified twice, as if of two events"),
    "lost": _("Something was lost: what should have happened will not"),
    "oversold": _("The stock is wrong: more or less is set aside than was ordered"),
    "stuck": _("The order is stuck, until somebody helps"),
    "halted": _("The order is halted, and goes on when it is released"),
}

VERDICT = {
    "correct": _("correct"),
    "stuck": _("stuck"),
    "oversold": _("oversold"),
    "lost": _("lost"),
    "duplicated": _("duplicated"),
}

REJECTION = {
    "out_of_stock": _("Rejected: there is not enough stock. Nothing was charged."),
    "payment_declined": _("Rejected: the payment was declined. The reserved stock is free again."),
}

AUDIENCE = {"operations": _("Operations"), "customer": _("Customer")}

PAYMENT = {token: _(card.means) for token, card in PAYMENT_TOKENS.items()}

DESIGN = {
    "default": _("all on: outbox and idempotent consumer"),
    "no-outbox": _("without the outbox"),
    "no-idempotent-consumer": _("without the idempotent consumer"),
    "as-drawn": _("as drawn: neither"),
}
