"""Verdicts for a notebook: on one order, and on some of them as a table."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from orderlab.errors import LabError
from orderlab.language import _
from orderlab.nearest import nearest
from orderlab.verdicts.judge import Judge
from orderlab.verdicts.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

DATABASE_AWAY = 3.0
"""Seconds for which a verdict waits for a database that is away: a killed one takes less to be back."""


def verdict(judge: Judge, order_id: str, answered: bool, patience: float) -> Verdict:
    """The verdict on one order; `answered` says whether this notebook had an answer for it. Raises `LabError`."""
    if not answered and not judge.knows(order_id):
        raise LabError(
            _("There is no order {order_id!r}.{hint}", order_id=order_id, hint=nearest(order_id, judge.every_order()))
        )
    told = [order_id] if answered else []
    return judge.verdicts([order_id], told=told, patience=patience, away=DATABASE_AWAY)[0]


def verdicts(judge: Judge, order_ids: Sequence[str] | str, patience: float) -> pd.DataFrame:
    """The verdicts on these orders, or on those that a pattern fits, oldest first. Raises `LabError`."""
    import pandas as pd

    every = judge.every_order()
    if isinstance(order_ids, str):
        wanted = [order_id for order_id in every if fnmatchcase(order_id, order_ids)]
    else:
        wanted = [order_id for order_id in every if order_id in set(order_ids)]
        if strangers := [order_id for order_id in order_ids if order_id not in every]:
            raise LabError(
                _("There is no order {order_id!r}.{hint}", order_id=strangers[0], hint=nearest(strangers[0], every))
            )
    found = judge.verdicts(wanted, patience=patience, away=DATABASE_AWAY) if wanted else []
    rows = [(each.order_id, each.status, str(each.word), each.reason) for each in found]
    return pd.DataFrame(rows, columns=["order_id", "status", "verdict", "reason"])
