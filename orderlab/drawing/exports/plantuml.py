"""A drawing as a PlantUML sequence diagram. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Sequence

from orderlab.drawing.exports.captions import caption, name
from orderlab.drawing.marks import Mark
from orderlab.drawing.rows import Arrow, Band, Run, notes
from orderlab.drawing.words import Words
from orderlab.sequence import Lane, Outcome

# Markup to PlantUML: letters that stand twice, tags, links, variables, line breaks, a list's star, its own escape.
_MARKUP = re.compile(r"""^[*#]|[*/_"-]{2,}|[~<>\[\]\\$%&'=|]""")


def plantuml(runs: Sequence[Run], words: Words, title: str = "") -> str:
    """The text from `@startuml` to `@enduml`: one message per arrow, one divider per band. It shows no times."""
    lines = ["@startuml"]
    if title:
        lines.append(f"title {_text(title)}")
    lines += [f'participant "{_text(words.lanes[lane])}" as {name(lane)}' for lane in Lane]
    for row in (row for run in runs for row in run.rows):
        lines.append(f"== {_text(row.text)} ==" if isinstance(row, Band) else _message(row, words))
    first, *_, last = Lane
    lines += [f"note over {name(first)}, {name(last)} : {_text(note)}" for note in notes(runs, words)]
    return "\n".join([*lines, "@enduml", ""])


def _message(arrow: Arrow, words: Words) -> str:
    line = "-->" if arrow.mark is Mark.MISSING else "->x" if arrow.outcome is Outcome.FAILED else "->"
    return f"{name(arrow.step.source)} {line} {name(arrow.step.target)} : {_text(caption(arrow, words))}"


def _text(text: str) -> str:
    return _MARKUP.sub(lambda found: "".join(f"<U+{ord(one):04X}>" for one in found[0]), " ".join(text.split()))
