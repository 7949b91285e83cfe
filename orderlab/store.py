"""PostgreSQL, one method an arrow or a transaction of arrows. The SQL stands in queries.sql."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from importlib.resources import files
from typing import Any, Protocol
from uuid import UUID

import aiosql
import orjson
import psycopg

from orderlab.errors import AlreadyPublished, DatabaseAway, DatabaseBusy, UnprocessableMessage
from orderlab.journal import Event, Events, takes_events
from orderlab.language import _
from orderlab.messages import Message
from orderlab.order import CURRENCY, REJECTION_REASONS, Design, NewOrder, OrderInHand, Status
from orderlab.sequence import Outcome
from orderlab.trace import trace_id

Row = dict[str, Any]

TRIES = 5
"""How often a statement that PostgreSQL undid, for others wanted the same rows, is tried."""
_UNDONE = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)

MOST_EARLY_EACH, MOST_EARLY = 100, 10_000
"""Steps that clients have reported of an order that is not there yet: of one order, and in all."""

queries = aiosql.from_str(
    files("orderlab").joinpath("queries.sql").read_text("utf-8"), "psycopg", mandatory_parameters=False
)


class Connections(Protocol):
    """Where a store gets its connections, each in autocommit, with rows as dictionaries."""

    def connection(self) -> AbstractContextManager[psycopg.Connection[Row]]:
        """One, for the time of the block."""

    def check(self) -> None:
        """Throw away those that broke."""


@dataclass(frozen=True)
class Found:
    """What 6 finds: who created the order with this id and with which request, if any; and today's prices."""

    subject: str | None
    request: Mapping[str, Any] | None
    prices: Mapping[str, Decimal]


