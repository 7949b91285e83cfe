"""The lab that notebooks run on under `pytest --nbval`: the one that is up, else one of their own for this run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orderlab import stack

_STARTED = pytest.StashKey[Path]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Have a lab up before the first kernel starts, and tell the kernels which it is."""
    config = session.config
    notebooks = config.getoption("nbval", False) or config.getoption("nbval_lax", False)
    if not notebooks or config.option.collectonly or hasattr(config, "workerinput"):
        return
    home = Path(os.environ.get("ORDERLAB_HOME") or config.rootpath / ".orderlab" / "test")
    if not stack.status(home).ready:
        config.stash[_STARTED] = home
        stack.up(home, jupyter=False)
    os.environ["ORDERLAB_HOME"] = str(home)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave nothing running that this run has started."""
    if home := session.config.stash.get(_STARTED, None):
        stack.down(home)
