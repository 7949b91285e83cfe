"""The diagram as SVG, drawn by hand: one row per arrow, bands, a legend and notes. Standard library only.

The same rows give the same bytes. An arrow's words stand beside the lanes, or on a line of their own above it where
the drawing is narrow: no word lies across a lane's line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

from orderlab.drawing.colours import (
    FONT,
    GHOST,
    HOLLOW,
    INK,
    LINE,
    MUTED,
    PAPER,
    STROKES,
    STYLE,
    UNDER,
    UNRECORDED,
    WELL,
    style,
)
from orderlab.drawing.marks import Mark
from orderlab.drawing.rows import Arrow, Band, Run, also, clock, notes, starred
from orderlab.drawing.shapes import (
    Layout,
    arrow_shapes,
    band_height,
    band_shape,
    breadth,
    ink,
    label,
    lane_shape,
    n,
    pen,
    stroke_of,
    under_shape,
    work_shapes,
)
from orderlab.drawing.words import Words
from orderlab.sequence import Lane

WIDE = Layout(width=846, first_lane=415, lane_gap=78, row=33, text=17, small=14, words=278, timed=84)
COMPACT = Layout(width=380, first_lane=37, lane_gap=61, row=26, text=15, small=11.5)


def svg(runs: Sequence[Run], speak: Words, title: str, layout: Layout, description: str, scale: float = 1) -> str:
    """The drawing of these rows; `description` is what it says, for who can't see it. `scale` is how large it is."""
    top = 44 if title else 12
    y = top + layout.head + 8
    body: list[str] = []
    for run in runs:
        drawn: list[str] = []
        ys: list[tuple[Arrow, float]] = []
        for row in run.rows:
            if isinstance(row, Band):
                drawn.append(band_shape(row, y, layout))
                y += band_height(row, layout)
                continue
            high = _height(row, layout, speak)
            if row.mark in UNDER:
                body.append(under_shape(row.mark, 1, y, layout.width - 2, high))
            ys.append((row, y + (layout.row / 2 if layout.words else high - 11)))
            drawn.append(_row(row, y, ys[-1][1], layout, speak))
            y += high
        body += [*work_shapes(ys, layout), *drawn]
    bottom = y + 8
    lanes = [lane_shape(lane, speak, top, bottom, layout) for lane in Lane]
    foot, high = foot_shapes(runs, speak, bottom, layout)
    return page(layout.width, bottom + high, [*heading(title, layout), *lanes, *body, *foot], description, scale)


def page(
    width: float,
    height: float,
    body: Iterable[str],
    description: str,
    scale: float = 1,
    dark: Mapping[str, str] | None = None,
) -> str:
    """A whole drawing: a sheet of paper with this on it. `dark` says what becomes of colours of its own."""
    size = f'width="{n(width * scale)}" height="{n(height * scale)}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {n(width)} {n(height)}" {size} role="img" '
            f'font-family="{FONT}" fill="{INK}">',
            f"<desc>{escape(description, quote=False)}</desc>",
            f"<style>{style(dark) if dark else STYLE}</style>",
            f'<rect x=".5" y=".5" width="{n(width - 1)}" height="{n(height - 1)}" rx="10" fill="{PAPER}" '
            f'stroke="{LINE}"/>',
            *body,
            "</svg>",
        ]
    )


def _height(arrow: Arrow, layout: Layout, speak: Words) -> float:
    """How high an arrow's row is: its words, and what is remarked, take lines."""
    label, remarks = _lines(arrow, layout, speak)
    said = (len(label) - (1 if layout.words else 0)) * (layout.text + 4) + len(remarks) * layout.line
    return layout.row + said + (6 if remarks else 0)


def _lines(arrow: Arrow, layout: Layout, speak: Words) -> tuple[list[str], list[str]]:
    """What stands beside an arrow: its words, and what is to be remarked."""
    remark = " · ".join(filter(None, (arrow.remark, also(arrow, speak))))
    return layout.lines(starred(arrow), layout.text), layout.lines(remark, layout.small) if remark else []


