"""The cache that every checkout of this person shares."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from orderlab.bootstrap.console import Unready
from orderlab.language import _


def folder() -> Path:
    """`$XDG_CACHE_HOME/orderlab` (by default `~/.cache/orderlab`).

    RabbitMQ's scripts break on white space in their own path: such a home gets a folder under the temp folder.
    """
    chosen = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "orderlab"
    if not any(letter.isspace() for letter in str(chosen)):
        return chosen
    chosen = Path(tempfile.gettempdir()) / f"orderlab-{os.getuid()}"
    chosen.mkdir(mode=0o700, exist_ok=True)
    if chosen.stat().st_uid != os.getuid():
        raise Unready(
            _("{chosen} belongs to another user. Set XDG_CACHE_HOME to a folder without white space.", chosen=chosen)
        )
    return chosen
