"""The sequence diagram, as SVG and as text: a line an arrow. Standard library only."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import replace
from html import escape
from typing import Any

from orderlab.drawing.exports.mermaid import mermaid
from orderlab.drawing.exports.plantuml import plantuml
from orderlab.drawing.marks import Mark
from orderlab.drawing.rows import Band, Event, Run, also, clock, draws_5, expected, haunted, observed, starred
from orderlab.drawing.svg import COMPACT, WIDE, Layout, svg
from orderlab.drawing.words import Words, words


def sequence_svg(
    events: Iterable[Event],
    *,
    language: str = "en",
    title: str = "",
    compact: bool = False,
    lit: int | None = None,
    missing: Iterable[int | str] = (),
) -> str:
    """What happened, as SVG. `events` in reading order; `compact` for a narrow screen; `language` "en" or "es".

    `lit` is the index of the event to highlight (-1: the last), those after it are dimmed; `missing` are the steps
    (numbers, labels or names) to draw as ghosts. Raises `IndexError` or `KeyError` where there is no such.
    """
    speak = words(language)
    runs = haunted(observed(events, speak, lit), speak, missing)
    return _draw(runs, speak, title, COMPACT if compact else WIDE)


def expected_svg(*, language: str = "en", title: str = "", compact: bool = False) -> str:
    """The diagram as drawn, before anything has run, as SVG."""
    speak = words(language)
    layout = COMPACT if compact else replace(WIDE, width=WIDE.width - 68, first_lane=WIDE.first_lane - 68)
    return _draw(expected(speak), speak, title, layout)


def sequence_text(
    events: Iterable[Event],
    *,
    language: str = "en",
    times: bool = True,
    lit: int | None = None,
    missing: Iterable[int | str] = (),
) -> str:
    """What happened, a line an arrow; without `times` the same run reads the same every time.

    `lit` and `missing` are as for `sequence_svg`; the line says so at its end, and a ghost's arrow is a dashed one.
    """
    speak = words(language)
    return _text(haunted(observed(events, speak, lit), speak, missing), speak, times)


def expected_text(*, language: str = "en") -> str:
    """The diagram as drawn, a line an arrow."""
    return _text(expected(words(language)), words(language), times=False)


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
        language: str = "en",
        lit: int | None = None,
        missing: Sequence[int | str] = (),
    ) -> Drawing:
        """What happened; the text leaves the times out, so that the same run reads the same. See `sequence_svg`."""
        speak = words(language)
        runs = haunted(observed(events, speak, lit), speak, missing)
        return cls(_draw(runs, speak, title, WIDE), _text(runs, speak, times=False), runs, speak, title)

    @classmethod
    def expected(cls, *, language: str = "en") -> Drawing:
        """The diagram as drawn."""
        speak = words(language)
        return cls(expected_svg(language=language), expected_text(language=language), expected(speak), speak)

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


def picture(svg: str, alt: str) -> str:
    """An `<img>` that holds the SVG itself: JupyterLab strips a bare `<svg>` from a notebook that is not trusted."""
    data = base64.b64encode(svg.encode()).decode()
    return f'<img alt="{escape(alt)}" src="data:image/svg+xml;base64,{data}" style="max-width: 100%; height: auto">'


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
        said += f" ◀ {also(row, speak)}" if row.mark else ""
        if times and row.begins is not None:
            said = f"{clock(row.begins):>12} {said}"
        lines.append(said.rstrip())
    if draws_5(runs):
        lines.append(f"* {speak.note_on_5}")
    return "\n".join(lines)


def _draw(runs: Sequence[Run], speak: Words, title: str, layout: Layout) -> str:
    return svg(runs, speak, title, layout, _text(runs, speak, times=False))
