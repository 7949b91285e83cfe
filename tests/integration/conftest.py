"""Each module begins with an empty, restocked lab: what the designs without safeguards leave behind is theirs alone."""

from __future__ import annotations

import pytest

from orderlab import stack
from tests.support import RunningLab


@pytest.fixture(scope="module", autouse=True)
def restocked(lab: RunningLab) -> None:
    """No orders, full shelves, nothing armed."""
    stack.reset(lab.home)