class Store:
    """The database as one service sees it. Every method can raise `DatabaseAway` and `DatabaseBusy`."""

    def __init__(self, pool: Connections) -> None:
        self.pool = pool

    def _run(self, query: Callable[..., Any], /, **parameters: Any) -> Any:
        """Send a statement. One that PostgreSQL undid has done nothing, so it is sent again."""
        for _again in range(TRIES):
            try:
                with self.pool.connection() as connection:
                    return query(connection, **parameters)
            except _UNDONE as error:
                undone = error
                time.sleep(random.uniform(0, 0.05))
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                raise DatabaseAway from error
        raise DatabaseBusy from undone

    def ping(self) -> None:
        """Ask for nothing, to see whether it answers. Connections that broke are thrown away: nobody is handed one."""
        self.pool.check()
        self._run(_scalar(queries.ping))

    # orders-api

    def check_idempotency(self, order: NewOrder) -> Found:
        """6: is there an order with this id?"""
        row = self._run(queries.check_idempotency, order_id=order.order_id, skus=[item.sku for item in order.items])
        prices = {sku: Decimal(price) for sku, price in row["prices"].items()}
        return Found(row["subject"], row["request"], prices)

    @takes_events
    def insert_order(
        self,
        events: Events,
        order: NewOrder,
        subject: str,
        total: Decimal,
        found: Found,
        created: Message,
        earlier: Sequence[Event],
    ) -> Outcome:
        """8: insert the order with its message and the steps so far; `duplicate` if the id was taken since 6.

        `earlier` are steps that belong to the order and not to this request, and are written with its insert alone.
        """
        items = [
            {"line": line, "sku": item.sku, "quantity": item.quantity, "price": str(found.prices[item.sku])}
            for line, item in enumerate(order.items, start=1)
        ]
        inserted = self._run(
            queries.insert_order,
            order_id=order.order_id,
            subject=subject,
            customer_name=order.customer_name,
            customer_email=order.customer_email,
            payment_token=order.payment_token,
            total=total,
            currency=CURRENCY,
            design_outbox=order.design.outbox,
            design_idempotent_consumer=order.design.idempotent_consumer,
            request=_json(order.content()),
            traceparent=created.traceparent,
            created_at=created.time,
            items=_json(items),
            messages=_rows([created]),
            events=_rows([*earlier, *events]),
            trace_id=trace_id(created.traceparent),
        )
        if inserted is None:
            return Outcome.DUPLICATE
        events.written()
        return Outcome.OK

    def report_events(self, order_id: str, subject: str, events: Events) -> str:
        """What became of a client's report: recorded, refused (not its own), held (no such order yet) or full."""
        return self._run(  # type: ignore[no-any-return]
            _scalar(queries.report_events),
            order_id=order_id,
            subject=subject,
            events=_rows(events),
            most_each=MOST_EARLY_EACH,
            most=MOST_EARLY,
        )

    def get_order(self, order_id: str) -> Row | None:
        """One order as a row with its items."""
        return self._run(queries.get_order, order_id=order_id)  # type: ignore[no-any-return]

    def list_orders(self, most: int, after: str | None) -> list[Row]:
        """A page of orders, newest first."""
        return list(self._run(_all(queries.list_orders), most=most, after=after))

    def read_events(self, order_id: str) -> list[Row]:
        """An order's journal in reading order."""
        return list(self._run(_all(queries.read_events), order_id=order_id))

    def order_evidence(self, order_id: str) -> Row | None:
        """What the tables say of an order, beside its journal; None if there is none."""
        return self._run(queries.order_evidence, order_id=order_id)  # type: ignore[no-any-return]

    def order_status(self, order_id: str) -> str | None:
        """Where an order stands; None if there is none."""
        return self._run(_scalar(queries.order_status), order_id=order_id)  # type: ignore[no-any-return]

    def list_products(self) -> list[Row]:
        """The catalogue."""
        return list(self._run(_all(queries.list_products)))

    # worker

    @takes_events
    def start_processing(self, events: Events, order_id: str, copy: str, redelivered: bool) -> OrderInHand:
        """12: take the order up and record the delivery; raise `UnprocessableMessage` if there is no such order.

        `copy` is the message's copy ("" where it does not say), and `redelivered` whether the broker says that it has
        handed that copy out before.
        """
        row = self._run(
            queries.start_processing, order_id=order_id, copy=copy, redelivered=redelivered, events=_rows(events)
        )
        if row is None:
            raise UnprocessableMessage(_("There is no order {order_id!r}.", order_id=order_id))
        events.written()
        return OrderInHand(
            order_id=row["order_id"],
            status=Status(row["status"]),
            rejection_reason=row["rejection_reason"],
            customer_name=row["customer_name"],
            customer_email=row["customer_email"],
            payment_token=row["payment_token"],
            total=row["total"],
            currency=row["currency"],
            design=Design(row["design_outbox"], row["design_idempotent_consumer"]),
            attempt=row["attempt"],
        )

    def check_inventory(self, order: OrderInHand) -> Outcome:
        """13: is everything there?"""
        return Outcome.OUT_OF_STOCK if self._run(_all(queries.items_short), order_id=order.order_id) else Outcome.OK

    @takes_events
    def reserve_inventory(self, events: Events, order: OrderInHand) -> Outcome:
        """14: RECEIVED → INVENTORY_RESERVED. `out_of_stock` if somebody took the last one since 13."""
        try:
            outcome = self._run(
                _scalar(queries.reserve_inventory),
                order_id=order.order_id,
                again=not order.design.idempotent_consumer,
                events=_rows(events),
            )
        except psycopg.errors.CheckViolation as error:
            if error.diag.constraint_name != "products_reserved_check":
                raise
            return Outcome.OUT_OF_STOCK
        events.written()
        return Outcome(outcome)

    def charge(self, order: OrderInHand, idempotency_key: str | None) -> Outcome:
        """15, the gateway's side: enter the charge in its ledger, once for each idempotency key it is given."""
        made = self._run(
            _scalar(queries.charge),
            order_id=order.order_id,
            idempotency_key=idempotency_key,
            amount=order.total,
            currency=order.currency,
            payment_token=order.payment_token,
        )
        return Outcome.OK if made else Outcome.ALREADY_DONE

    @takes_events
    def confirm_order(self, events: Events, order: OrderInHand, messages: Sequence[Message]) -> Outcome:
        """16: INVENTORY_RESERVED → CONFIRMED."""
        return self._settle(order, Status.CONFIRMED, None, Status.INVENTORY_RESERVED, Outcome.OK, messages, events)

    @takes_events
    def reject_order(
        self, events: Events, order: OrderInHand, reason: str, messages: Sequence[Message], *, release: bool
    ) -> Outcome:
        """16: → REJECTED. With `release` the reservation is given back (15c) in the same transaction."""
        before = REJECTION_REASONS[reason]
        return self._settle(order, Status.REJECTED, reason, before, Outcome.REJECTED, messages, events, release)

    def _settle(
        self,
        order: OrderInHand,
        status: Status,
        reason: str | None,
        before: Status,
        outcome: Outcome,
        messages: Sequence[Message],
        events: Events,
        release: bool = False,
    ) -> Outcome:
        settled = self._run(
            _scalar(queries.settle_order),
            order_id=order.order_id,
            status=status,
            reason=reason,
            from_status=before,
            again=not order.design.idempotent_consumer,
            release=release,
            messages=_rows(messages),
            outbox=order.design.outbox,
            attempt=order.attempt,
            outcome=outcome,
            events=_rows(events),
        )
        events.written()
        return Outcome(settled)

    # relay, notifier, journal

    def list_unpublished(self, grace: timedelta, most: int, but: Collection[UUID]) -> list[Row]:
        """The outbox's oldest messages that are older than `grace`, `but` these: their heads, without the data."""
        return list(self._run(_all(queries.list_unpublished), grace=grace, most=most, but=list(but)))

    def read_unpublished(self, grace: timedelta, most: int) -> list[Row]:
        """The same whole, for a relay that takes nothing in hand before it publishes."""
        return list(self._run(_all(queries.read_unpublished), grace=grace, most=most))

    @takes_events
    def publish_unpublished(self, events: Events, event_id: UUID, publish: Callable[[Row], object]) -> None:
        """Hand a message to `publish`, and mark it and write its events in the transaction that holds it meanwhile.

        Raises `AlreadyPublished` if it was published meanwhile, or somebody else has it in hand.
        """
        try:
            with self.pool.connection() as connection, connection.transaction():
                row = queries.claim_message(connection, event_id=event_id)
                if row is None:
                    raise AlreadyPublished
                publish(row)
                _scalar(queries.flush_journal)(connection, events=_rows(events), published=[event_id])
            events.written()
        except _UNDONE as error:
            raise DatabaseBusy from error  # not tried again here: the message may be out
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise DatabaseAway from error

    def settle_delivered(self, delivered: Sequence[tuple[str, Events]]) -> None:
        """18a, 18b: these webhooks were delivered: their ids, and what happened to each."""
        self._run(
            _scalar(queries.settle_delivered),
            delivered=[event_id for event_id, _ in delivered],
            events=_rows([event for _call, events in delivered for event in events]),
        )
        for _call, events in delivered:
            events.written()

    def settle_failed(self, event_id: str, reason: str, events: Events) -> None:
        """18a, 18b: the webhook was given up."""
        self._run(_scalar(queries.settle_failed), event_id=event_id, reason=reason, events=_rows(events))
        events.written()

    def flush_journal(self, events: Events, published: Sequence[str]) -> None:
        """Write a batch of events, and mark messages as published."""
        if published:
            self._run(queries.flush_journal, events=_rows(events), published=list(published))
        elif events:
            self._run(queries.record_events, events=_rows(events))


def _json(value: Any) -> str:
    """As JSON."""
    return orjson.dumps(value).decode()


def _rows(things: Sequence[Any]) -> str:
    return _json([thing.as_row() for thing in things])


def _all(query: Callable[..., Any]) -> Callable[..., list[Row]]:
    """Fetch while the connection is still ours: aiosql's generator would outlive it."""
    return lambda connection, **parameters: list(query(connection, **parameters))


def _scalar(query: Callable[..., Any]) -> Callable[..., Any]:
    """The one value of a query's one row, or None."""

    def run(connection: psycopg.Connection[Row], **parameters: Any) -> Any:
        row = query(connection, **parameters)
        return next(iter(row.values())) if row else None

    return run
