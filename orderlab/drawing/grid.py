"""A matrix as a grid, as SVG and as text: a column a step, a line a design and side."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from orderlab.calls.checking import public
from orderlab.calls.kinds import label_of
from orderlab.drawing.drawing import picture
from orderlab.errors import LabError
from orderlab.order import DESIGNS
from orderlab.verdicts.predictions import KINDS, Cell, cells, expect
from orderlab.verdicts.rules import Word

Words = tuple[Word, ...]

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"
_PAPER, _INK, _MUTED, _LINE, _SURPRISE = "#fdfdfb", "#1d2733", "#66717f", "#c8d0d9", "#000000"

# A letter and a colour each: never colour alone.
SIGNS = {
    Word.CORRECT: ("·", "#e4efe6", "#2b7a43"),
    Word.STUCK: ("S", "#f6dc8a", "#5c4400"),
    Word.OVERSOLD: ("O", "#f3b27a", "#5e2c00"),
    Word.LOST: ("L", "#b9a2e6", "#2f1466"),
    Word.DUPLICATED: ("D", "#e07a7a", "#5a0a0a"),
}
_LEFT, _TOP, _WIDE, _HIGH = 268, 82, 38, 30  # of the first square, and of each


@public
class Grid:
    """A matrix for a notebook: a picture that also shows where the notebook is not trusted, and its text.

    `found` is what the cells came to; one that is missing is left out of the text and blank in the picture. Two words
    stand for a race that can end either way.
    """

    def __init__(
        self, kind: str, found: Mapping[Cell, Words], title: str = "", order_ids: Mapping[Cell, str] | None = None
    ) -> None:
        self.kind = kind
        self.found = dict(found)
        self.order_ids = dict(order_ids or {})
        self.title = title or f"{kind}: {KINDS[kind]}"

    @classmethod
    def expected(cls, kind: str) -> Grid:
        """What is predicted."""
        return cls(kind, {cell: expect(cell).words for cell in cells(kind)}, f"predicted · {kind}: {KINDS[kind]}")

    def order_id(self, step: int | str, design: str = "default", side: str | None = None) -> str:
        """The order of a cell that was run just now; `side` is not needed where only one side was."""
        label = label_of(step)
        found = [
            order_id
            for cell, order_id in self.order_ids.items()
            if (cell.step, cell.design) == (label, design) and side in (None, cell.side)
        ]
        if len(found) != 1:
            raise LabError(
                f"{len(found)} orders of this grid are at step {label} on {design}. Say which: step, design, when."
            )
        return found[0]

    @property
    def surprises(self) -> list[Cell]:
        """The cells that were predicted otherwise."""
        return [cell for cell, words in self.found.items() if not set(words) <= set(expect(cell).words)]

    @property
    def text(self) -> str:
        """A line a design and side, a column a step."""
        labels = list(dict.fromkeys(cell.step for cell in cells(self.kind) if self._has(step=cell.step)))
        lines = [self.title, "", f"{'':32}" + "".join(f"{label:>4}" for label in labels)]
        for design, side in self._lines():
            squares = [self.found.get(Cell(self.kind, label, side, design)) for label in labels]
            if any(squares):
                lines.append(f"{design:24}{side:8}" + "".join(f"{_sign(words):>4}" for words in squares))
        there = [word for word in Word if any(word in words for words in self.found.values())]
        lines += ["", "   ".join(f"{SIGNS[word][0]} {word}" for word in there)]
        for cell in self.surprises:
            lines.append(f"! {cell.side} {cell.step}, {cell.design}: predicted {expect(cell)}")
        return "\n".join(lines)

    @property
    def svg(self) -> str:
        """The picture; the same results give the same bytes."""
        labels = list(dict.fromkeys(cell.step for cell in cells(self.kind)))
        lines = self._lines()
        width = max(_LEFT + _WIDE * len(labels) + 20, 780)
        bottom = _TOP + sum(_HIGH for _ in lines) + 10 * (len(DESIGNS) - 1)
        body = [_text(self.title, 20, 30, 15, weight=650)]
        body += [
            _text(label, _LEFT + _WIDE * n + _WIDE / 2, _TOP - 10, 12, anchor="middle", weight=600)
            for n, label in enumerate(labels)
        ]
        y = float(_TOP)
        for line, (design, side) in enumerate(lines):
            first = line == 0 or lines[line - 1][0] != design
            y += 10 if first and line else 0
            body += [_text(design, 20, y + 20, 13, weight=600)] if first else []
            body.append(_text(side, _LEFT - 12, y + 20, 12, anchor="end", fill=_MUTED))
            body += [
                self._square(Cell(self.kind, label, side, design), _LEFT + _WIDE * n, y)
                for n, label in enumerate(labels)
            ]
            y += _HIGH
        body += self._legend(bottom + 30)
        height = bottom + 52
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
                f'height="{height}" role="img" font-family="{_FONT}" fill="{_INK}">',
                f"<desc>{escape(self.text, quote=False)}</desc>",
                f'<rect x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="10" fill="{_PAPER}" '
                f'stroke="{_LINE}"/>',
                *body,
                "</svg>",
            ]
        )

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": picture(self.svg, self.text), "text/plain": self.text}

    def _has(self, step: str) -> bool:
        return any(cell.step == step for cell in self.found)

    def _lines(self) -> list[tuple[str, str]]:
        sides = list(dict.fromkeys(cell.side for cell in cells(self.kind)))
        return [(design, side) for design in DESIGNS for side in sides]

    def _square(self, cell: Cell, x: float, y: float) -> str:
        words = self.found.get(cell)
        if not words:
            return (
                f'<rect x="{x + 2:g}" y="{y + 2:g}" width="{_WIDE - 4}" height="{_HIGH - 4}" rx="4" fill="none" '
                f'stroke="{_LINE}" stroke-dasharray="2 3"/>'
            )
        _, paper, ink = SIGNS[words[-1]]
        odd = cell in self.surprises
        edge = f'stroke="{_SURPRISE}" stroke-width="2.5"' if odd else f'stroke="{ink}" stroke-opacity=".35"'
        return (
            f'<g data-cell="{cell.name}"><title>{cell.side} {cell.step}, {cell.design}: {" or ".join(words)}</title>'
            f'<rect x="{x + 2:g}" y="{y + 2:g}" width="{_WIDE - 4}" height="{_HIGH - 4}" rx="4" fill="{paper}" {edge}/>'
            + _text(_sign(words), x + _WIDE / 2, y + 20, 13, anchor="middle", fill=ink, weight=700)
            + "</g>"
        )

    def _legend(self, y: float) -> list[str]:
        drawn, x = list[str](), 20.0
        for word, (sign, paper, ink) in SIGNS.items():
            drawn.append(
                f'<rect x="{x:g}" y="{y - 15:g}" width="24" height="20" rx="4" fill="{paper}" stroke="{ink}"/>'
            )
            drawn.append(_text(sign, x + 12, y, 12, anchor="middle", fill=ink, weight=700))
            drawn.append(_text(word, x + 31, y, 12))
            x += 54 + 7.5 * len(word)
        if self.surprises:
            drawn.append(_text("with a thick edge: not as predicted", x + 10, y, 12, weight=650))
        return drawn


def _sign(words: Words | None) -> str:
    return "/".join(SIGNS[word][0] for word in words) if words else ""


def _text(
    text: str, x: float, y: float, size: float, *, anchor: str = "start", fill: str = _INK, weight: int = 400
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" text-anchor="{anchor}" fill="{fill}" '
        f'font-weight="{weight}">{escape(text, quote=False)}</text>'
    )
