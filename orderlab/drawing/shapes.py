"""What drawings are made of: lanes, arrows, badges, bands and lines of text, as SVG. Standard library only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape

from orderlab.drawing.colours import (
    BAND,
    HEAD,
    HOLLOW,
    LINE,
    MUTED,
    ON_COLOUR,
    ON_HEAD,
    PAPER,
    STROKES,
    UNDER,
    WORK,
    WORK_EDGE,
    Stroke,
)
from orderlab.drawing.marks import Mark
from orderlab.drawing.rows import Arrow, Band
from orderlab.drawing.words import Words
from orderlab.sequence import NOTIFY, VALIDATE_TOKEN, Lane, Outcome

# While a lane is at work between two arrows of a run, its line is a bar.
_AT_WORK = ((Lane.PORTAL, 1, 11), (Lane.ORDERS_API, 2, 3), (Lane.ORDERS_API, 4, 10), (Lane.WORKER, 12, 19))
LANE_ORDER = tuple(Lane)


@dataclass(frozen=True)
class Layout:
    """Sizes, in pixels. Without a column for words (`words` 0) each arrow's stand on a line of their own above it."""

    width: int
    first_lane: int
    lane_gap: int
    row: int
    text: float
    small: float
    words: int = 0  # the width of the column for words
    timed: int = 0  # the width of the column for times, left of it

    def x(self, lane: Lane) -> float:
        """Where a lane's line stands."""
        return self.first_lane + self.lane_gap * LANE_ORDER.index(lane)

    @property
    def lanes_from(self) -> float:
        """Where the lanes begin."""
        return self.first_lane - self.lane_gap / 2

    @property
    def line(self) -> float:
        """How far apart lines of small text stand."""
        return self.small + 4

    @property
    def head(self) -> float:
        """How high the lanes' heads are: two lines."""
        return 2 * self.small + 12 if self.words else self.small + 13

    def lines(self, text: str, size: float, wide: float = 0) -> list[str]:
        """A text in lines that fit into the column for words, or a given width."""
        room, lines = wide or self.words or self.width - 90, [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if lines[-1] and breadth(longer, size) > room:
                lines.append(word)
            else:
                lines[-1] = longer
        return lines


def ink(arrow: Arrow) -> str:
    """The colour of what is remarked of an arrow."""
    if arrow.mark in (Mark.ONLY_HERE, Mark.DIFFERS, Mark.HARM):
        return UNDER[arrow.mark][1]
    return stroke_of(arrow).colour


def stroke_of(arrow: Arrow) -> Stroke:
    """How an arrow is drawn."""
    stroke = HOLLOW.get(arrow.mark) or STROKES[arrow.outcome]
    return replace(stroke, width=3.4) if arrow.mark is Mark.LIT else stroke


def lane_shape(lane: Lane, speak: Words, top: float, bottom: float, layout: Layout) -> str:
    """A lane's line, and its head."""
    x, half = layout.x(lane), layout.lane_gap / 2 - 2
    names = speak.heads[lane] if layout.words else (speak.short_lanes[lane],)
    step = layout.small + 2
    first = top + layout.head / 2 + layout.small * 0.36 - step * (len(names) - 1) / 2
    return (
        f'<path d="M{n(x)} {n(top + layout.head)}V{n(bottom)}" stroke="{LINE}" stroke-dasharray="3 4"/>'
        f'<rect x="{n(x - half)}" y="{n(top)}" width="{n(half * 2)}" height="{n(layout.head)}" rx="6" fill="{HEAD}"/>'
        + "".join(
            label(name, x, first + step * at, size=layout.small, anchor="middle", fill=ON_HEAD, weight=600)
            for at, name in enumerate(names)
        )
    )


def work_shapes(arrows: Sequence[tuple[Arrow, float]], layout: Layout) -> Iterator[str]:
    """A bar on each line for as long as the run keeps that lane at work."""
    half = 3 if layout.lane_gap < 65 else 4.5
    for lane, first, last in _AT_WORK:
        ys = [
            y
            for arrow, y in arrows
            if arrow.mark not in (Mark.MISSING, Mark.ABSENT)
            if lane in (arrow.step.source, arrow.step.target) and first <= arrow.step.number <= last
            if not (arrow.relayed or (arrow.step.number == 18 and arrow.step.part))
        ]
        if len(ys) > 1:
            yield (
                f'<rect x="{n(layout.x(lane) - half)}" y="{n(ys[0] - 5)}" width="{n(half * 2)}" '
                f'height="{n(ys[-1] - ys[0] + 10)}" rx="2" fill="{WORK}" stroke="{WORK_EDGE}"/>'
            )


def under_shape(mark: Mark | None, x: float, y: float, width: float, high: float) -> str:
    """What sets a marked row off from the others."""
    colour, bar = UNDER[mark]
    return (
        f'<rect x="{n(x)}" y="{n(y)}" width="{n(width)}" height="{n(high)}" fill="{colour}"/>'
        f'<rect x="{n(x)}" y="{n(y)}" width="5" height="{n(high)}" fill="{bar}"/>'
    )


def arrow_shapes(arrow: Arrow, y: float, layout: Layout) -> Iterator[str]:
    """The line of an arrow with its head, and its number."""
    step, stroke = arrow.step, stroke_of(arrow)
    source, target = layout.x(step.source), layout.x(step.target)
    if step.source is step.target:
        yield _loop(source, y, stroke, layout)
    else:
        ways = (-3, 3) if step == NOTIFY and not arrow.relayed else (0,)  # 18 is two messages; the relay sends one
        yield from (_straight(source, target, y + way, stroke, open_head=step == VALIDATE_TOKEN) for way in ways)
        if arrow.outcome is Outcome.FAILED and arrow.mark not in HOLLOW:
            middle = (source + target) / 2
            cross = pen(replace(stroke, width=2.6, dash=""))
            yield f'<path d="M{n(middle - 5)} {n(y - 5)}l10 10m0 -10l-10 10" {cross}/>'
    yield _badge(step.label, source, y, stroke, layout)


def _straight(source: float, target: float, y: float, stroke: Stroke, open_head: bool) -> str:
    way = 1 if target > source else -1
    tip = target - way * 5.5
    back = tip - way * 9
    if open_head:  # 5: nothing arrives there, so it does not look like a message
        points = f"M{n(back)} {n(y - 5)}L{n(tip)} {n(y)}L{n(back)} {n(y + 5)}"
        head = f'<path d="{points}" fill="none" {pen(replace(stroke, dash=""))}/>'
        return f'<path d="M{n(source)} {n(y)}H{n(tip)}" {pen(replace(stroke, dash="1 4"))}/>{head}'
    head = f'<path d="M{n(tip)} {n(y)}L{n(back)} {n(y - 4.5)}V{n(y + 4.5)}Z" fill="{stroke.colour}"/>'
    return f'<path d="M{n(source)} {n(y)}H{n(back)}" {pen(stroke)}/>{head}'


def _loop(x: float, y: float, stroke: Stroke, layout: Layout) -> str:
    out, half = (34, 6) if layout.lane_gap < 65 else (42, 7)
    tip = x + 15  # beside the number
    return (
        f'<path d="M{n(x)} {n(y - half)}H{n(x + out - 6)}q6 0 6 {half}q0 {half} -6 {half}H{n(tip + 8)}" fill="none" '
        f'{pen(stroke)}/><path d="M{n(tip)} {n(y + half)}l9 -4.5v9Z" fill="{stroke.colour}"/>'
    )


def _badge(text: str, x: float, y: float, stroke: Stroke, layout: Layout) -> str:
    size = layout.small
    half, high = (size * 0.95 if len(text) < 3 else size * 1.25), size * 1.55
    hollow = stroke.name in ("missing", "unrecorded")
    fill, edge, colour = (PAPER, stroke.colour, MUTED) if hollow else (stroke.colour, PAPER, ON_COLOUR)
    return (
        f'<rect x="{n(x - half)}" y="{n(y - high / 2)}" width="{n(half * 2)}" height="{n(high)}" rx="{n(high / 2)}" '
        f'fill="{fill}" stroke="{edge}" stroke-width="1.5"/>'
        + label(text, x, y + size * 0.36, size=size, anchor="middle", fill=colour, weight=700)
    )


def band_height(band: Band, layout: Layout) -> float:
    """How high a band is, with the room around it."""
    return len(_band_lines(band, layout)) * layout.line + 16


def _band_lines(band: Band, layout: Layout) -> list[str]:
    return layout.lines(band.text, layout.small, layout.width - 24)


def band_shape(band: Band, y: float, layout: Layout, x: float = 1, width: float = 0) -> str:
    """A band over the whole width, or from `x` on."""
    if not band.text:
        return ""
    fill, colour = BAND[band.broken]
    wide = width or layout.width - 2
    lines = layout.lines(band.text, layout.small, wide - 16)
    high = len(lines) * layout.line + 8
    return f'<rect x="{n(x)}" y="{n(y + 4)}" width="{n(wide)}" height="{n(high)}" fill="{fill}"/>' + "".join(
        label(
            line,
            x + wide / 2,
            y + 4 + layout.line * (at + 1),
            size=layout.small,
            anchor="middle",
            fill=colour,
            weight=650,
        )
        for at, line in enumerate(lines)
    )


def breadth(text: str, size: float) -> float:
    """How wide a text is at most, with a wide font."""
    return sum(0.66 if c.isupper() or c == "_" else 0.34 if c in " .,:'il|" else 0.6 for c in text) * size


def label(
    text: str,
    x: float,
    y: float,
    *,
    size: float,
    anchor: str = "",
    fill: str = "",
    weight: int = 0,
    kind: str = "",
    italic: bool = False,
) -> str:
    """A line of text."""
    attributes = [f'x="{n(x)}" y="{n(y)}" font-size="{n(size)}"']
    attributes += [f'text-anchor="{anchor}"'] if anchor else []
    attributes += [f'fill="{fill}"'] if fill else []
    attributes += [f'font-weight="{weight}"'] if weight else []
    attributes += [f'class="{kind}"'] if kind else []
    attributes += ['font-style="italic"'] if italic else []
    return f"<text {' '.join(attributes)}>{escape(text, quote=False)}</text>"


def pen(stroke: Stroke) -> str:
    """The attributes of a line."""
    dash = f' stroke-dasharray="{stroke.dash}"' if stroke.dash else ""
    return f'stroke="{stroke.colour}" stroke-width="{n(stroke.width)}"{dash}'


def n(number: float) -> str:
    """A number without needless zeros."""
    return f"{number:.2f}".rstrip("0").rstrip(".")
