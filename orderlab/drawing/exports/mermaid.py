"""A drawing as a Mermaid sequence diagram. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence

from orderlab.drawing.exports.captions import caption, name
from orderlab.drawing.marks import Mark
from orderlab.drawing.rows import Arrow, Band, Run, notes
from orderlab.drawing.words import Words
from orderlab.sequence import Lane, Outcome

# What has a meaning of its own to Mermaid, or to the HTML that it makes, as its numbered entities.
_ENTITIES = {ord(character): f"#{ord(character)};" for character in "#;<>&%\\"}


def mermaid(runs: Sequence[Run], words: Words, title: str = "") -> str:
    """The text of a `sequenceDiagram`: one message per arrow, one note per band. Mermaid has no times to show."""
    lines = ["sequenceDiagram"]
    if title:
        lines.append(f"title {_text(title)}")
    lines += [f"participant {name(lane)} as {_text(words.lanes[lane])}" for lane in Lane]
    for row in (row for run in runs for row in run.rows):
        lines.append(_note(row.text) if isinstance(row, Band) else _message(row, words))
    lines += [_note(note) for note in notes(runs, words)]
    return "\n    ".join(lines) + "\n"


def _message(arrow: Arrow, words: Words) -> str:
    line = "-->>" if arrow.mark is Mark.MISSING else "-x" if arrow.outcome is Outcome.FAILED else "->>"
    return f"{name(arrow.step.source)}{line}{name(arrow.step.target)}: {_text(caption(arrow, words))}"


def _note(text: str) -> str:
    first, *_, last = Lane
    return f"Note over {name(first)},{name(last)}: {_text(text)}"


def _text(text: str) -> str:
    return " ".join(text.split()).translate(_ENTITIES)
