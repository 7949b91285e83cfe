"""order_events over time, as SVG: one bar per step, from when it began to when it ended. Standard library only.

Where nothing happens for long, the axis is interrupted, and says for how long: else what took milliseconds could not
be seen beside an outage of seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from orderlab.drawing.beside import Row, common
from orderlab.drawing.colours import HOLLOW, LANES, LINE, MUTED, STROKES, UNDER, WELL
from orderlab.drawing.drawing import picture, sequence_text
from orderlab.drawing.marks import Mark
from orderlab.drawing.rows import Arrow, Band, Event, Firing, also, clock, observed
from orderlab.drawing.shapes import Layout, band_shape, breadth, ink, label, n
from orderlab.drawing.svg import heading, page
from orderlab.drawing.words import Words, words
from orderlab.sequence import Lane

_SHEET = Layout(width=848, first_lane=0, lane_gap=50, row=27, text=15, small=14)
_WORDS, _ONE, _SEVERAL, _EDGE = 306, 520, 350, 14
_LEAST = 5.0  # pixels: a bar is at least this wide, so that a step of microseconds shows
_BREAK = 46.0  # pixels: an interruption of the axis
_TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 60_000)


class Timeline:
    """The plot for a notebook, as SVG whose words are text, and its steps as text."""

    def __init__(self, events: Sequence[Event], title: str, firings: Sequence[Firing] = ()) -> None:
        runs = observed(events, words(), firings=firings)
        rows = [Row((row,)) for run in runs for row in run.rows]
        self.text = sequence_text(events, times=False, firings=firings)
        self.svg = timeline_svg([""], rows, title, words(), self.text)

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": picture(self.svg, self.text), "text/plain": self.text}


class Timelines(Timeline):
    """Plots of several orders, one column per order, with shared rows and one scale; and their steps as text."""

    def __init__(self, names: Sequence[str], rows: Sequence[Row], text: str) -> None:
        self.text = text
        self.svg = timeline_svg(names, rows, "", words(), text)


def timeline_svg(names: Sequence[str], rows: Sequence[Row], title: str, words: Words, description: str) -> str:
    """One column per order and one row per arrow; what differs between orders is tinted, what is missing says so."""
    arrows = [cell for row in rows for cell in row.cells if isinstance(cell, Arrow) and cell.begins is not None]
    wide = _ONE if len(names) == 1 else _SEVERAL
    axis = Axis.of(arrows, wide - 2 * _EDGE)
    width = _WORDS + (wide + 8) * len(names) + 12
    top = (44 if title else 12) + 30 + (26 if any(names) else 0)
    places = [_WORDS + (wide + 8) * at for at in range(len(names))]
    body, y = list[str](), top + 0.0
    for row in rows:
        if row.is_band:
            cells = zip(row.cells, places, strict=True)
            body += [band_shape(cell, y - 3, _SHEET, x, wide) for cell, x in cells if isinstance(cell, Band)]
            y += _SHEET.line + 12
            continue
        body.append(label(row.arrow.step.label, 40, y + 19, size=_SHEET.small, anchor="end", weight=700))
        lines = _SHEET.lines(common(row, words), _SHEET.text, _WORDS - 56)
        body += [label(line, 50, y + 19 + 18 * at, size=_SHEET.text) for at, line in enumerate(lines)]
        for cell, x in zip(row.cells, places, strict=True):
            body += _timed(_bar(cell, x, y, wide, axis, words)) if isinstance(cell, Arrow) else []
        y += _SHEET.row + 18 * (len(lines) - 1)
    grids = [shape for x in places for shape in _timed(axis.shapes(x + _EDGE, top, y))]
    legend = _legend(words, 44 if title else 12)
    heads = [label(name, x + _EDGE, top - 10, size=17, weight=700) for name, x in zip(names, places, strict=True)]
    below = label(words.since_the_first, places[0] + _EDGE, y + 42, size=_SHEET.small, fill=MUTED)
    sheet = Layout(width=width, first_lane=0, lane_gap=0, row=0, text=15, small=14)
    return page(width, y + 54, [*heading(title, sheet), *legend, *heads, *grids, *body, below], description)


@dataclass(frozen=True)
class Axis:
    """Where a time stands. `spells` are (first, last) in milliseconds, between which nothing is left out."""

    spells: tuple[tuple[float, float], ...]
    scale: float  # pixels per millisecond

    @classmethod
    def of(cls, arrows: Sequence[Arrow], wide: float) -> Axis:
        """An axis for these arrows, so many pixels wide."""
        times = sorted((_begins(arrow), _begins(arrow) + _lasts(arrow)) for arrow in arrows) or [(0.0, 1.0)]
        whole = max(last for _, last in times) - times[0][0]
        spells = [times[0]]
        for first, last in times[1:]:
            if first - spells[-1][1] > max(100.0, whole / 6):
                spells.append((first, last))
            else:
                spells[-1] = (spells[-1][0], max(spells[-1][1], last))
        shown = sum(last - first for first, last in spells) or 1.0
        return cls(tuple(spells), (wide - _BREAK * (len(spells) - 1)) * 0.94 / shown)

    def x(self, moment: float) -> float:
        """Pixels from the axis' beginning."""
        passed = 0.0
        for first, last in self.spells:
            if moment <= last:
                return passed + max(0.0, moment - first) * self.scale
            passed += (last - first) * self.scale + _BREAK
        return passed - _BREAK

    def shapes(self, x: float, top: float, bottom: float) -> Iterator[str]:
        """Its ticks and its interruptions."""
        tick = next((each for each in _TICKS if each * self.scale >= 62), _TICKS[-1])
        for at, (first, last) in enumerate(self.spells):
            for each in range(int(-(-first // tick)), int(last // tick) + 1):
                place = x + self.x(each * tick)
                yield f'<path d="M{n(place)} {n(top)}V{n(bottom + 4)}" stroke="{LINE}"/>'
                said = clock(each * tick / 1000).replace(".0 ms", " ms").replace(".000 s", " s")
                yield label(said, place, bottom + 20, size=_SHEET.small, anchor="middle", fill=MUTED)
            if at:
                place, gap = x + self.x(first) - _BREAK / 2, first - self.spells[at - 1][1]
                yield (
                    f'<path d="M{n(place - 4)} {n(top)}V{n(bottom)}M{n(place + 4)} {n(top)}V{n(bottom)}" '
                    f'stroke="{MUTED}" stroke-dasharray="2 4"/>'
                )
                yield label(f"+{clock(gap / 1000)}", place, top - 2, size=_SHEET.small, anchor="middle", fill=MUTED)


def _timed(shapes: Iterable[str]) -> list[str]:
    """Shapes that are elsewhere in each run, as a group that says so."""
    return [f'<g class="times">{"".join(shapes)}</g>']


def _bar(arrow: Arrow, x: float, y: float, wide: float, axis: Axis, words: Words) -> Iterator[str]:
    """One arrow's bar, with how it ended and how long it took."""
    if arrow.mark in UNDER or arrow.mark is Mark.MISSING:
        tint = UNDER[Mark.HARM if arrow.mark is Mark.MISSING else arrow.mark][0]
        yield f'<rect x="{n(x)}" y="{n(y + 1)}" width="{n(wide)}" height="{_SHEET.row - 2}" fill="{tint}"/>'
    remark = " · ".join(filter(None, (arrow.remark, also(arrow, words))))
    if arrow.begins is None:
        if remark:
            colour = UNDER[Mark.HARM][1] if arrow.mark is Mark.MISSING else MUTED
            yield label(remark, x + _EDGE, y + 19, size=_SHEET.small, fill=colour, italic=True)
        return
    begins = x + _EDGE + axis.x(_begins(arrow))
    long = max(_lasts(arrow) * axis.scale, _LEAST)
    stroke = HOLLOW.get(arrow.mark) or STROKES[arrow.outcome]
    colour = LANES[arrow.step.source]
    edge = "" if stroke is WELL else f' stroke="{stroke.colour}" stroke-width="2" stroke-dasharray="3 2"'
    hollow = "" if stroke is WELL else ' fill-opacity=".45"'
    yield (
        f'<rect data-step="{arrow.step.label}" x="{n(begins)}" y="{n(y + 6)}" width="{n(long)}" height="15" rx="2" '
        f'fill="{colour}"{hollow}{edge}/>'
    )
    took = clock(arrow.lasts or 0)
    right, left = x + wide - begins - long - 8, begins - x - 8
    fits = [
        (text, *place)
        for text in (" · ".join(filter(None, (remark, took))), remark)
        for room, place in ((right, (begins + long + 7, "start")), (left, (begins - 7, "end")))
        if text and breadth(text, _SHEET.small) <= room
    ]
    said, place, anchor = fits[0] if fits else (remark or took, x + 6, "start")
    colour = ink(arrow) if remark else MUTED
    yield label(said, place, y + 19, size=_SHEET.small, anchor=anchor, fill=colour, weight=600 if remark else 0)


def _legend(words: Words, y: float) -> Iterator[str]:
    """The colours of the lanes."""
    x = 14.0
    for lane in Lane:
        yield f'<rect x="{n(x)}" y="{n(y)}" width="14" height="14" rx="3" fill="{LANES[lane]}"/>'
        yield label(words.lanes[lane], x + 20, y + 12, size=_SHEET.small)
        x += 20 + breadth(words.lanes[lane], _SHEET.small) + 18


def _begins(arrow: Arrow) -> float:
    return (arrow.begins or 0) * 1000


def _lasts(arrow: Arrow) -> float:
    return (arrow.lasts or 0) * 1000
