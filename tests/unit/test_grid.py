"""A matrix as a picture and as text."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from orderlab.drawing.grid import Grid
from orderlab.errors import LabError
from orderlab.matrix import Results
from orderlab.matrix.docs import DOCS, matrix_markdown
from orderlab.verdicts.predictions import Cell, cells
from orderlab.verdicts.rules import Word

SVG = "{http://www.w3.org/2000/svg}"


def crashes(**words: Word) -> Grid:
    found = {Cell("crash", "9", "before", design.replace("_", "-")): (word,) for design, word in words.items()}
    return Grid("crash", found, order_ids={cell: f"ws-{cell.design}" for cell in found})


def test_the_text_has_a_line_a_design_and_side_and_a_column_a_step() -> None:
    text = crashes(default=Word.CORRECT, as_drawn=Word.LOST).text.splitlines()
    assert text[2].split() == ["9"]
    assert text[3].split() == ["default", "before", "·"]
    assert text[4].split() == ["as-drawn", "before", "L"]
    assert text[-1] == "· correct   L lost"


def test_what_was_predicted_otherwise_is_marked_in_text_and_picture() -> None:
    grid = crashes(default=Word.LOST, as_drawn=Word.LOST)
    assert grid.text.splitlines()[-1] == "! before 9, default: predicted correct"
    assert grid.svg.count('stroke-width="3"') == 1
    assert "1 of 2 as predicted" in grid.text
    assert 'stroke-width="3"' not in crashes(default=Word.CORRECT).svg


def test_a_square_shows_what_was_predicted_beside_what_it_came_to_and_its_step_has_a_name() -> None:
    (square,) = (g for g in ET.fromstring(crashes(default=Word.LOST).svg).iter(f"{SVG}g") if g.get("data-cell"))
    assert ["".join(text.itertext()) for text in square.iter(f"{SVG}text")] == ["L", "·"]
    assert square.findtext(f"{SVG}title") == "before 9, default: lost; predicted: correct"
    for shown in (crashes(default=Word.LOST).svg, crashes(default=Word.LOST).text):
        assert "Publish OrderCreated" in shown


@pytest.mark.parametrize("kind", ["crash", "drop", "postgresql"])
def test_the_picture_has_a_square_for_each_cell_says_what_it_shows_and_comes_out_the_same_each_time(kind: str) -> None:
    grid = Grid.expected(kind)
    drawing = ET.fromstring(grid.svg)
    assert len([g for g in drawing.iter(f"{SVG}g") if g.get("data-cell")]) == len(list(cells(kind)))
    assert drawing.findtext(f"{SVG}desc") == grid.text
    assert grid.svg == Grid.expected(kind).svg
    assert '<img alt="' in grid._repr_mimebundle_()["text/html"]


def test_a_race_shows_both_words() -> None:
    cell = Cell("rabbitmq", "10", "before", "no-idempotent-consumer")
    assert "·/D" in Grid("rabbitmq", {cell: (Word.CORRECT, Word.DUPLICATED)}).text


def test_a_cell_leads_to_its_order() -> None:
    grid = crashes(default=Word.CORRECT, as_drawn=Word.LOST)
    assert grid.order_id(9, "as-drawn") == "ws-as-drawn"
    with pytest.raises(LabError, match="Say which"):
        grid.order_id(8)


def test_the_full_crash_run_that_came_with_this_version_is_whole_and_as_predicted() -> None:
    results = Results.measured("crash")
    assert set(results.cells) == set(cells("crash"))
    assert results.surprises == []


def test_docs_matrix_is_written_from_the_results() -> None:
    assert (DOCS / "matrix.md").read_text("utf-8") == matrix_markdown(), "run: python -m orderlab.matrix.docs"
