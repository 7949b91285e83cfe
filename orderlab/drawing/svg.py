"""The diagram as SVG, drawn by hand: lanes, arrows, badges, bands. Standard library only.

The same rows give the same bytes. Colours, fonts and sizes are attributes, not a style sheet, so that the drawing
looks the same inline, in an `<img>` and under a content security policy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

from orderlab.drawing.marks import Mark
from orderlab.drawing.rows import Arrow, Band, Run, also, clock, draws_5, starred
from orderlab.drawing.words import Words
from orderlab.sequence import NOTIFY, VALIDATE_TOKEN, Lane, Outcome

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"
_PAPER, _INK, _MUTED, _LINE, _HEAD = "#fdfdfb", "#1d2733", "#66717f", "#c8d0d9", "#22304a"


@dataclass(frozen=True)
class Stroke:
    """How an arrow looks for the way its step ended: never by colour alone."""

    colour: str
    dash: str = ""
    width: float = 1.8


_WELL, _LATER, _AGAIN = Stroke("#1f5fbf"), Stroke("#a15c00", "7 4"), Stroke("#6b3fb5", "2 3")
_REFUSED, _BROKEN = Stroke("#b3245c", "11 3 2 3"), Stroke("#c01818", "11 3 2 3")
STROKES = {
    Outcome.OK: _WELL,
    Outcome.DEFERRED: _LATER,
    Outcome.REDELIVERED: _AGAIN,
    Outcome.ALREADY_DONE: _AGAIN,
    Outcome.DUPLICATE: _AGAIN,
    Outcome.INVALID_TOKEN: _REFUSED,
    Outcome.CONFLICT: _REFUSED,
    Outcome.OUT_OF_STOCK: _REFUSED,
    Outcome.DECLINED: _REFUSED,
    Outcome.REJECTED: _REFUSED,
    Outcome.FAILED: _BROKEN,
}

_GHOST, _UNRECORDED = Stroke("#66717f", "2 5", 1.2), Stroke("#66717f")
_HOLLOW: Mapping[Mark | None, Stroke] = {Mark.MISSING: _GHOST, Mark.UNRECORDED: _UNRECORDED}

UNDER: Mapping[Mark | None, tuple[str, str]] = {
    Mark.LIT: ("#fff1b8", "#c98a00"),
    Mark.ONLY_HERE: ("#e3f4ec", "#18794e"),
    Mark.DIFFERS: ("#fbe9dc", "#b4540a"),
}
"""What lies under a marked arrow: a colour, and that of the bar at its left."""

BAND = {False: ("#efe9f9", "#5a2fa3"), True: ("#fde3e3", "#a31414")}
"""The tint and the ink of a band: something begins, or something broke off."""

# While a lane is at work between two arrows of a run, its line is a bar.
_AT_WORK = ((Lane.PORTAL, 1, 11), (Lane.ORDERS_API, 2, 3), (Lane.ORDERS_API, 4, 10), (Lane.WORKER, 12, 19))


@dataclass(frozen=True)
class Layout:
    """Sizes, in the drawing's own units. A compact drawing gives each arrow's words a line of their own."""

    width: int
    first_lane: int
    lane_gap: int
    row: int
    band: int
    head: int
    text: float
    small: float
    compact: bool = False

    def x(self, lane: Lane) -> float:
        """Where a lane's line stands."""
        return self.first_lane + self.lane_gap * _LANES.index(lane)


_LANES = tuple(Lane)
_LETTER = 7.2  # how wide a letter is, with a wide font
WIDE = Layout(width=1104, first_lane=156, lane_gap=172, row=35, band=30, head=30, text=12.5, small=11)
COMPACT = Layout(width=380, first_lane=37, lane_gap=61, row=44, band=30, head=24, text=13, small=11, compact=True)


def svg(runs: Sequence[Run], speak: Words, title: str, layout: Layout, description: str) -> str:
    """The drawing of these rows; `description` is what it says, for who can't see it."""
    title = re.sub(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", title)  # what XML can't hold
    top = 44 if title else 12
    y = top + layout.head + (6 if layout.compact else 8)
    body: list[str] = []
    for run in runs:
        ys: list[tuple[Arrow, float]] = []
        drawn: list[str] = []
        for row in run.rows:
            if isinstance(row, Band):
                drawn.append(_band(row, y, layout))
                y += layout.band
            else:
                y += layout.row
                ys.append((row, y - 8))
        drawn += [_under(*UNDER[arrow.mark], at, layout) for arrow, at in ys if arrow.mark in UNDER]
        body += drawn + _bars(ys, layout) + [_arrow(arrow, at, layout, speak) for arrow, at in ys]
    bottom = y + 12
    notes = _notes(runs, speak, bottom, layout)
    height = bottom + (16 * len(notes) + 8 if notes else 0)
    lanes = [_lane(lane, speak, top, bottom, layout) for lane in _LANES]
    size = min(17, (layout.width - 28) / (0.6 * len(title))) if title else 0  # a long title fits too
    heading = _label(title, 24 if not layout.compact else 14, 29, size=size, weight=650) if title else ""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {layout.width} {_n(height)}" '
            f'width="{layout.width}" height="{_n(height)}" role="img" font-family="{_FONT}" '
            f'font-size="{layout.text}" fill="{_INK}">',
            f"<desc>{escape(description, quote=False)}</desc>",
            f'<rect x=".5" y=".5" width="{layout.width - 1}" height="{_n(height - 1)}" rx="10" fill="{_PAPER}" '
            f'stroke="{_LINE}"/>',
            *filter(None, [heading]),
            *lanes,
            *body,
            *notes,
            "</svg>",
        ]
    )


