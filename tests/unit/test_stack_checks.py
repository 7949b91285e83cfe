"""How `./lab test` reads what pytest says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orderlab.stack import checks


@pytest.mark.parametrize(
    "line",
    [
        "12 passed in 3.45s",
        "========= 1 failed, 12 passed, 3 skipped in 63.10s (0:01:03) ==========",
        "no tests ran in 0.01s",
    ],
)
def test_pytests_closing_line_is_known(line: str) -> None:
    assert checks._CLOSING.match(line)


def test_other_lines_are_not_taken_for_it() -> None:
    assert not checks._CLOSING.match("12 orders passed through in 3 s")


def test_the_status_of_a_failed_check_and_the_closing_lines_come_back(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    python = [sys.executable, "-c"]
    commands = [[*python, "print('3 passed in 0.1s')"], [*python, "raise SystemExit(5)"], [*python, "print('late')"]]
    monkeypatch.setattr(checks, "_commands", lambda python, words: iter(commands))
    monkeypatch.setattr(checks.environment, "make", lambda folder, lock, root: Path(sys.executable))
    monkeypatch.setattr(checks, "HOME", tmp_path)
    assert checks.run([]) == 5
    said = capfd.readouterr().out
    assert "late" in said
    assert said.rstrip().endswith("3 passed in 0.1s")
