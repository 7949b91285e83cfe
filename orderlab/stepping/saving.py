"""`lab.save()`: an order that was not stepped through, in a file all the same."""

from __future__ import annotations

from pathlib import Path

from orderlab.access.attach import Attached
from orderlab.stepping.replayed import replayed


def save(lab: Attached, order_id: str, file: str | Path) -> Path:
    """Write a capsule of an order: its events, what each changed, its faults. Raises `LabError` if there is none."""
    return replayed(lab, order_id).save(file)
