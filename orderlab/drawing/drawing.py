"""The sequence diagram, as SVG and as text: one line per arrow. Standard library only."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import replace
from html import escape
from typing import Any

from orderlab.drawing.exports.mermaid import mermaid
from orderlab.drawing.exports.plantuml import plantuml
from orderlab.drawing.marks import Mark
from orderlab.drawing.rows import (
    Arrow,
    Band,
    Event,
    Firing,
    Run,
    also,
    clock,
    expected,
    haunted,
    notes,
    observed,
    only_crash,
    only_lit,
    starred,
)
from orderlab.drawing.shapes import Layout
from orderlab.drawing.svg import COMPACT, WIDE, svg
from orderlab.drawing.words import Words, words
from orderlab.sequence import find_step


def sequence_svg(
    events: Iterable[Event],
    *,
    language: str | None = None,
    title: str = "",
    compact: bool = False,
    lit: int | None = None,
    missing: Iterable[int | str] = (),
    firings: Sequence[Firing] = (),
    large: bool = False,
) -> str:
    """What happened, as SVG. `events` in reading order; `compact` for a narrow screen, `large` for a room; `language`
    "en" or "es", None for the one that is
    spoken.

    `lit` is the index of the event to highlight (-1: the last), those after it are dimmed; `missing` are the steps
    (numbers, labels or names) to draw as ghosts. `firings` are the faults that have hit the order, as the API gives
    them. Raises `IndexError` or `KeyError` where there is no such step.
    """
    speak = words(language)
    runs = haunted(observed(events, speak, lit, firings), speak, missing)
    return _draw(runs, speak, title, COMPACT if compact else WIDE, LARGE if large else 1)


def expected_svg(*, language: str | None = None, title: str = "", compact: bool = False) -> str:
    """The diagram as drawn, before anything has run, as SVG."""
    speak = words(language)
    layout = COMPACT if compact else replace(WIDE, width=WIDE.width - 72, first_lane=WIDE.first_lane - 72, timed=12)
    return _draw(expected(speak), speak, title, layout)


def sequence_text(
    events: Iterable[Event],
    *,
    language: str | None = None,
    times: bool = True,
    lit: int | None = None,
    missing: Iterable[int | str] = (),
    firings: Sequence[Firing] = (),
) -> str:
    """What happened, one line per arrow; without `times` the same run reads the same every time.

    `lit`, `missing` and `firings` are as for `sequence_svg`; the line says so at its end, and a ghost's arrow is a
    dashed one.
    """
    speak = words(language)
    return _text(haunted(observed(events, speak, lit, firings), speak, missing), speak, times)


def expected_text(*, language: str | None = None) -> str:
    """The diagram as drawn, one line per arrow."""
    return _text(expected(words(language)), words(language), times=False)


LARGE = 1.6
"""How much larger a drawing for a room is."""


class Drawing:
    """A sequence diagram for a notebook: a picture that also shows where the notebook is not trusted, and its text."""

    def __init__(self, svg: str, text: str, runs: Sequence[Run], words: Words, title: str = "") -> None:
        self.svg = svg
        self.text = text
        self._runs, self._words, self._title = runs, words, title

    @classmethod
    def of(
        cls,
        events: Sequence[Event],
        *,
        title: str = "",
        language: str | None = None,
        lit: int | None = None,
        missing: Sequence[int | str] = (),
        firings: Sequence[Firing] = (),
        new: int = 1,
    ) -> Drawing:
        """What happened; the text leaves the times out, so that the same run reads the same. See `sequence_svg`."""
        speak = words(language)
        runs = haunted(observed(events, speak, lit, firings, new), speak, missing)
        return cls.of_runs(runs, speak, title)

    @classmethod
    def expected(cls, *, language: str | None = None) -> Drawing:
        """The diagram as drawn."""
        speak = words(language)
        return cls(expected_svg(language=language), expected_text(language=language), expected(speak), speak)

    @classmethod
    def to_come(cls, step: int | str, *, title: str = "", language: str | None = None) -> Drawing:
        """One arrow that has not happened yet."""
        speak, arrow = words(language), find_step(step)
        return cls.of_runs((Run((Arrow(arrow, speak.says(arrow), mark=Mark.LATER),)),), speak, title)

    @classmethod
    def of_runs(cls, runs: Sequence[Run], speak: Words, title: str = "") -> Drawing:
        """These rows."""
        return cls(_draw(runs, speak, title, WIDE), _text(runs, speak, times=False), runs, speak, title)

    def only_lit(self) -> Drawing:
        """The arrows that are lit, and no others."""
        return self.of_runs(only_lit(self._runs), self._words, self._title)

    def only_crash(self) -> Drawing:
        """The last fault that hit, and what died with it unrecorded."""
        return self.of_runs(only_crash(self._runs), self._words, self._title)

    def large(self) -> Drawing:
        """The same for a room: larger than a notebook is wide."""
        drawn = _draw(self._runs, self._words, self._title, WIDE, LARGE)
        return type(self)(drawn, self.text, self._runs, self._words, self._title)

    def compact(self) -> Drawing:
        """The same for a narrow screen: an arrow's words stand above it."""
        drawn = _draw(self._runs, self._words, self._title, COMPACT)
        return type(self)(drawn, self.text, self._runs, self._words, self._title)

    def mermaid(self) -> str:
        """The same diagram for Mermaid, which Markdown on many sites draws; without times and colours."""
        return mermaid(self._runs, self._words, self._title)

    def plantuml(self) -> str:
        """The same diagram for PlantUML; without times and colours."""
        return plantuml(self._runs, self._words, self._title)

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": picture(self.svg, self.text), "text/plain": self.text}


