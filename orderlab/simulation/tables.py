"""The tables that a run gives, live or modelled: one row per order, per event, and per queue and moment.

Times are seconds from the start of the run. Rows are made when they are asked for, and pandas is imported when a
DataFrame is. Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar, cast

if TYPE_CHECKING:
    import pandas as pd


class OrderRow(TypedDict):
    """One order. What has not happened is None."""

    order_id: str
    intended_at: float  # when the scenario says that it comes
    sent_at: float | None  # when it was sent; later than intended where the sender was late
    sends: int  # requests in all, duplicates and retries among them
    answered_at: float | None  # the first answer, 201
    settled_at: float | None  # 16: CONFIRMED or REJECTED
    notified_at: float | None  # the later of the two webhooks, 18a and 18b
    status: str
    rejection_reason: str | None
    attempts: int  # deliveries of its message that were begun
    time_to_answer: float | None  # seconds from the intended send, as are those below
    time_to_settle: float | None
    time_to_notify: float | None


class EventRow(TypedDict):
    """One step that happened to an order, as in `order_events`."""

    order_id: str
    label: str  # 9, 15c
    name: str
    outcome: str
    lane: str
    attempt: int
    started_at: float
    ended_at: float


class DepthRow(TypedDict):
    """How many messages a queue held at a moment."""

    at: float
    queue: str
    ready: int  # waiting for a consumer
    unacked: int  # handed to one, which is not done with it


R = TypeVar("R", OrderRow, EventRow, DepthRow)


@dataclass(frozen=True)
class Table(Generic[R]):
    """Rows of one kind, made anew each time that they are gone through; `frame()` is a DataFrame of them."""

    kind: type[R]
    make: Callable[[], Iterable[R]]

    def __iter__(self) -> Iterator[R]:
        return iter(self.make())

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in their order."""
        return tuple(self.kind.__annotations__)

    def frame(self) -> pd.DataFrame:
        """The rows as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame.from_records(
            [tuple(cast(Mapping[str, Any], row).values()) for row in self], columns=self.columns
        )
