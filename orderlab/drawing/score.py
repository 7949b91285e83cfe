"""One matrix as a score, for a worker of one's own: a column a step, a line a side, and what is won."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from orderlab.calls.checking import public
from orderlab.calls.kinds import label_of
from orderlab.drawing.drawing import picture
from orderlab.drawing.grid import SIGNS
from orderlab.errors import LabError
from orderlab.faults.model import AFTER, BEFORE
from orderlab.language import _
from orderlab.verdicts.predictions import KINDS, LABELS
from orderlab.verdicts.rules import Word

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"
_PAPER, _INK, _MUTED, _LINE = "#fdfdfb", "#1d2733", "#66717f", "#c8d0d9"
_LEFT, _TOP, _WIDE, _HIGH = 90, 92, 38, 30
_NEVER = "–"
"""Stands where an order never came to the gate, so that nothing was broken there."""


@dataclass(frozen=True)
class Square:
    """What one cell came to: the word, why, the order, and whether the order came to the gate at all."""

    word: Word
    reason: str
    order_id: str
    reached: bool = True

    @property
    def won(self) -> bool:
        """Whether the order met the fault and came through."""
        return self.reached and self.word is Word.CORRECT


@public
class Score:
    """A worker's matrix. `score.run(15, "after")` is the run of a square, to be looked at arrow by arrow."""

    def __init__(
        self,
        name: str,
        kind: str,
        squares: Mapping[tuple[str, str], Square],
        like: Sequence[str] = (),
        opens: Callable[[str], Any] | None = None,
    ) -> None:
        """`squares` are by step and side; `like` the stages that come to just this; `opens` gives an order's run."""
        self.name, self.kind, self.squares, self.like, self._opens = name, kind, dict(squares), tuple(like), opens

    @property
    def won(self) -> int:
        """How many squares are correct, with the fault met."""
        return sum(square.won for square in self.squares.values())

    @property
    def of(self) -> int:
        """How many squares were run."""
        return len(self.squares)

    @property
    def lost(self) -> dict[tuple[str, str], Square]:
        """The squares that are not won, by step and side."""
        return {gate: square for gate, square in self.squares.items() if not square.won}

    def square(self, step: int | str, side: str | None = None) -> Square:
        """What came of this step and side; `side` is not needed where only one side was run."""
        label = label_of(step)
        found = [square for (at, each), square in self.squares.items() if at == label and side in (None, each)]
        if len(found) != 1:
            ran = ", ".join(f"{each} {at}" for at, each in self.squares if at == label) or "none"
            raise LabError(
                _(
                    "Say which square: a step, and {before!r} or {after!r}. Of step {label} there are: {ran}.",
                    before=BEFORE,
                    after=AFTER,
                    label=label,
                    ran=ran,
                )
            )
        return found[0]

    def run(self, step: int | str, side: str | None = None) -> Any:
        """The run of this square's order: `next()` and `back()` go through it, the crash in its place."""
        if self._opens is None:
            raise LabError(_("The runs of this score are not at hand."))
        return self._opens(self.square(step, side).order_id)

    @property
    def told(self) -> str:
        """What is won, what is not, and which stage that is."""
        words = Counter(str(square.word) for square in self.squares.values() if square.word is not Word.CORRECT)
        counts = "".join(f", {number} {word}" for word, number in sorted(words.items()))
        never = sum(not square.reached for square in self.squares.values())
        apart = _(" ({never} where the order never comes)", never=never) if never else ""
        return f"{self.won} of {self.of} correct{counts}{apart}"

    @property
    def stage(self) -> str:
        """Which stage comes to just this, in a sentence."""
        if not self.like:
            return _("No stage comes to just this.")
        return _("This is what {known} comes to.", known=" or ".join(self.like))

    @property
    def text(self) -> str:
        """A line a side, a column a step; then what is won."""
        labels = self._labels()
        lines = [self._title(), "", f"{'':8}" + "".join(f"{label:>4}" for label in labels)]
        for side in self._sides():
            row = "".join(f"{self._sign(label, side):>4}" for label in labels)
            lines.append(f"{side:8}{row}".rstrip())
        used = [word for word in Word if any(square.word is word for square in self.squares.values())]
        legend = [f"{SIGNS[word][0]} {word}" for word in used]
        legend += [f"{_NEVER} {_('the order never comes there')}"] if self._never() else []
        return "\n".join([*lines, "", "   ".join(legend), "", self.told, self.stage])

    @property
    def svg(self) -> str:
        """The picture."""
        labels = self._labels()
        sides = self._sides()
        width = max(_LEFT + _WIDE * len(labels) + 20, 560)
        height = _TOP + _HIGH * len(sides) + 60
        body = [_text(self._title(), 20, 30, 15, weight=650), _text(f"{self.told}. {self.stage}", 20, 54, 13)]
        body += [
            _text(label, _LEFT + _WIDE * (n + 0.5), _TOP - 10, 12, anchor="middle", weight=600)
            for n, label in enumerate(labels)
        ]
        for row, side in enumerate(sides):
            y = _TOP + _HIGH * row
            body.append(_text(side, _LEFT - 12, y + 20, 12, anchor="end", fill=_MUTED))
            body += [self._square(label, side, _LEFT + _WIDE * n, y) for n, label in enumerate(labels)]
        x = 20.0
        for word, (sign, paper, ink) in SIGNS.items():
            y = height - 24
            body.append(f'<rect x="{x:g}" y="{y - 15}" width="24" height="20" rx="4" fill="{paper}" stroke="{ink}"/>')
            body += [_text(sign, x + 12, y, 12, anchor="middle", fill=ink, weight=700), _text(str(word), x + 31, y, 12)]
            x += 54 + 7.5 * len(word)
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

    def _title(self) -> str:
        return f"{self.name} · {self.kind}: {KINDS[self.kind]}"

    def _labels(self) -> list[str]:
        return [label for label in LABELS if any(label == step for step, _ in self.squares)]

    def _sides(self) -> list[str]:
        return [side for side in (BEFORE, AFTER) if any(side == each for _, each in self.squares)]

    def _never(self) -> bool:
        return any(not square.reached for square in self.squares.values())

    def _sign(self, label: str, side: str) -> str:
        square = self.squares.get((label, side))
        if square is None:
            return ""
        return SIGNS[square.word][0] if square.reached else f"{_NEVER}{SIGNS[square.word][0].strip('·')}"

    def _square(self, label: str, side: str, x: float, y: float) -> str:
        square = self.squares.get((label, side))
        place = f'x="{x + 2:g}" y="{y + 2:g}" width="{_WIDE - 4}" height="{_HIGH - 4}" rx="4"'
        if square is None:
            return f'<rect {place} fill="none" stroke="{_LINE}" stroke-dasharray="2 3"/>'
        _, paper, ink = SIGNS[square.word]
        dash = "" if square.reached else ' stroke-dasharray="3 2"'
        said = f"{side} {label}: {square.reason or square.word}"
        edge = f'stroke="{ink}" stroke-opacity=".45"{dash}'
        return (
            f'<g><title>{escape(said)}</title><rect {place} fill="{paper}" {edge}/>'
            + _text(self._sign(label, side), x + _WIDE / 2, y + 20, 13, anchor="middle", fill=ink, weight=700)
            + "</g>"
        )


def _text(
    text: str, x: float, y: float, size: float, *, anchor: str = "start", fill: str = _INK, weight: int = 400
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" text-anchor="{anchor}" fill="{fill}" '
        f'font-weight="{weight}">{escape(text, quote=False)}</text>'
    )