# The image keeps its size, and so grows with the page; it scrolls where it is wider than the notebook's column. It is
# dark where JupyterLab or VS Code is: a notebook that is not trusted loses this, and goes by the system's choice.
_THEME = (
    "<style>img.orderlab{max-width:none}"
    'body[data-jp-theme-light="true"] img.orderlab,body.vscode-light img.orderlab{color-scheme:light}'
    'body[data-jp-theme-light="false"] img.orderlab,body.vscode-dark img.orderlab{color-scheme:dark}</style>'
)


def picture(svg: str, alt: str) -> str:
    """An `<img>` that holds the SVG itself: JupyterLab strips a bare `<svg>` from a notebook that is not trusted."""
    data = base64.b64encode(svg.encode()).decode()
    return f'<img alt="{escape(alt)}" class="orderlab" src="data:image/svg+xml;base64,{data}">{_THEME}'


def _text(runs: Sequence[Run], speak: Words, times: bool) -> str:
    lines = []
    widest = max(map(len, speak.lanes.values()))
    for row in (row for run in runs for row in run.rows):
        if isinstance(row, Band):
            lines.append(f"--- {row.text} ---")
            continue
        source, target = speak.lanes[row.step.source], speak.lanes[row.step.target]
        line = "⇢" if row.mark is Mark.MISSING else "→"
        way = (
            f"{source:<{widest}} ↺ {'':<{widest}}"
            if source == target
            else f"{source:<{widest}} {line} {target:<{widest}}"
        )
        said = f"{row.step.label:>3}  {way}  {starred(row)}" + (f" [{row.remark}]" if row.remark else "")
        said += f" ◀ {also(row, speak)}" if also(row, speak) else ""
        if times and row.begins is not None:
            said = f"{clock(row.begins):>12} {said}"
        lines.append(said.rstrip())
    lines += notes(runs, speak, times)
    return "\n".join(lines)


def _draw(runs: Sequence[Run], speak: Words, title: str, layout: Layout, scale: float = 1) -> str:
    return svg(runs, speak, title, layout, _text(runs, speak, times=False), scale)
