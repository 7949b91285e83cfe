"""order_events as a plot: a bar a step, where it began and how long it took."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from orderlab.lab.drawing import sequence_text
from orderlab.lab.rows import Arrow, Event, clock, observed
from orderlab.lab.svg import STROKES
from orderlab.lab.words import ENGLISH
from orderlab.sequence import Lane, Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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


def _begins(arrow: Arrow) -> float:
    return (arrow.begins or 0) * 1000


def _lasts(arrow: Arrow) -> float:
    return (arrow.lasts or 0) * 1000
