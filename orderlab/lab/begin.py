"""Begin to step through an order: a new one, or one alike that is brought as far as another has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg

from orderlab.gates import BEFORE
from orderlab.lab.attach import Attached, LabError
from orderlab.lab.moment import Moment
from orderlab.lab.stepping import PATIENCE, SteppingRun
from orderlab.order import DESIGNS, is_order_id


@dataclass(frozen=True)
class Wanted:
    """An order as the portal's form takes it."""

    order_id: str
    sku: str
    quantity: int
    payment_token: str
    design: str

    def __post_init__(self) -> None:
        """Raise `LabError` for what the form could not send."""
        if self.design not in DESIGNS:
            raise LabError(f"There is no design {self.design!r}. The designs are: {', '.join(DESIGNS)}.")
        if not is_order_id(self.order_id):
            raise LabError(f"{self.order_id!r} can't be an order's id: letters, digits, '.', '_' and '-', at most 64.")


def begin(
    lab: Attached,
    order_id: str,
    items: Mapping[str, int] | None = None,
    payment_token: str = "tok_ok",
    design: str = "default",
    patience: float = PATIENCE,
) -> SteppingRun:
    """Have the portal's button pressed for this order, which halts at every gate. Raises `LabError`."""
    chosen = dict(items or {"KEYBOARD": 1})
    if len(chosen) != 1:
        raise LabError("The portal's form takes one product: items={sku: quantity}.")
    ((sku, quantity),) = chosen.items()
    return _run(lab, Wanted(order_id, sku, quantity, payment_token, design), patience)


def again(lab: Attached, wanted: Wanted, patience: float, way: Sequence[Moment]) -> SteppingRun:
    """Bring a new order the way that another one came. Raises `LabError`."""
    if any(moment.died or moment.idle or moment.ended for moment in way):
        raise LabError("This way can't be gone again: something broke on it, or it is at its end. run.back() first.")
    run = _run(lab, wanted, patience)
    try:
        for moment in way:
            came = run.until(moment.before, BEFORE) if moment.before else run.next()
            if came.arrows != moment.arrows:
                raise LabError(f"{wanted.order_id} came another way: {came.title}, and not {moment.title}.")
    except BaseException:
        run.close()
        raise
    return run


def _run(lab: Attached, wanted: Wanted, patience: float) -> SteppingRun:
    try:
        return SteppingRun(lab, wanted, patience)
    except psycopg.OperationalError:
        raise LabError("PostgreSQL does not answer. `./lab status` says what runs; `./lab up` starts it.") from None
