"""A matrix as a grid, as SVG and as text: one column per step, one line per design and side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orderlab.calls.checking import public
from orderlab.calls.kinds import label_of
from orderlab.drawing.colours import INK, LINE, MUTED
from orderlab.drawing.drawing import picture
from orderlab.drawing.shapes import breadth, label, n
from orderlab.drawing.svg import page
from orderlab.drawing.words import words
from orderlab.errors import LabError
from orderlab.language import _
from orderlab.order import DESIGNS
from orderlab.sequence import find_step
from orderlab.verdicts.predictions import KINDS, Cell, cells, expect
from orderlab.verdicts.rules import Word

Words = tuple[Word, ...]

# A letter and a colour each: never colour alone.
SIGNS = {
    Word.CORRECT: ("·", "#e4efe6", "#2b7a43"),
    Word.STUCK: ("S", "#f6dc8a", "#5c4400"),
    Word.OVERSOLD: ("O", "#f3b27a", "#5e2c00"),
    Word.LOST: ("L", "#b9a2e6", "#2f1466"),
    Word.DUPLICATED: ("D", "#e07a7a", "#5a0a0a"),
}
_DARK = {"#e4efe6": "#1d3326", "#2b7a43": "#7fd39a"}
"""What becomes of the mildest of these where it is dark; the others can be seen there as well."""
_LEFT, _WIDE, _HIGH = 306, 38, 36  # of the first square, and of each
_NAMES = 240  # the room above the squares, for the steps' names


@public
class Grid:
    """A matrix for a notebook: a picture that also shows where the notebook is not trusted, and its text.

    `found` is what the cells came to; one that is missing is left out of the text and blank in the picture. Two words
    stand for a race that can end either way.
    """

    def __init__(
        self,
        kind: str,
        found: Mapping[Cell, Words],
        title: str = "",
        order_ids: Mapping[Cell, str] | None = None,
        compares: bool = True,
        opens: Callable[[str], Any] | None = None,
    ) -> None:
        self.kind = kind
        self.found = dict(found)
        self.order_ids = dict(order_ids or {})
        self._opens = opens
        self.compares = compares
        """Whether what was predicted is shown beside it."""
        self.title = title or f"{kind}: {_(KINDS[kind])}"

    @classmethod
    def expected(cls, kind: str) -> Grid:
        """What is predicted."""
        return cls(
            kind,
            {cell: expect(cell).words for cell in cells(kind)},
            f"{_('predicted')} · {kind}: {_(KINDS[kind])}",
            compares=False,
        )

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
                _(
                    "{n} orders of this grid are at step {label} on {design}. Say which: step, design, side.",
                    n=len(found),
                    label=label,
                    design=design,
                )
            )
        return found[0]

    def run(self, step: int | str, side: str | None = None, design: str = "default") -> Any:
        """The run of a cell that was run just now: `next()` and `back()` go through it, the crash in its place."""
        if self._opens is None:
            raise LabError(_("The runs of this grid are not at hand: it was not run here."))
        return self._opens(self.order_id(step, design, side))

    @property
    def surprises(self) -> list[Cell]:
        """The cells that were predicted otherwise."""
        return [cell for cell, words in self.found.items() if not set(words) <= set(expect(cell).words)]

    @property
    def text(self) -> str:
        """One line per design and side, one column per step."""
        labels = list(dict.fromkeys(cell.step for cell in cells(self.kind) if self._has(step=cell.step)))
        wide = max(8, 1 + max(len(_(side)) for _design, side in self._lines()))
        lines = [self.title, "", f"{'':{24 + wide}}" + "".join(f"{label:>4}" for label in labels)]
        for design, side in self._lines():
            squares = [self.found.get(Cell(self.kind, label, side, design)) for label in labels]
            if any(squares):
                lines.append(f"{design:24}{_(side):{wide}}" + "".join(f"{_sign(words):>4}" for words in squares))
        lines += ["", *(f"{name:>4} {words().says(find_step(name))}" for name in labels)]
        if self.compares:
            lines += ["", words().grid_as_predicted.format(n=len(self.found) - len(self.surprises), of=len(self.found))]
        there = [word for word in Word if any(word in words for words in self.found.values())]
        lines += ["", "   ".join(f"{SIGNS[word][0]} {_(word.value)}" for word in there)]
        for cell in self.surprises:
            lines.append(f"! {_(cell.side)} {cell.step}, {cell.design}: {_('predicted')} {expect(cell)}")
        return "\n".join(lines)

    @property
    def svg(self) -> str:
        """The picture; the same results give the same bytes."""
        labels = list(dict.fromkeys(cell.step for cell in cells(self.kind)))
        lines = self._lines()
        width = _LEFT + _WIDE * len(labels) + 110
        body = [label(self.title, 16, 30, size=17, weight=650)]
        for at, name in enumerate(labels):
            x = _LEFT + _WIDE * at + _WIDE / 2
            body.append(label(name, x, _NAMES - 8, size=14, anchor="middle", weight=700))
            turned = label(words().says(find_step(name)), 0, 0, size=14, fill=MUTED)
            body.append(f'<g transform="translate({n(x + 4)} {_NAMES - 28}) rotate(-48)">{turned}</g>')
        y = float(_NAMES)
        for line, (design, side) in enumerate(lines):
            first = line == 0 or lines[line - 1][0] != design
            y += 10 if first and line else 0
            body += [label(design, 16, y + 24, size=15, weight=650)] if first else []
            body.append(label(_(side), _LEFT - 12, y + 24, size=14, anchor="end", fill=MUTED))
            body += [
                self._square(Cell(self.kind, name, side, design), _LEFT + _WIDE * at, y)
                for at, name in enumerate(labels)
            ]
            y += _HIGH
        body += self._legend(y + 34)
        return page(width, y + (82 if self.compares else 56), body, self.text, dark=_DARK)

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
        place = f'x="{n(x + 2)}" y="{n(y + 2)}" width="{_WIDE - 4}" height="{_HIGH - 4}" rx="4"'
        if not words:
            return f'<rect {place} fill="none" stroke="{LINE}" stroke-dasharray="2 3"/>'
        _letter, paper, ink = SIGNS[words[-1]]
        predicted, odd = expect(cell).words, cell in self.surprises
        edge = f'stroke="{INK}" stroke-width="3"' if odd else f'stroke="{ink}" stroke-opacity=".35"'
        told = f"{_(cell.side)} {cell.step}, {cell.design}: {_said(words)}"
        told += f"; {_('predicted')}: {_said(predicted)}" if self.compares else ""
        down = 26 if self.compares else 24
        signs = label(_sign(words), x + _WIDE / 2, y + down, size=16, anchor="middle", fill=ink, weight=700)
        if self.compares:
            signs += label(_sign(predicted), x + 5, y + 13, size=11, fill=ink)
        return f'<g data-cell="{cell.name}"><title>{told}</title><rect {place} fill="{paper}" {edge}/>{signs}</g>'

    def _legend(self, y: float) -> list[str]:
        drawn, x = list[str](), 16.0
        for word, (sign, paper, ink) in SIGNS.items():
            place = f'x="{n(x)}" y="{n(y - 17)}" width="26" height="24"'
            drawn.append(f'<rect {place} rx="4" fill="{paper}" stroke="{ink}"/>')
            drawn.append(label(sign, x + 13, y, size=14, anchor="middle", fill=ink, weight=700))
            drawn.append(label(_(word.value), x + 34, y, size=14))
            x += 56 + breadth(_(word.value), 14)
        if self.compares:
            drawn.append(label(words().grid_compares, 16, y + 28, size=14, fill=MUTED))
        return drawn


def _said(words: Words) -> str:
    return _(" or ").join(_(word.value) for word in words)


def _sign(words: Words | None) -> str:
    return "/".join(SIGNS[word][0] for word in words) if words else ""
