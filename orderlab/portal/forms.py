"""The form with the button."""

from __future__ import annotations

import secrets
from typing import Any

from flask_babel import lazy_gettext as _
from flask_wtf import FlaskForm
from wtforms import IntegerField, SelectField, StringField  # type: ignore[import-untyped]
from wtforms.validators import InputRequired, NumberRange, ValidationError  # type: ignore[import-untyped]

from orderlab.client import ApiProblem
from orderlab.order import DESIGNS, MAX_QUANTITY, is_order_id
from orderlab.portal.texts import PAYMENT

CUSTOMER = {"name": "Ada", "email": "ada@example.com"}
"""Who orders in the demo."""


def new_order_id() -> str:
    """An id that nobody has used: `web-` and ten hex digits."""
    return f"web-{secrets.token_hex(5)}"


def _trim(value: str | None) -> str:
    return (value or "").strip() or new_order_id()


class OrderForm(FlaskForm):  # type: ignore[misc]
    """What a person chooses. One press is enough: every field has a default."""

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
    order_id = StringField(_("Order id"), default=new_order_id, filters=[_trim])

    def validate_order_id(self, field: StringField) -> None:
        """The rule of the API, said before the request is made."""
        if not is_order_id(field.data):
            raise ValidationError(_("Use 1 to 64 letters, digits, '.', '_' or '-', and begin with a letter or digit."))

    def body(self) -> dict[str, Any]:
        """The request to the API."""
        return {
            "order_id": self.order_id.data,
            "customer": CUSTOMER,
            "items": [{"sku": self.product.data, "quantity": self.quantity.data}],
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
            "items[0].sku": self.product,
            "items[0].quantity": self.quantity,
            "payment_token": self.payment_token,
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
