"""order_events as a plot: a bar a step, where it began and how long it took."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from orderlab.drawing.drawing import sequence_text
from orderlab.drawing.marks import Mark
from orderlab.drawing.rows import Arrow, Band, Event, also, clock, observed
from orderlab.drawing.svg import BAND, STROKES, UNDER
from orderlab.drawing.words import ENGLISH
from orderlab.sequence import Lane, Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from orderlab.drawing.beside import Row

_COLOURS = {
    Lane.USER: "#7c8794",
    Lane.PORTAL: "#12908a",
    Lane.ORDERS_API: "#1f5fbf",
    Lane.RABBITMQ: "#d9730d",
    Lane.WORKER: "#7a3fb5",
    Lane.POSTGRESQL: "#3c7a1f",
}
_SEEN = 0.004  # of the width: a bar is at least this long, so that a step of microseconds shows


class Timeline:
    """The plot for a notebook, with its steps as text. `figure` is matplotlib's, to be saved or changed."""

    def __init__(self, events: Sequence[Event], title: str) -> None:
        self.figure = plot(events, title)
        self.text = sequence_text(events, times=False)

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        file = BytesIO()
        self.figure.savefig(file, format="png")
        return {"image/png": base64.b64encode(file.getvalue()).decode(), "text/plain": self.text}


def plot(events: Sequence[Event], title: str) -> Figure:
    """One row a step in reading order, time to the right in milliseconds since the first began.

    A bar has the colour of the lane that the arrow starts in. Steps that ended otherwise than ok are hatched and say
    how; a line sets off each further run, such as a redelivery.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    runs = observed(events, ENGLISH)
    arrows = [arrow for run in runs for arrow in run.arrows]
    whole = max((_begins(arrow) + _lasts(arrow) for arrow in arrows), default=0) or 1.0
    figure = Figure(figsize=(10, 1.5 + 0.25 * max(len(arrows), 4)), dpi=100)
    axes = figure.add_axes((0.27, 0.55 / figure.get_figheight(), 0.7, 1 - 1.45 / figure.get_figheight()))
    for row, arrow in enumerate(arrows):
        length = max(_lasts(arrow), whole * _SEEN)
        hatch = None if arrow.outcome is Outcome.OK else "////"
        colour = _COLOURS[arrow.step.source]
        axes.barh(row, length, left=_begins(arrow), height=0.66, color=colour, hatch=hatch, edgecolor="white")
        said = " · ".join(filter(None, (arrow.remark, clock(arrow.lasts or 0))))
        axes.annotate(
            said,
            (_begins(arrow) + length, row),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
            color=STROKES[arrow.outcome].colour if arrow.remark else "#66717f",
        )
        for x, text, align in ((-0.345, arrow.step.label, "right"), (-0.33, arrow.text, "left")):
            axes.text(x, row, text, transform=axes.get_yaxis_transform(), ha=align, va="center", fontsize=9)
    row = 0
    for run in runs:
        if run.band and row:
            axes.axhline(row - 0.5, color="#6b3fb5", linewidth=1, linestyle="--")
        row += len(run.arrows)
    axes.set_yticks([])
    axes.set_ylim(len(arrows) - 0.4, -0.6)
    axes.set_xlim(-whole * 0.01, whole * 1.15)
    axes.set_xlabel("milliseconds since the first step began", fontsize=9)
    axes.tick_params(labelsize=9)
    axes.grid(axis="x", color="#e3e7ec")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    above = 1 - 0.22 / figure.get_figheight()
    figure.text(0.012, above, title, fontsize=12, fontweight="bold", va="center")
    patches = [Patch(color=colour, label=ENGLISH.lanes[lane]) for lane, colour in _COLOURS.items()]
    figure.legend(
        handles=patches,
        loc="center left",
        bbox_to_anchor=(0.26, above - 0.3 / figure.get_figheight()),
        ncols=6,
        frameon=False,
        fontsize=8.5,
        handlelength=1,
        columnspacing=1.4,
    )
    return figure


class Timelines:
    """Plots of several orders, a column each, with shared rows and one scale; and their steps as text."""

    def __init__(self, names: Sequence[str], rows: Sequence[Row], text: str) -> None:
        self.figure = plot_beside(names, rows)
        self.text = text

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    _repr_mimebundle_ = Timeline._repr_mimebundle_


def plot_beside(names: Sequence[str], rows: Sequence[Row]) -> Figure:
    """A column an order, a row an arrow. Where one has what the others have not, or otherwise, its row is tinted and
    says so; what is missing is said in its place.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 + 3.6 * len(names), 1.2 + 0.25 * max(len(rows), 4)), dpi=100)
    every = [cell for row in rows for cell in row.cells if isinstance(cell, Arrow)]
    whole = max((_begins(arrow) + _lasts(arrow) for arrow in every), default=0) or 1.0
    left = 2.9 / figure.get_figwidth()
    wide = (1 - left - 0.01) / len(names)
    foot, head = 0.55 / figure.get_figheight(), 0.4 / figure.get_figheight()
    for n, name in enumerate(names):
        axes = figure.add_axes((left + n * wide, foot, wide - 0.012, 1 - foot - head))
        for at, row in enumerate(rows):
            match row.cells[n]:
                case Band() as band:
                    tint, ink = BAND[band.broken]
                    axes.axhspan(at - 0.4, at + 0.4, color=tint)
                    axes.text(whole * 0.65, at, band.text, fontsize=8, ha="center", va="center", color=ink)
                case Arrow() as arrow:
                    _bar(axes, at, arrow, whole)
            if n == 0 and not row.is_band:
                some = next(each for each in row.cells if isinstance(each, Arrow))
                for x, text in ((-0.09, some.text), (-0.02, some.step.label)):
                    axes.text(x, at, text, transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=9)
        axes.set_title(name, fontsize=11, fontweight="bold", loc="left")
        axes.set_yticks([])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(-whole * 0.01, whole * 1.3)
        axes.set_xlabel("milliseconds since its first step began", fontsize=9)
        axes.tick_params(labelsize=9)
        axes.grid(axis="x", color="#e3e7ec")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _bar(axes: Axes, at: float, arrow: Arrow, whole: float) -> None:
    """One arrow of `plot_beside`."""
    said = " · ".join(filter(None, (arrow.remark, also(arrow, ENGLISH))))
    if arrow.mark in (Mark.ONLY_HERE, Mark.DIFFERS):
        axes.axhspan(at - 0.5, at + 0.5, color=UNDER[arrow.mark][0], zorder=0)
    if arrow.begins is None:
        axes.text(whole * 0.01, at, said, fontsize=7.5, style="italic", va="center", color="#66717f")
        return
    length = max(_lasts(arrow), whole * _SEEN * 3)  # the columns are narrow
    hatch = None if arrow.outcome is Outcome.OK else "////"
    axes.barh(at, length, left=_begins(arrow), height=0.66, color=_COLOURS[arrow.step.source], hatch=hatch, linewidth=0)
    late = _begins(arrow) + length > whole * 0.8
    place, way, align = (_begins(arrow), -4, "right") if late else (_begins(arrow) + length, 4, "left")
    axes.annotate(said, (place, at), (way, 0), textcoords="offset points", ha=align, va="center", fontsize=7.5)


def _begins(arrow: Arrow) -> float:
    return (arrow.begins or 0) * 1000


def _lasts(arrow: Arrow) -> float:
    return (arrow.lasts or 0) * 1000
