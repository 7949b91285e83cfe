"""`lab.save()`: an order that was not stepped through, in a file all the same."""

from __future__ import annotations

from pathlib import Path

from orderlab.access.attach import Attached
from orderlab.access.tables import connected
from orderlab.errors import LabError
from orderlab.stepping import capsule, strands
from orderlab.stepping.watch import Watch


def save(lab: Attached, order_id: str, file: str | Path) -> Path:
    """Write a capsule of an order: its events, its tables now, its faults. Raises `LabError` if there is none."""
    with connected(lab.database_url) as connection:
        found = connection.execute("SELECT sku FROM order_items WHERE order_id = %s", (order_id,)).fetchall()
        look = Watch(lab.database_url, order_id, [row[0] for row in found], since=0)
    try:
        tables = look.tables()
        if not tables["orders"]:
            raise LabError(f"There is no order {order_id}.")
        said = f"{strands.standing(tables['orders'][0])}."
        firings = look.firings()
        moments = capsule.of_journal(order_id, look.journal(), tables, said, firings)
        return capsule.write(file, order_id, moments, strands.meant_for(order_id, look.armed(0)), firings)
    finally:
        look.close()
