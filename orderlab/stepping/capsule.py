"""A run in one file: the events, the tables before and after each step, and the faults. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orderlab.errors import LabError
from orderlab.language import _
from orderlab.stepping.moment import Moment

FORMAT, VERSION = "orderlab run capsule", 1


def write(
    file: str | Path,
    order_id: str,
    moments: Sequence[Moment],
    faults: Sequence[Mapping[str, Any]],
    firings: Sequence[Mapping[str, Any]],
) -> Path:
    """Write a capsule; the file's path. Raises `LabError` if it can't be written."""
    told = {
        "format": FORMAT,
        "version": VERSION,
        "order_id": order_id,
        "faults": list(faults),
        "firings": list(firings),
        "moments": [moment.as_json() for moment in moments],
    }
    path = Path(file)
    try:
        path.write_text(json.dumps(told, ensure_ascii=False, default=str), encoding="utf-8")
    except OSError as error:
        raise LabError(_("{file} can't be written: {strerror}.", file=file, strerror=error.strerror)) from None
    return path


def read(file: str | Path) -> dict[str, Any]:
    """What a capsule holds; raise `LabError` that says what is wrong with the file."""
    try:
        told = json.loads(Path(file).read_text("utf-8"))
    except OSError as error:
        raise LabError(_("{file} can't be read: {strerror}.", file=file, strerror=error.strerror)) from None
    except ValueError:
        raise LabError(_("{file} is no run capsule: it is not JSON.", file=file)) from None
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise LabError(_("{file} is no run capsule.", file=file))
    if told.get("version") != VERSION:
        raise LabError(
            _(
                "{file} is of version {written}, and this orderlab reads version {version}.",
                file=file,
                written=told.get("version"),
                version=VERSION,
            )
        )
    return told