def _row(arrow: Arrow, y: float, at: float, layout: Layout, speak: Words) -> str:
    """An arrow with its words and its time; `at` is where its line runs."""
    if arrow.mark is Mark.ABSENT:
        return ""
    shapes = [*_said(arrow, y, layout, speak), *arrow_shapes(arrow, at, layout)]
    if arrow.begins is not None:
        x, down = (layout.timed, at + layout.small * 0.36) if layout.words else (layout.width - 12, y + layout.text)
        shapes.append(label(clock(arrow.begins), x, down, size=layout.small, anchor="end", fill=MUTED, kind="time"))
    told = f'data-step="{arrow.step.label}"'
    told += f' data-outcome="{arrow.outcome}"' if arrow.mark not in HOLLOW else ""
    told += f' data-mark="{arrow.mark.name.lower()}"' if arrow.mark else ""
    told += ' opacity=".45"' if arrow.mark is Mark.LATER else ""
    return f"<g {told}>{''.join(shapes)}</g>"


def _said(arrow: Arrow, y: float, layout: Layout, speak: Words) -> Iterator[str]:
    """An arrow's words, and what is to be remarked of it."""
    words, remarks = _lines(arrow, layout, speak)
    x = layout.timed + 12 if layout.words else 12
    at = y + (layout.row / 2 + layout.text * 0.36 if layout.words else layout.text)
    if not layout.words:  # the lanes' lines are interrupted for them
        high = len(words) * (layout.text + 4) + len(remarks) * layout.line
        ground = UNDER[arrow.mark][0] if arrow.mark in UNDER else PAPER
        yield f'<rect x="8" y="{n(y)}" width="{layout.width - 16}" height="{n(high)}" fill="{ground}"/>'
    for line in words:
        muted = arrow.mark is Mark.MISSING
        yield label(line, x, at, size=layout.text, fill=MUTED if muted else "", italic=muted)
        at += layout.text + 4
    for line in remarks:
        yield label(line, x, at - 2, size=layout.small, fill=ink(arrow), weight=700)
        at += layout.line


def heading(title: str, layout: Layout) -> list[str]:
    """The title, as large as it fits; without what XML can't hold."""
    title = re.sub(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", title)
    if not title:
        return []
    size = min(19, (layout.width - 28) / breadth(title, 1))
    return [label(title, 12, 29, size=size, weight=650)]


def foot_shapes(
    runs: Sequence[Run], speak: Words, y: float, layout: Layout, timed: bool = True
) -> tuple[list[str], float]:
    """Below the arrows: the legend, where there is something to tell apart, and notes; and how high that is."""
    shapes, high = _legend(runs, speak, y + 8, layout)
    size = layout.small
    for note in dict.fromkeys(notes(runs, speak, timed)):
        for line in layout.lines(note, size, layout.width - 24):
            high += size + 4.5
            shapes.append(label(line, 12, y + high, size=size, fill=MUTED))
    return shapes, high + (12 if high else 4)


def _legend(runs: Sequence[Run], speak: Words, y: float, layout: Layout) -> tuple[list[str], float]:
    """What the lines mean that are drawn here; nothing where all are alike."""
    strokes = {stroke_of(arrow).name for run in runs for arrow in run.arrows if arrow.mark is not Mark.ABSENT}
    known = [stroke for stroke in (WELL, *dict.fromkeys(STROKES.values()), GHOST, UNRECORDED) if stroke.name in strokes]
    known = list(dict.fromkeys(known))
    if len(known) < 2:
        return [], 0
    shapes, x, size, top = list[str](), 12.0, layout.small, y
    for stroke in known:
        text = speak.legend[stroke.name]
        wide = 46 + breadth(text, size) + 18
        if x + wide > layout.width and x > 12:
            x, y = 12.0, y + size + 8
        line = f'<path d="M{n(x)} {n(y + 6)}H{n(x + 38)}" {pen(stroke)}/>'
        hollow = f'<rect x="{n(x)}" y="{n(y)}" width="16" height="12" rx="6" fill="{PAPER}" stroke="{stroke.colour}"/>'
        shapes.append(f'<g data-legend="{stroke.name}">{line}{hollow if stroke.name == "unrecorded" else ""}')
        shapes[-1] += label(text, x + 46, y + 6 + size * 0.36, size=size, fill=INK) + "</g>"
        x += wide
    return shapes, y - top + size + 10
