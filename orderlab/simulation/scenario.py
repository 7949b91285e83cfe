"""A scenario: which orders come when, who sends them twice, and what goes wrong. Standard library only.

Arrivals are open-loop: an order comes when the schedule says so, however slow the answers to others are.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import TypeVar

from orderlab.language import _
from orderlab.order import MAX_ITEMS, MAX_QUANTITY, PAYMENT_TOKENS, Item, NewOrder, is_order_id
from orderlab.simulation.arrivals import Arrivals, Bursts, Constant, Day, Poisson, Trace
from orderlab.simulation.checks import InvalidScenario, number, one_of, weights, whole
from orderlab.simulation.troubles import BrokerOutage, SlowGateway, Trouble, WorkerCrash

T = TypeVar("T")

_DIGITS = 7


@dataclass(frozen=True)
class Send:
    """One request: this order, `offset` seconds after the start. `repeat` is 0 for the first of an order."""

    offset: float
    number: int
    repeat: int
    order: NewOrder


@dataclass(frozen=True)
class Again:
    """A share of orders is sent again, `times` times, each `after` seconds after the one before; the same request."""

    share: float
    after: float
    times: int = 1

    def __post_init__(self) -> None:
        number("share", self.share, most=1)
        number("after", self.after)
        whole("times", self.times, least=1)


NEVER = Again(0.0, 0.0)


@dataclass(frozen=True)
class Scenario:
    """Orders for `duration` seconds, all of it worked out from `seed`: the same orders at the same offsets.

    Whatever maps to a number maps to its weight: `products` is how often each sku is bought, `lines` how many
    products an order has (never more than there are), `quantities` how many of each, `payment_tokens` how it is paid.
    `customers` is how many different people order (each as often), or their names with weights. `duplicates` are sent
    twice at once, as by a double click; `retries` by clients that got no answer. `troubles` are what goes wrong, in
    the lab and in the model.
    Raises `InvalidScenario`.
    """

    arrivals: Arrivals
    duration: float
    seed: int = 0
    customers: int | Mapping[str, float] = 100
    products: Mapping[str, float] = field(
        default_factory=lambda: {"KEYBOARD": 4, "MOUSE": 4, "MONITOR": 1, "HEADSET": 1}
    )
    lines: Mapping[int, float] = field(default_factory=lambda: {1: 6, 2: 3, 3: 1})
    quantities: Mapping[int, float] = field(default_factory=lambda: {1: 8, 2: 2})
    payment_tokens: Mapping[str, float] = field(default_factory=lambda: {"tok_ok": 1})
    duplicates: Again = NEVER
    retries: Again = NEVER
    troubles: Sequence[Trouble] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.arrivals, Constant | Poisson | Bursts | Day | Trace):
            raise InvalidScenario(
                _("arrivals must be Constant, Poisson, Bursts, Day or Trace, such as Poisson(rate=20).")
            )
        number("duration", self.duration, above=True)
        whole("seed", self.seed)
        if isinstance(self.customers, Mapping):
            object.__setattr__(self, "customers", weights("customers", self.customers))
        else:
            whole("customers", self.customers, least=1)
        for name in ("products", "lines", "quantities", "payment_tokens"):
            object.__setattr__(self, name, weights(name, getattr(self, name)))
        for name, most in (("lines", MAX_ITEMS), ("quantities", MAX_QUANTITY)):
            for choice in getattr(self, name):
                if whole(_("a choice of {name}", name=name), choice, least=1) > most:
                    raise InvalidScenario(
                        _(
                            "A choice of {name} is {choice}, and there can be {most} at most.",
                            name=name,
                            choice=choice,
                            most=most,
                        )
                    )
        for token in self.payment_tokens:
            one_of(_("a payment token"), token, PAYMENT_TOKENS)
        for name in ("duplicates", "retries"):
            if not isinstance(getattr(self, name), Again):
                raise InvalidScenario(_("{name} must be such as Again(share=0.1, after=0.05).", name=name))
        object.__setattr__(self, "troubles", tuple(self.troubles))
        for trouble in self.troubles:
            if not isinstance(trouble, WorkerCrash | SlowGateway | BrokerOutage):
                raise InvalidScenario(_("A trouble is a WorkerCrash, a SlowGateway or a BrokerOutage."))

    def offsets(self) -> Iterator[float]:
        """When each order comes for the first time, in seconds from the start."""
        return self.arrivals.offsets(self.duration, self._chance("arrivals"))

    def orders(self, prefix: str = "sim") -> Iterator[Send]:
        """Every request in the order of its offset, repeats among them; ids are `prefix` and a number, from 1 on.

        A kind of chance has a stream of its own: another mix of payment tokens leaves the arrivals as they were.
        Raises `InvalidScenario` for a prefix that no order's id can begin with.
        """
        if not is_order_id(f"{prefix}-{'0' * _DIGITS}"):
            raise InvalidScenario(
                _("{prefix!r} can't begin an order's id. Take letters, digits, '.', '_' and '-'.", prefix=prefix)
            )
        return self._sends(prefix)

    def _sends(self, prefix: str) -> Iterator[Send]:
        content = self._content()
        duplicates, retries = self._chance("duplicates"), self._chance("retries")
        later: list[tuple[float, int, int, NewOrder]] = []
        for n, offset in enumerate(self.offsets(), 1):
            while later and later[0][0] <= offset:
                yield Send(*heapq.heappop(later))
            order = content(f"{prefix}-{n:0{_DIGITS}}")
            yield Send(offset, n, 0, order)
            repeats = sorted([*_repeats(self.duplicates, duplicates), *_repeats(self.retries, retries)])
            for repeat, after in enumerate(repeats, 1):
                heapq.heappush(later, (round(offset + after, 6), n, repeat, order))
        while later:
            yield Send(*heapq.heappop(later))

    def _content(self) -> Callable[[str], NewOrder]:
        """What makes the order for an id: each call is the next."""
        who, basket, pay = self._chance("customers"), self._chance("baskets"), self._chance("payment tokens")
        if isinstance(self.customers, int):
            customers = {f"Customer {n}": 1.0 for n in range(1, self.customers + 1)}
        else:
            customers = dict(self.customers)
        addresses = {name: f"customer-{n}@example.com" for n, name in enumerate(customers, 1)}
        customer, token = _choice(customers), _choice(self.payment_tokens)
        lines, quantity, product = _choice(self.lines), _choice(self.quantities), _choice(self.products)

        def content(order_id: str) -> NewOrder:
            name = customer(who)
            skus = _distinct(product, lines(basket), self.products, basket)
            items = tuple(Item(sku, quantity(basket)) for sku in skus)
            return NewOrder(order_id, name, addresses[name], items, token(pay))

        return content

    def _chance(self, what: str) -> Random:
        return Random(f"{self.seed} {what}")  # a text seeds by SHA-512, alike on every Python and machine


def _choice(weighted: Mapping[T, float]) -> Callable[[Random], T]:
    """What draws one of these by their weights."""
    choices = [choice for choice, weight in weighted.items() if weight]
    sums = list(accumulate(weight for weight in weighted.values() if weight))
    if len(choices) == 1:
        return lambda _: choices[0]
    return lambda chance: choices[min(bisect_right(sums, chance.random() * sums[-1]), len(choices) - 1)]


def _distinct(draw: Callable[[Random], str], n: int, weighted: Mapping[str, float], chance: Random) -> list[str]:
    """So many different products, in the order in which they were drawn."""
    chosen = [draw(chance)]
    while len(chosen) < n and (left := {sku: w for sku, w in weighted.items() if w and sku not in chosen}):
        chosen.append(_choice(left)(chance))
    return chosen


def _repeats(again: Again, chance: Random) -> list[float]:
    """How many seconds after the first each repeat comes; mostly none."""
    if not again.share or chance.random() >= again.share:
        return []
    return [again.after * nth for nth in range(1, again.times + 1)]
