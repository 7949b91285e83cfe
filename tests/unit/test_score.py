"""A score says what is won, square by square, as text and as a picture."""

from __future__ import annotations

import pytest

from orderlab.drawing.score import Score, Square
from orderlab.errors import LabError
from orderlab.verdicts.rules import Word

SQUARES = {
    ("15", "before"): Square(Word.CORRECT, "", "a"),
    ("15", "after"): Square(Word.DUPLICATED, "charged 2 times", "b"),
    ("15c", "before"): Square(Word.OVERSOLD, "1 set aside", "c", reached=False),
    ("16", "before"): Square(Word.CORRECT, "", "d", reached=False),
}


def test_a_square_is_won_if_the_order_met_the_fault_and_came_through() -> None:
    score = Score("mine.py", "crash", SQUARES)
    assert (score.won, score.of) == (1, 4)
    assert score.told == "1 of 4 correct, 1 duplicated, 1 oversold (2 where the order never comes)"
    assert set(score.lost) == {("15", "after"), ("15c", "before"), ("16", "before")}


def test_the_text_has_a_column_a_step_and_a_line_a_side() -> None:
    lines = Score("mine.py", "crash", SQUARES, ["stage 1 (naive)"]).text.splitlines()
    assert lines[0].startswith("mine.py · crash: SIGKILL")
    assert lines[2].split() == ["15", "15c", "16"]
    assert lines[3].split() == ["before", "·", "–O", "–"]
    assert lines[4].split() == ["after", "D"]
    assert lines[-1] == "This is what stage 1 (naive) comes to."


def test_the_picture_says_the_same() -> None:
    score = Score("<mine>.py", "crash", SQUARES)
    assert "after 15: charged 2 times" in score.svg
    assert "&lt;mine&gt;.py" in score.svg
    assert score._repr_mimebundle_()["text/plain"] == score.text


def test_a_run_is_opened_by_its_square() -> None:
    score = Score("mine.py", "crash", SQUARES, opens=lambda order_id: f"the run of {order_id}")
    assert score.run(15, "after") == "the run of b"
    assert score.run("15c") == "the run of c"
    with pytest.raises(LabError, match="Of step 15 there are: before 15, after 15"):
        score.run(15)
    with pytest.raises(LabError, match="not at hand"):
        Score("mine.py", "crash", SQUARES).run("15c")
