"""One private lab for the whole run, beside whatever else runs on this machine; nothing of it is left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from orderlab import stack
from orderlab.language import language
from tests.support import RunningLab

HOME = Path(os.environ.get("ORDERLAB_TEST_HOME") or Path(__file__).parents[1] / ".orderlab" / "test")
HOME /= os.environ.get("PYTEST_XDIST_WORKER", "")  # where several run at once, a lab each


@pytest.fixture(scope="session")
def lab() -> Iterator[RunningLab]:
    """A running lab. Tests may kill, stop and freeze what is in it, and leave it whole."""
    stack.up(HOME, jupyter=False)
    try:
        stack.reset(HOME)
        yield RunningLab(HOME)
    finally:
        stack.down(HOME)


@pytest.fixture(autouse=True)
def _english_again() -> Iterator[None]:
    """Whatever language a test speaks, the next begins in English."""
    spoken = language._spoken.set(None)
    yield
    language._spoken.reset(spoken)
    language.default("en")
