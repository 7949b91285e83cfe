"""A file that is to be a program: how it is run, and what its process says of itself."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from orderlab.stack.home import StackError

ANSWER = 0.4
"""Seconds in which a process has said where it is."""

# As orderlab/build/own.py writes them.
BEGUN, TROUBLE, STACK, WHERE = "begun", "trouble.json", "stack.txt", "where.json"


@dataclass(frozen=True)
class Trouble:
    """What went wrong with a file: the line, if it is one of its own, its text, and what was raised there."""

    file: str
    error: str
    line: int | None = None
    text: str = ""
    order_id: str = ""

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.line else self.file
        return f"{place}: {self.error}" + (f"\n    {self.text}" if self.text else "")


class NotUsed(StackError):
    """A file can't be used."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(str(trouble))
        self.trouble = trouble

    def told(self, now: str) -> NotUsed:
        """The same, with who does the work now."""
        self.args = (f"{self.trouble}\n{now}",)
        return self

    def _render_traceback_(self) -> list[str]:
        """Its few lines in a notebook."""
        return self.detail.splitlines()


@dataclass(frozen=True)
class Candidate:
    """A file that is to be a program: its copy, and a folder where its process writes down what goes wrong with it."""

    program: str
    file: Path
    folder: Path

    @property
    def copy(self) -> Path:
        """What is run."""
        return self.folder / "program.py"

    @property
    def begun(self) -> Path:
        """There as soon as the file's own first line is run."""
        return self.folder / BEGUN

    @property
    def command(self) -> list[str]:
        """How it is run."""
        words = ["-P", "-m", "orderlab.services", "own", self.program]
        return [sys.executable, *words, str(self.copy), str(self.file), str(self.folder)]

    def trouble(self) -> Trouble | None:
        """What it has raised last, if anything."""
        with contextlib.suppress(OSError, ValueError):
            told = json.loads((self.folder / TROUBLE).read_text("utf-8"))
            return Trouble(self.file.name, told["error"], told["line"], told["text"], told["order_id"])
        return None

    def where(self, pid: int) -> tuple[int | None, str]:
        """Ask its process where it is: the line that runs now, else one that waits, and the line's text."""
        (self.folder / WHERE).unlink(missing_ok=True)
        for which in (signal.SIGUSR2, signal.SIGUSR1):
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                psutil.Process(pid).send_signal(which)
        time.sleep(ANSWER)
        line: int | None = None
        with contextlib.suppress(OSError, ValueError, IndexError):
            line = json.loads((self.folder / WHERE).read_text("utf-8"))[0]
        line = line or self.stack()
        source = self.copy.read_text("utf-8").splitlines()
        return line, source[line - 1].strip() if line else ""

    def stack(self) -> int | None:
        """The line of it that Python was at when it was asked, or when it crashed."""
        said = (self.folder / STACK).read_text("utf-8", errors="replace") if (self.folder / STACK).exists() else ""
        found = re.search(rf'File "{re.escape(str(self.file))}", line (\d+)', said)
        return int(found[1]) if found else None

    def at(self, line: int | None, error: str) -> Trouble:
        """What went wrong, at this line."""
        source = self.copy.read_text("utf-8").splitlines()
        return Trouble(self.file.name, error, line, source[line - 1].strip() if line else "")