def _lane(lane: Lane, speak: Words, top: float, bottom: float, layout: Layout) -> str:
    x = layout.x(lane)
    half = layout.lane_gap / 2 - (2 if layout.compact else 16)
    name = speak.short_lanes[lane] if layout.compact else speak.lanes[lane]
    size = 11 if layout.compact else layout.text
    return (
        f'<path d="M{_n(x)} {_n(top + layout.head)}V{_n(bottom)}" stroke="{_LINE}" stroke-dasharray="3 4"/>'
        f'<rect x="{_n(x - half)}" y="{top}" width="{_n(half * 2)}" height="{layout.head}" rx="6" fill="{_HEAD}"/>'
        + _label(name, x, top + layout.head / 2 + size * 0.36, size=size, anchor="middle", fill="#ffffff", weight=600)
    )


def _bars(arrows: Sequence[tuple[Arrow, float]], layout: Layout) -> list[str]:
    """A bar on each line for as long as the run keeps that lane at work."""
    half = 3 if layout.compact else 4.5
    bars = []
    for lane, first, last in _AT_WORK:
        ys = [
            y
            for arrow, y in arrows
            if arrow.mark not in (Mark.MISSING, Mark.ABSENT)
            if lane in (arrow.step.source, arrow.step.target) and first <= arrow.step.number <= last
            if not (arrow.step.number == 18 and arrow.step.part)
        ]
        if len(ys) > 1:
            bars.append(
                f'<rect x="{_n(layout.x(lane) - half)}" y="{_n(ys[0] - 5)}" width="{_n(half * 2)}" '
                f'height="{_n(ys[-1] - ys[0] + 10)}" rx="2" fill="#e6ecf5" stroke="#9fb0c8"/>'
            )
    return bars


def _under(colour: str, bar: str, y: float, layout: Layout) -> str:
    """What sets a marked row off from the others."""
    top, high = y - layout.row + 11, layout.row
    return (
        f'<rect x="1" y="{_n(top)}" width="{layout.width - 2}" height="{high}" fill="{colour}" fill-opacity=".8"/>'
        f'<rect x="1" y="{_n(top)}" width="5" height="{high}" fill="{bar}"/>'
    )


def _arrow(arrow: Arrow, y: float, layout: Layout, speak: Words) -> str:
    if arrow.mark is Mark.ABSENT:
        return ""
    step, stroke = arrow.step, _HOLLOW.get(arrow.mark, STROKES[arrow.outcome])
    if arrow.mark is Mark.LIT:
        stroke = replace(stroke, width=3)
    source, target = layout.x(step.source), layout.x(step.target)
    parts = []
    if step.source is step.target:
        parts.append(_loop(source, y, stroke, layout))
    else:
        ways = (-3, 3) if step == NOTIFY else (0,)  # 18 is two messages
        parts += [_straight(source, target, y + way, stroke, open_head=step == VALIDATE_TOKEN) for way in ways]
    parts += [_words(arrow, source, target, y, layout, speak), _badge(step.label, source, y, stroke)]
    if arrow.begins is not None:
        x, at = (layout.width - 10, y - 17) if layout.compact else (68, y + 4)
        parts.append(
            _label(clock(arrow.begins), x, at, size=layout.small, anchor="end", fill=_MUTED, kind="time", halo=True)
        )
    told = f'data-step="{step.label}"'
    told += f' data-outcome="{arrow.outcome}"' if arrow.mark not in _HOLLOW else ""
    told += f' data-mark="{arrow.mark.name.lower()}"' if arrow.mark else ""
    told += ' opacity=".4"' if arrow.mark is Mark.LATER else ""
    return f"<g {told}>{''.join(parts)}</g>"


def _straight(source: float, target: float, y: float, stroke: Stroke, open_head: bool) -> str:
    way = 1 if target > source else -1
    tip = target - way * 5.5
    back = tip - way * 9
    if open_head:  # 5: nothing arrives there, so it does not look like a message
        points = f"M{_n(back)} {_n(y - 5)}L{_n(tip)} {_n(y)}L{_n(back)} {_n(y + 5)}"
        head = f'<path d="{points}" fill="none" {_pen(stroke, dashed=False)}/>'
        return f'<path d="M{_n(source)} {_n(y)}H{_n(tip)}" {_pen(replace(stroke, dash="1 4"))}/>{head}'
    head = f'<path d="M{_n(tip)} {_n(y)}L{_n(back)} {_n(y - 4.5)}V{_n(y + 4.5)}Z" fill="{stroke.colour}"/>'
    return f'<path d="M{_n(source)} {_n(y)}H{_n(back)}" {_pen(stroke)}/>{head}'


