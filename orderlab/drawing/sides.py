"""Several orders side by side as SVG: the arrows' words once, and lanes for each order. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from orderlab.drawing.beside import Row, Side, column, common
from orderlab.drawing.colours import BAND, INK, MUTED, PAPER, UNDER
from orderlab.drawing.marks import Mark
from orderlab.drawing.rows import Arrow, Band, also
from orderlab.drawing.shapes import (
    Layout,
    arrow_shapes,
    band_shape,
    breadth,
    ink,
    label,
    lane_shape,
    n,
    under_shape,
)
from orderlab.drawing.svg import foot_shapes, page
from orderlab.drawing.words import Words
from orderlab.language import _
from orderlab.sequence import Lane

SIDE = Layout(width=848, first_lane=0, lane_gap=60, row=32, text=16, small=14)
"""Of each order's lanes; their place is reckoned from the column's."""

_WORDS, _COLUMN, _GAP = 236, 360, 8
_LEAST = 3  # rows alike that are worth folding
Shown = Row | list[Row]
"""A row, or rows that are folded into one."""


def side_by_side_svg(sides: Sequence[Side], rows: Sequence[Row], words: Words, description: str) -> str:
    """One drawing with shared rows; rows that are the same on all sides are folded, unless all are."""
    top = 66.0
    places = [_WORDS + (_COLUMN + _GAP) * at for at in range(len(sides))]
    layouts = [replace(SIDE, first_lane=int(x + SIDE.lane_gap / 2)) for x in places]
    shown = folded(rows)
    body, y = list[str](), top + SIDE.small + 13 + 8
    for each in shown:
        shapes, high = _folded(each, y, words) if isinstance(each, list) else _row(each, y, layouts, places, words)
        body += shapes
        y += high
    bottom = y + 6
    lanes = [lane_shape(lane, words, top, bottom, layout) for layout in layouts for lane in Lane]
    whole = replace(SIDE, width=int(places[-1] + _COLUMN + _GAP))
    drawn = [run for at in range(len(sides)) for run in column(rows, at)]
    foot, high = foot_shapes(drawn, words, bottom, whole, timed=False)
    heads = [shape for side, x in zip(sides, places, strict=True) for shape in _head(side, x)]
    return page(whole.width, bottom + high, [*heads, *lanes, *body, *foot], description)


def folded(rows: Sequence[Row]) -> list[Shown]:
    """The rows, with those that are alike put together where there are some of them; all of them, if all are alike."""
    if all(row.alike for row in rows):
        return list(rows)
    shown: list[Shown] = []
    alike: list[Row] = []
    for row in [*rows, None]:
        if row is not None and row.alike:
            alike.append(row)
            continue
        shown += [alike] if len(alike) >= _LEAST else alike
        alike = []
        shown += [row] if row is not None else []
    return shown


def _head(side: Side, x: float) -> Iterator[str]:
    """The side's name, and what it came to, in red where that is not as it should be."""
    yield label(side.name, x + 4, 26, size=18, weight=700)
    wrong = side.results.get("verdict", "correct") != "correct"
    tint, colour = BAND[wrong] if wrong else UNDER[Mark.ONLY_HERE]
    text = " · ".join(_(result) for result in reversed(list(side.results.values())))
    if text:
        size = min(14.0, (_COLUMN - 20) / breadth(text, 1))
        yield f'<rect x="{n(x + 2)}" y="36" width="{_COLUMN - 6}" height="23" rx="5" fill="{tint}"/>'
        yield label(text, x + _COLUMN / 2, 52, size=size, anchor="middle", fill=colour, weight=700)


def _folded(rows: Sequence[Row], y: float, words: Words) -> tuple[list[str], float]:
    first, last = rows[0].arrow.step.label, rows[-1].arrow.step.label
    text = words.same.format(first=first, last=last)
    return [label(text, 12, y + 18, size=SIDE.small, fill=MUTED, italic=True)], 28


def _row(
    row: Row, y: float, layouts: Sequence[Layout], places: Sequence[float], words: Words
) -> tuple[list[str], float]:
    """The shapes of a row, and how high it is."""
    if row.is_band:
        shapes = [
            f'<g data-side="{at}">{band_shape(cell, y, SIDE, x, _COLUMN)}</g>'
            for at, (cell, x) in enumerate(zip(row.cells, places, strict=True))
            if isinstance(cell, Band)
        ]
        lines = [SIDE.lines(cell.text, SIDE.small, _COLUMN - 16) for cell in row.cells if isinstance(cell, Band)]
        return shapes, max(map(len, lines)) * SIDE.line + 14
    said = SIDE.lines(f"{row.arrow.step.label}  {common(row, words)}", SIDE.text, _WORDS - 20)
    remarks: list[list[str]] = [_remark(cell, words) if isinstance(cell, Arrow) else [] for cell in row.cells]
    high = max(SIDE.row + (SIDE.text + 4) * (len(said) - 1), SIDE.row + SIDE.line * max(map(len, remarks)))
    shapes = [
        label(line, 12, y + SIDE.row / 2 + SIDE.text * 0.36 + (SIDE.text + 4) * at, size=SIDE.text)
        for at, line in enumerate(said)
    ]
    for at, (cell, below, layout, x) in enumerate(zip(row.cells, remarks, layouts, places, strict=True)):
        if isinstance(cell, Arrow) and cell.mark is not Mark.ABSENT:
            shapes.append(f'<g data-side="{at}">{_cell(cell, below, y, high, layout, x)}</g>')
    return shapes, high


def _remark(cell: Arrow, words: Words) -> list[str]:
    text = " · ".join(filter(None, (cell.remark, also(cell, words))))
    return SIDE.lines(text, SIDE.small, _COLUMN - 24) if text else []


def _cell(cell: Arrow, lines: Sequence[str], y: float, high: float, layout: Layout, x: float) -> str:
    """One side's arrow in a row. What is remarked stands below it, where the lanes' lines are interrupted."""
    missing = cell.mark is Mark.MISSING
    mark = Mark.HARM if missing else cell.mark  # what never came is harm as well
    shapes = [under_shape(mark, x, y, _COLUMN, high)] if mark in UNDER else []
    if lines and mark not in UNDER:
        ground = f'y="{n(y + SIDE.row - 3)}" width="{_COLUMN - 40}" height="{n(SIDE.line * len(lines))}"'
        shapes.append(f'<rect x="{n(x + 20)}" {ground} fill="{PAPER}"/>')
    shapes += arrow_shapes(cell, y + SIDE.row / 2, layout)
    colour = UNDER[Mark.HARM][1] if missing else INK if cell.mark is Mark.ONLY_HERE else ink(cell)
    shapes += [
        label(
            line,
            x + _COLUMN / 2,
            y + SIDE.row + SIDE.small - 4 + SIDE.line * at,
            size=SIDE.small,
            anchor="middle",
            fill=colour,
            weight=700,
        )
        for at, line in enumerate(lines)
    ]
    told = f'data-step="{cell.step.label}"' + (f' data-mark="{cell.mark.name.lower()}"' if cell.mark else "")
    return f"<g {told}>{''.join(shapes)}</g>"
