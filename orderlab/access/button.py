"""Pressing the real portal's button, over HTTP, as a browser does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape

import httpx

from orderlab.errors import LabError
from orderlab.language import _, current
from orderlab.nearest import nearest
from orderlab.order import DEMO_CUSTOMER, DEMO_ITEMS, DESIGNS, is_order_id

_CSRF = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


_TOLD = re.compile(r'<p (?:class="error"[^>]*|class="said"[^>]*|class="problem"[^>]*)>\s*([^<]+?)\s*</p>')


@dataclass(frozen=True)
class Wanted:
    """An order as the portal's form takes it. Raises `LabError` for what the form could not send."""

    order_id: str
    items: Mapping[str, int] = field(default_factory=lambda: DEMO_ITEMS)
    payment_token: str = "tok_ok"
    customer: Mapping[str, str] = field(default_factory=lambda: DEMO_CUSTOMER)
    design: str = "default"

    def __post_init__(self) -> None:
        """Refuse what the form could not send."""
        check_design(self.design)
        if not self.items:
            raise LabError(_("The portal's form takes one product at least: items={'KEYBOARD': 1}."))
        if not is_order_id(self.order_id):
            raise LabError(
                _(
                    "{order_id!r} can't be an order's id: letters, digits, '.', '_' and '-', at most 64.",
                    order_id=self.order_id,
                )
            )


def check_design(design: str) -> None:
    """Raise `LabError` for an unknown design."""
    if design not in DESIGNS:
        raise LabError(
            _(
                "There is no design {design!r}.{hint} The designs are: {known}.",
                design=design,
                hint=nearest(design, DESIGNS),
                known=", ".join(DESIGNS),
            )
        )


@dataclass(frozen=True)
class Pressed:
    """What the person sees: the page's status, or None and why if the portal broke off; `shown` if it confirms.

    `told` is what the page says is wrong, in the words of the API.
    """

    status: int | None
    shown: bool
    error: str = ""
    told: tuple[str, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether it is useless to try again."""
        return not self.shown and self.status is not None and self.status < 500


def press(portal_url: str, wanted: Wanted, timeout: float = 3600.0) -> Pressed:
    """Fill in the form and press "Crear Pedido"; follow on to the confirmation. Waits while gates halt the order."""
    with httpx.Client(base_url=portal_url, timeout=timeout, trust_env=False, follow_redirects=True) as browser:
        try:
            form = _CSRF.search(browser.get("/", params={"lang": current()}).text)
            if form is None:
                raise LabError(_("The portal at {portal_url} shows no form. See ./lab status.", portal_url=portal_url))
            page = browser.post("/orders", data={"csrf_token": form[1], **_typed(wanted)})
        except httpx.TransportError as error:
            return Pressed(None, False, f"{type(error).__name__}: {error}")
    told = () if page.is_success else tuple(unescape(found) for found in _TOLD.findall(page.text))
    return Pressed(page.status_code, page.is_success and page.url.path == f"/orders/{wanted.order_id}", told=told)


def _typed(wanted: Wanted) -> dict[str, str | list[str]]:
    """The form's fields, filled in."""
    return {
        "product": list(wanted.items),
        "quantity": [str(quantity) for quantity in wanted.items.values()],
        "payment_token": wanted.payment_token,
        "customer_name": str(wanted.customer.get("name", "")),
        "customer_email": str(wanted.customer.get("email", "")),
        "order_id": wanted.order_id,
        "design": wanted.design,
    }
