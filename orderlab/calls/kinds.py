"""What the arguments of a notebook's calls may be. The same keyword means the same everywhere, so this goes by name."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from orderlab.errors import LabError
from orderlab.language import LANGUAGES, N_, _
from orderlab.nearest import nearest
from orderlab.order import DESIGNS, PAYMENT_TOKENS
from orderlab.sequence import Step, find_step

OrderId: TypeAlias = str | Any
"""An order's id, or anything that has one: the order itself, a run, a message, a verdict."""


class Unfit(Exception):
    """What the argument must be; or, as `whole`, the whole sentence."""

    def __init__(self, must: str, whole: bool = False) -> None:
        super().__init__(must)
        self.must, self.whole = must, whole


Kind = Callable[[Any], Any]
"""Takes what was given, and returns what is meant; raises `Unfit`."""


def text(value: Any) -> str:
    """A text that can travel and be stored."""
    if not isinstance(value, str) or "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
        raise Unfit(_("a text"))
    return value


def order_id(value: Any) -> str:
    """An order's id, of whatever has one."""
    if isinstance(value, Mapping):
        value = value.get("order_id")
    elif not isinstance(value, str):
        value = getattr(value, "order_id", None)
    if not isinstance(value, str) or not value:
        raise Unfit(_("an order's id, or the order"))
    return text(value)


def _order_ids(value: Any) -> Any:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping) or not isinstance(value, Iterable):
        return [order_id(value)]
    return [order_id(each) for each in value]


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unfit(_("True or False"))
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unfit(_("a number"))
    return value


def _seconds(value: Any) -> float:
    try:
        seconds = _number(value)
    except (Unfit, OverflowError):
        raise Unfit(_("a number of seconds")) from None
    if not 0 <= seconds <= 86_400:
        raise Unfit(_("a number of seconds from 0 to 86400"))
    return seconds


def whole(least: int, most: int) -> Kind:
    """A whole number in these bounds."""

    def kind(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise Unfit(_("a whole number from {least} to {most}", least=least, most=most))
        return value

    return kind


def _items(value: Any) -> Mapping[str, int]:
    pairs = value.items() if isinstance(value, Mapping) else [(None, None)]
    if not all(isinstance(sku, str) and isinstance(n, int) and not isinstance(n, bool) for sku, n in pairs):
        raise Unfit(_("products with how many of each, such as {'KEYBOARD': 1}"))
    for sku in value:
        text(sku)
    return dict(value)


def one_of(what: str, known: Callable[[], Iterable[str]]) -> Kind:
    """One of some names; `what` is what they name."""

    def kind(value: Any) -> str:
        names = list(known())
        if not isinstance(value, str) or value not in names:
            listed = ", ".join(names)
            raise Unfit(
                _(
                    "There is no {what} {shown}.{hint} There are: {listed}.",
                    what=_(what),
                    shown=shown(value),
                    hint=nearest(value, names),
                    listed=listed,
                ),
                whole=True,
            )
        return str(value)

    return kind


def several(kind: Kind) -> Kind:
    """One, or several, as a list."""

    def each_of(value: Any) -> list[Any]:
        if isinstance(value, str) or not isinstance(value, Iterable):
            return [kind(value)]
        return [kind(each) for each in value]

    return each_of


def label_of(step: int | str) -> str:
    """The label of the step with this number, label or name; raise `LabError` if there is none."""
    try:
        return find_step(step).label
    except KeyError as error:
        raise LabError(str(error.args[0])) from None


def _step(value: Any) -> int | str:
    if isinstance(value, Step):
        return value.label
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise Unfit(_("a step: a number, a label such as '15c', or a name"))
    return value


def _json(value: Any) -> Any:
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        raise Unfit(_("what JSON can hold: texts, numbers, lists, dicts")) from None
    return value


def _customer(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise Unfit(_("a dict with name and email"))
    return _json(dict(value))


def _file(value: Any) -> Any:
    try:
        path = os.fspath(value)
    except TypeError:
        path = None
    if not isinstance(path, str) or not path or "\0" in path:
        raise Unfit(_("a file's path"))
    text(path)
    return value


def _call(value: Any) -> Any:
    if not callable(value):
        raise Unfit(_("what can be called, such as lab.post_order (without brackets)"))
    return value


_ALGORITHMS = ("HS256", "HS384", "HS512", "none")
_SEED = whole(-(2**63), 2**63 - 1)

KINDS: dict[str, Kind] = {
    "order_id": order_id,
    "order_ids": _order_ids,
    "items": _items,
    "payment_token": text,
    "customer": _customer,
    "design": one_of(N_("design"), lambda: DESIGNS),
    "designs": several(one_of(N_("design"), lambda: DESIGNS)),
    "step": _step,
    "steps": several(_step),
    "side": text,
    "attempt": whole(1, 1_000_000),
    "everything": _yes_or_no,
    "fresh": _yes_or_no,
    "quantity": whole(1, 1_000_000),
    **dict.fromkeys(("worker", "relay", "notifier", "orders_api"), whole(1, 100)),
    **dict.fromkeys(("Lab.use.worker", "Lab.use.relay", "Lab.use.notifier", "Lab.matrix.worker"), _file),
    "file": _file,
    "home": _file,
    "seconds": _seconds,
    "timeout": _seconds,
    "patience": _seconds,
    "times": whole(0, 2**31 - 1),
    "times_per_order": whole(0, 2**31 - 1),
    "limit": whole(1, 1_000_000),
    "probability": _number,
    "seed": _SEED,
    "body": _json,
    "call": _call,
    "handler": _call,
    "ack": one_of(N_("way to acknowledge"), lambda: ("after", "before", "never")),
    "language": one_of(N_("language"), lambda: LANGUAGES),
    "algorithm": one_of(N_("algorithm"), lambda: _ALGORITHMS),
    "expires_in": whole(-(10**9), 10**9),
}
"""By the parameter's name, or by call and name; a room adds those that are its own. What is not here is a text."""

CARD = one_of(N_("payment token"), lambda: PAYMENT_TOKENS)
"""A payment token that the portal's form has."""


def shown(value: Any) -> str:
    """What was given, short enough for a line."""
    try:
        told = " ".join(repr(value).split())
    except Exception:  # its own repr is broken: then its type must do
        told = _("a {kind}", kind=type(value).__name__)
    return told if len(told) <= 60 else f"{told[:57]}…"
