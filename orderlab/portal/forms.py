"""The form with the button."""

from __future__ import annotations

import secrets
from typing import Any

from flask import request
from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import IntegerField, SelectField, StringField  # type: ignore[import-untyped]
from wtforms.validators import InputRequired, NumberRange, ValidationError  # type: ignore[import-untyped]

from orderlab.client import ApiProblem
from orderlab.order import DEMO_CUSTOMER, DESIGNS, MAX_QUANTITY, is_order_id
from orderlab.portal.texts import PAYMENT

ROWS = 3
"""Products that the form shows room for; it takes as many as an order may have."""


def new_order_id() -> str:
    """An id that nobody has used: `web-` and ten hex digits."""
    return f"web-{secrets.token_hex(5)}"


def _trim(value: str | None) -> str:
    return (value or "").strip() or new_order_id()


class OrderForm(FlaskForm):  # type: ignore[misc]
    """What a person chooses. One press is enough: every field has a default.

    `product` and `quantity` may come several times, in the same order; where there is more than one product, those
    with no quantity are left out.
    """

    product = SelectField(_("Product"), default="KEYBOARD", choices=[], validate_choice=False)
    quantity = IntegerField(
        _("Quantity"),
        default=1,
        validators=[
            InputRequired(_("Say how many.")),
            NumberRange(1, MAX_QUANTITY, _("Choose a whole number from 1 to %(most)s.", most=MAX_QUANTITY)),
        ],
    )
    payment_token = SelectField(_("Payment"), default="tok_ok", choices=list(PAYMENT))
    design = SelectField(_("Design"), default="default", choices=list(DESIGNS))
    customer_name = StringField(_("Name"), default=DEMO_CUSTOMER["name"])
    customer_email = StringField(_("E-mail"), default=DEMO_CUSTOMER["email"])
    order_id = StringField(_("Order id"), default=new_order_id, filters=[_trim])

    def validate_order_id(self, field: StringField) -> None:
        """The rule of the API, said before the request is made."""
        if not is_order_id(field.data):
            raise ValidationError(_("Use 1 to 64 letters, digits, '.', '_' or '-', and begin with a letter or digit."))

    def validate_quantity(self, field: IntegerField) -> None:
        """What holds for the first quantity holds for all."""
        for _sku, quantity in self.rows[1:]:
            if not (quantity.isascii() and quantity.isdecimal() and 1 <= int(quantity) <= MAX_QUANTITY):
                raise ValidationError(_("Choose a whole number from 1 to %(most)s.", most=MAX_QUANTITY))

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Products and quantities as they were typed; those after the first only where there is a quantity."""
        products, quantities = request.form.getlist("product"), request.form.getlist("quantity")
        if not products:
            return [(self.product.data, str(self.quantity.data))]
        quantities += [""] * (len(products) - len(quantities))
        typed = list(zip(products, map(str.strip, quantities), strict=False))
        return [typed[0], *((sku, quantity) for sku, quantity in typed[1:] if quantity not in ("", "0"))]

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """All that was chosen, to be sent once more."""
        chosen = [pair for sku, quantity in self.rows for pair in (("product", sku), ("quantity", quantity))]
        others = (self.payment_token, self.design, self.customer_name, self.customer_email, self.order_id)
        return chosen + [(field.name, str(field.data)) for field in others]

    def body(self) -> dict[str, Any]:
        """The request to the API."""
        return {
            "order_id": self.order_id.data,
            "customer": {"name": self.customer_name.data, "email": self.customer_email.data},
            "items": [{"sku": sku, "quantity": int(quantity)} for sku, quantity in self.rows],
            "payment_token": self.payment_token.data,
            **({} if self.design.data == "default" else {"design": DESIGNS[self.design.data].as_dict()}),
        }

    def blame(self, problem: ApiProblem) -> list[str]:
        """Put what the API found wrong beside the fields it names; what fits nowhere is returned."""
        if problem.status == 409:
            self._blame(self.order_id, str(_("This id is taken by an order with other content. Choose another.")))
            return []
        fields = {
            "order_id": self.order_id,
            **{f"items[{n}].sku": self.product for n, _row in enumerate(self.rows)},
            **{f"items[{n}].quantity": self.quantity for n, _row in enumerate(self.rows)},
            "payment_token": self.payment_token,
            "customer.name": self.customer_name,
            "customer.email": self.customer_email,
        }
        elsewhere = []
        for error in problem.errors:
            if error.field in fields:
                self._blame(fields[error.field], error.problem)
            else:
                elsewhere.append(f"{error.field} {error.problem}")
        return elsewhere if problem.errors else [problem.detail]

    @staticmethod
    def _blame(field: Any, message: str) -> None:
        field.errors = [*field.errors, message]
