"""The database as a notebook sees it: tables as DataFrames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from orderlab.calls.checking import POSTGRESQL_AWAY
from orderlab.connecting import connect
from orderlab.errors import LabError
from orderlab.language import N_, _
from orderlab.nearest import instead, nearest

if TYPE_CHECKING:
    import pandas as pd

_ORDER_BY = {
    "orders": "seq",
    "order_items": "order_id, line",
    "products": "sku",
    "payments": "payment_id",
    "notifications": "created_at, audience DESC",
    "outbox": "seq",
    "order_events": "id",
}
_OF_NO_ORDER = {"products"}


@contextmanager
def answering() -> Iterator[None]:
    """Raise `LabError` where the database does not answer."""
    try:
        yield
    except psycopg.OperationalError:
        raise LabError(POSTGRESQL_AWAY) from None


@contextmanager
def connected(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to the lab's database as its owner, in autocommit. Raises `LabError` where it does not answer."""
    with answering(), connect(database_url) as connection:
        yield connection


def read_table(database_url: str, name: str, order_id: str | None, limit: int) -> pd.DataFrame:
    """The last `limit` rows of a table, oldest first; only those of an order if one is given. Raises `LabError`."""
    import pandas as pd

    if name not in _ORDER_BY:
        raise LabError(
            _(
                "There is no table {name!r} to show.{hint} The tables are: {known}.",
                name=name,
                hint=nearest(name, _ORDER_BY),
                known=", ".join(_ORDER_BY),
            )
        )
    if order_id is not None and name in _OF_NO_ORDER:
        raise LabError(_("The rows of {name} belong to no order. Leave the order id out.", name=name))
    query = sql.SQL(
        "SELECT * FROM (SELECT *, row_number() OVER (ORDER BY {order}) AS nth FROM {table}"
        " WHERE %(order_id)s::text IS NULL OR {key} = %(order_id)s ORDER BY nth DESC LIMIT %(limit)s) t ORDER BY nth"
    ).format(
        table=sql.Identifier(name),
        order=sql.SQL(_ORDER_BY[name]),
        key=sql.SQL("NULL" if name in _OF_NO_ORDER else "order_id"),
    )
    with connected(database_url) as connection:
        cursor = connection.execute(query, {"order_id": order_id, "limit": limit})
        columns = [column.name for column in cursor.description or ()]
        return pd.DataFrame(cursor.fetchall(), columns=columns).drop(columns="nth")


def restock(database_url: str, sku: str, quantity: int) -> int:
    """Put so many more of a product on the shelf; how many can be ordered now. Raises `LabError` for an unknown one."""
    with connected(database_url) as connection:
        row = connection.execute(
            "UPDATE products SET on_hand = on_hand + %s WHERE sku = %s RETURNING on_hand - reserved", (quantity, sku)
        ).fetchone()
        if row is None:
            skus = [known for (known,) in connection.execute("SELECT sku FROM products ORDER BY sku")]
            raise LabError(
                _("There is no product {sku!r}.{hint}", sku=sku, hint=instead(sku, skus, N_("The products are")))
            )
        return int(row[0])
