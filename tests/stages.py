"""Every stage's reference in every square of these matrices, against what was predicted.

`python -m tests.stages crash fail drop`, with the lab up; without words all six kinds. `--stage 3` takes one stage
alone (may be given again). Exit status 1 if a square differs. Results are kept: a run that was interrupted goes on.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from orderlab import Lab
from orderlab.drawing.score import Score
from orderlab.matrix.stages import YOURS, stages
from orderlab.verdicts.predictions import KINDS, Cell

REFERENCES = Path(__file__).parent / "worker"


def differences(number: int, score: Score) -> list[str]:
    """The squares that came otherwise than predicted for this stage."""
    found = []
    for (step, side), square in score.squares.items():
        expected = stages()[number].expect(Cell(score.kind, step, side, YOURS))
        if square.word not in expected.words or square.reached != expected.reached:
            words = " or ".join(expected.words)
            found.append(f"{side} {step}: {words}, reached {expected.reached}; it is {square}")
    return found


def main() -> int:
    """Run them; the number of squares that differ decides the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, []], default=list(KINDS))
    parser.add_argument("--stage", type=int, action="append")
    parser.add_argument("--fresh", action="store_true")
    asked = parser.parse_args()
    lab, different = Lab(), 0
    for kind in asked.kinds:
        for number in asked.stage or range(1, len(stages())):
            (file,) = REFERENCES.glob(f"stage{number}_*.py")
            score = lab.matrix(kind, worker=file, fresh=asked.fresh)
            assert isinstance(score, Score)
            found = differences(number, score)
            different += len(found)
            print(score.text, *found, "", sep="\n", flush=True)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
