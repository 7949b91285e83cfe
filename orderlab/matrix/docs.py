"""Writes docs/matrix.md from the results of full runs: `python -m orderlab.matrix.docs [a lab's matrix folder]`.

With a folder its results are first taken over as those that come with this version.
"""

from __future__ import annotations

import sys
from pathlib import Path

from orderlab.drawing.grid import SIGNS
from orderlab.matrix.results import MEASURED, Results
from orderlab.order import DESIGNS
from orderlab.sequence import find_step
from orderlab.verdicts.predictions import KINDS, MENDED, RULES, Cell, cells, expect
from orderlab.verdicts.rules import Word

DOCS = Path(__file__).parents[2] / "docs"

_HEAD = """\
# Break every arrow

What becomes of an order when something breaks at one of its steps, for every step, before and after it, and for the
four designs. Each cell is an order of its own, sent through the real portal and broken for real: SIGKILL where a
process or a server dies. The person who saw the portal break off, or was told to try again, pressed once more with the
same order id.

Each cell was predicted before it was run; the reasons are given below each grid, and stand in
`orderlab/verdicts/predictions.py`. Run a matrix yourself: `./lab matrix --kind crash` (it needs the lab to itself).

How an order is judged stands in `orderlab/verdicts/rules.py`: """

_MEANINGS = {
    Word.CORRECT: "as it should be",
    Word.STUCK: "a message is there but makes no progress",
    Word.OVERSOLD: "stock is not exact",
    Word.LOST: "something that had to happen will never happen",
    Word.DUPLICATED: "charged twice, or notified twice under two ids",
}


def matrix_markdown() -> str:
    """docs/matrix.md."""
    meanings = "; ".join(f"**{SIGNS[word][0]}** {word} ({means})" for word, means in _MEANINGS.items())
    mended = ["Predictions that a first run has proved wrong, and that were mended:", "", *(f"- {m}" for m in MENDED)]
    chapters = [line for kind in KINDS for line in _chapter(kind)]
    return "\n".join([_HEAD + meanings + ".", "", *mended, "", *chapters])


def _chapter(kind: str) -> list[str]:
    results = Results.measured(kind)
    if not results.cells:
        return []
    surprises = len(results.surprises)
    came = "every cell as predicted" if not surprises else f"{surprises} cells not as predicted, marked (!)"
    return [
        f"## {kind}: {KINDS[kind]}",
        "",
        f"{results.when}: {came}.",
        "",
        f"| step | | {' | '.join(DESIGNS)} |",
        f"|---|---|{':-:|' * len(DESIGNS)}",
        *[_row(results, step, side) for step, side in dict.fromkeys((c.step, c.side) for c in cells(kind))],
        "",
        *_reasons(kind),
        "",
    ]


def _row(results: Results, step: str, side: str) -> str:
    squares = []
    for design in DESIGNS:
        result = results.cells.get(Cell(results.kind, step, side, design))
        squares.append("" if result is None else SIGNS[result.word][0] + ("" if result.as_expected else " (!)"))
    return f"| {step} `{find_step(step).name}` | {side} | {' | '.join(squares)} |"


def _reasons(kind: str) -> list[str]:
    """Why, for each rule that decides a cell of this matrix."""
    lines = []
    for rule in RULES:
        decided = [c for c in cells(kind) if next((r for r in RULES if r.fits(c)), None) is rule]
        if decided:
            gates = ", ".join(dict.fromkeys(f"{c.side} {c.step}" for c in decided))
            designs = ", ".join(dict.fromkeys(c.design for c in decided))
            lines.append(f"- {gates} on {designs}: **{expect(decided[0])}**. {rule.because}")
    return lines


def main(words: list[str]) -> None:
    """Take results over, if a folder is given, and write the page."""
    for folder in map(Path, words):
        for kind in KINDS:
            results = Results.read(kind, folder / f"{kind}.json")
            if set(results.cells) == set(cells(kind)):  # only whole ones
                results.path = MEASURED / f"{kind}.json"
                results.write()
    (DOCS / "matrix.md").write_text(matrix_markdown(), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