def _loop(x: float, y: float, stroke: Stroke, layout: Layout) -> str:
    out, high = (30, 11) if layout.compact else (32, 14)
    tip = x + 5.5
    return (
        f'<path d="M{_n(x)} {_n(y - high)}H{_n(x + out - 6)}q6 0 6 6V{_n(y - 6)}q0 6 -6 6H{_n(tip + 8)}" fill="none" '
        f'{_pen(stroke)}/><path d="M{_n(tip)} {_n(y)}l9 -4.5v9Z" fill="{stroke.colour}"/>'
    )


def _words(arrow: Arrow, source: float, target: float, y: float, layout: Layout, speak: Words) -> str:
    text = escape(starred(arrow), quote=False)
    if arrow.remark:
        text += f'<tspan fill="{STROKES[arrow.outcome].colour}" font-weight="700"> · {escape(arrow.remark)}</tspan>'
    if mark := also(arrow, speak):
        text += f'<tspan font-weight="700"> · {escape(mark)}</tspan>'
    if arrow.mark is Mark.MISSING:
        text = f'<tspan fill="{_MUTED}" font-style="italic">{text}</tspan>'
    if layout.compact:
        return _label(text, 10, y - 17, size=layout.text, halo=True, markup=True)
    if source == target:
        return _label(text, source + 42, y - 3, size=layout.text, halo=True, markup=True)
    way = 1 if target > source else -1
    wide = _LETTER * (len(arrow.text) + len(arrow.remark) + len(mark))
    if wide > abs(target - source) - 30:  # long words begin beside the badge, and end on the paper
        x, anchor = source + way * 13, "start" if way > 0 else "end"
        if way > 0 and x + wide > layout.width:
            x, anchor = layout.width - 12, "end"
        return _label(text, x, y - 10, size=layout.text, anchor=anchor, halo=True, markup=True)
    middle = (source + target) / 2 + way * 6
    return _label(
        text, middle, y - (10 if arrow.step == NOTIFY else 8), size=layout.text, anchor="middle", halo=True, markup=True
    )


def _badge(label: str, x: float, y: float, stroke: Stroke) -> str:
    half = 10 if len(label) < 3 else 13
    fill, edge, ink = (
        (_PAPER, stroke.colour, _MUTED) if stroke in _HOLLOW.values() else (stroke.colour, _PAPER, "#ffffff")
    )
    return (
        f'<rect x="{_n(x - half)}" y="{_n(y - 9)}" width="{half * 2}" height="18" rx="9" fill="{fill}" '
        f'stroke="{edge}" stroke-width="1.5"/>'
        + _label(label, x, y + 3.9, size=11, anchor="middle", fill=ink, weight=700)
    )


def _band(band: Band, y: float, layout: Layout) -> str:
    if not band.text:
        return ""
    fill, ink = BAND[band.broken]
    return f'<rect x="1" y="{_n(y + 8)}" width="{layout.width - 2}" height="22" fill="{fill}"/>' + _label(
        band.text, layout.width / 2, y + 23, size=12, anchor="middle", fill=ink, weight=650
    )


def _notes(runs: Sequence[Run], speak: Words, y: float, layout: Layout) -> list[str]:
    """What has to be said of an arrow that is drawn: the note on 5, in lines that fit."""
    if not draws_5(runs):
        return []
    most = int((layout.width - 40) / (layout.small * 0.5))
    lines = [""]
    for word in f"* {speak.note_on_5}".split():
        if len(lines[-1]) + len(word) > most:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    x = 10 if layout.compact else 24
    return [_label(line, x, y + 10 + 16 * n, size=layout.small, fill=_MUTED) for n, line in enumerate(lines)]


def _label(
    text: str,
    x: float,
    y: float,
    *,
    size: float,
    anchor: str = "",
    fill: str = "",
    weight: int = 0,
    kind: str = "",
    halo: bool = False,
    markup: bool = False,
) -> str:
    attributes = [f'x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}"']
    attributes += [f'text-anchor="{anchor}"'] if anchor else []
    attributes += [f'fill="{fill}"'] if fill else []
    attributes += [f'font-weight="{weight}"'] if weight else []
    attributes += [f'class="{kind}"'] if kind else []
    attributes += [f'paint-order="stroke" stroke="{_PAPER}" stroke-width="4" stroke-linejoin="round"'] if halo else []
    return f"<text {' '.join(attributes)}>{text if markup else escape(text, quote=False)}</text>"


def _pen(stroke: Stroke, dashed: bool = True) -> str:
    dash = f' stroke-dasharray="{stroke.dash}"' if dashed and stroke.dash else ""
    return f'stroke="{stroke.colour}" stroke-width="{_n(stroke.width)}"{dash}'


def _n(number: float) -> str:
    """A number without needless zeros."""
    return f"{number:.2f}".rstrip("0").rstrip(".")
