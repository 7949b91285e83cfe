"""What a scenario may say, checked where it is said. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import TypeVar

from orderlab.errors import OrderlabError
from orderlab.language import N_, _
from orderlab.nearest import instead

K = TypeVar("K")


class InvalidScenario(OrderlabError):
    """The scenario can't be run as it stands; the message names what is wrong and what would do."""


def number(name: str, value: object, *, least: float = 0.0, above: bool = False, most: float = math.inf) -> float:
    """The value if it is a number from `least` (`above`: more than that) to `most`; else `InvalidScenario`."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise InvalidScenario(_("{name} must be a number, and this is {value!r}.", name=name, value=value))
    if value < least or (above and value == least) or value > most:
        bounds = f"{_('more than') if above else _('at least')} {least:g}" + (
            _(" and at most {most:g}", most=most) if most < math.inf else ""
        )
        raise InvalidScenario(
            _("{name} must be {bounds}, and this is {value:g}.", name=name, bounds=bounds, value=value)
        )
    return float(value)


def whole(name: str, value: object, *, least: int = 0) -> int:
    """The value if it is a whole number from `least`; else `InvalidScenario`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InvalidScenario(
            _(
                "{name} must be a whole number, at least {least}, and this is {value!r}.",
                name=name,
                least=least,
                value=value,
            )
        )
    return value


def one_of(name: str, value: object, known: Collection[str]) -> None:
    """Raise `InvalidScenario` if the value is none of those, with the nearest."""
    if value not in known:
        raise InvalidScenario(
            _("{name} can't be {value!r}.{hint}", name=name, value=value, hint=instead(value, known, N_("It can be")))
        )


def weights(name: str, value: Mapping[K, float]) -> dict[K, float]:
    """A copy of these weights, each 0 or more and not all 0; else `InvalidScenario`."""
    if not isinstance(value, Mapping) or not value:
        raise InvalidScenario(_("{name} must map each choice to its weight, such as {{'a': 3, 'b': 1}}.", name=name))
    checked = {key: number(f"{name}[{key!r}]", weight) for key, weight in value.items()}
    if not any(checked.values()):
        raise InvalidScenario(_("{name} has only weights of 0. Give at least one choice more.", name=name))
    return checked
