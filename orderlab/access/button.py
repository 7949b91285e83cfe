"""Pressing the real portal's button, over HTTP, as a browser does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape
from typing import Any

import httpx

from orderlab.errors import LabError
from orderlab.nearest import nearest
from orderlab.order import DESIGNS, is_order_id

_CSRF = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


_TOLD = re.compile(r'<p (?:class="error"[^>]*|class="said"[^>]*|lang="en")>\s*([^<]+?)\s*</p>')


@dataclass(frozen=True)
class Wanted:
    """An order as the portal's form takes it. Raises `LabError` for what the form could not send."""

    order_id: str
    sku: str
    quantity: int
    payment_token: str
    design: str

    def __post_init__(self) -> None:
        """Refuse what the form could not send."""
        check_design(self.design)
        if not is_order_id(self.order_id):
            raise LabError(f"{self.order_id!r} can't be an order's id: letters, digits, '.', '_' and '-', at most 64.")


def one_product(items: Mapping[str, int] | None, payment_token: str) -> dict[str, Any]:
    """What the form takes of an order, as `press` takes it. Raises `LabError` for more than one product."""
    chosen = dict(items or {"KEYBOARD": 1})
    if len(chosen) != 1:
        raise LabError("The portal's form takes one product: items={sku: quantity}.")
    ((sku, quantity),) = chosen.items()
    return {"sku": sku, "quantity": quantity, "payment_token": payment_token}


def check_design(design: str) -> None:
    """Raise `LabError` for a design that there is not."""
    if design not in DESIGNS:
        raise LabError(
            f"There is no design {design!r}.{nearest(design, DESIGNS)} The designs are: {', '.join(DESIGNS)}."
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
        """Whether trying again would be in vain."""
        return not self.shown and self.status is not None and self.status < 500


def press(
    portal_url: str,
    order_id: str,
    sku: str = "KEYBOARD",
    quantity: int = 1,
    payment_token: str = "tok_ok",
    design: str = "default",
    timeout: float = 3600.0,
) -> Pressed:
    """Fill in the form and press "Crear Pedido"; follow on to the confirmation. Waits while gates halt the order."""
    with httpx.Client(base_url=portal_url, timeout=timeout, trust_env=False, follow_redirects=True) as browser:
        try:
            form = _CSRF.search(browser.get("/", params={"lang": "en"}).text)
            if form is None:
                raise LabError(f"The portal at {portal_url} shows no form. See ./lab status.")
            page = browser.post(
                "/orders",
                data={
                    "csrf_token": form[1],
                    "product": sku,
                    "quantity": quantity,
                    "payment_token": payment_token,
                    "order_id": order_id,
                    "design": design,
                },
            )
        except httpx.TransportError as error:
            return Pressed(None, False, f"{type(error).__name__}: {error}")
    told = () if page.is_success else tuple(unescape(found) for found in _TOLD.findall(page.text))
    return Pressed(page.status_code, page.is_success and page.url.path == f"/orders/{order_id}", told=told)
