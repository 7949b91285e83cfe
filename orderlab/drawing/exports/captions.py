"""What the exported drawings share: names of lanes, and what stands over an arrow. Standard library only."""

from __future__ import annotations

from orderlab.drawing.rows import Arrow, also, starred
from orderlab.drawing.words import Words
from orderlab.sequence import Lane


def name(lane: Lane) -> str:
    """The lane's name where a hyphen would be read as part of an arrow."""
    return lane.replace("-", "_")


def caption(arrow: Arrow, words: Words) -> str:
    """Number, text, how it ended where that is not ok, and its mark: `12 Consume message [redelivered]`."""
    text = f"{arrow.step.label} {starred(arrow)}"
    if arrow.remark:
        text += f" [{arrow.remark}]"
    mark = also(arrow, words)
    return f"{text} ◀ {mark}" if mark else text
