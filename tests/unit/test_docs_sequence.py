"""docs/sequence.md and docs/create-order.svg say what sequence.py says."""

from pathlib import Path

import pytest

from orderlab.drawing import docs
from orderlab.sequence import OTHER_STEPS, STEPS, Outcome


@pytest.mark.parametrize("file", list(docs.pages()), ids=lambda file: file.name)
def test_the_written_page_is_current(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == docs.pages()[file], "run: python -m orderlab.drawing.docs"


def test_the_page_names_every_step_and_outcome() -> None:
    page = docs.sequence_page()
    assert [name for name in (*(s.name for s in (*STEPS, *OTHER_STEPS)), *Outcome) if f"`{name}`" not in page] == []


def test_the_page_says_that_nothing_of_arrow_5_crosses_the_broker() -> None:
    assert "nothing crosses the broker" in docs.sequence_page()
