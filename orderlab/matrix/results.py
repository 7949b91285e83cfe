"""What the cells of a matrix came to: kept in a file from which a run that was interrupted goes on."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orderlab.language import _
from orderlab.verdicts.predictions import Cell, expect
from orderlab.verdicts.rules import Word

MEASURED = Path(__file__).parent / "measured"
"""Where the results of the full runs lie."""


@dataclass(frozen=True)
class Result:
    """What one cell came to: the word, what was found, and the order that it happened to."""

    cell: Cell
    word: Word
    reason: str
    order_id: str
    why: str = ""  # the verdict with the events that show it
    reached: bool = True  # whether the order came to the gate; the code decides that

    @property
    def as_expected(self) -> bool:
        """Whether it is what was predicted."""
        return self.word in expect(self.cell).words


@dataclass
class Results:
    """The results of one kind, with when and on what they were had."""

    kind: str
    cells: dict[Cell, Result] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)  # began, seconds, machine
    path: Path | None = None

    @classmethod
    def measured(cls, kind: str) -> Results:
        """Those of the full run that came with this version."""
        return cls.read(kind, MEASURED / f"{kind}.json")

    @classmethod
    def read(cls, kind: str, path: Path) -> Results:
        """Those of a file; none where there is no file yet."""
        found = cls(kind, path=path)
        if path.exists():
            told = json.loads(path.read_text("utf-8"))
            found.run = told["run"]
            found.add(Result(Cell(**row.pop("cell")), Word(row.pop("word")), **row) for row in told["cells"])
        return found

    def add(self, results: Iterable[Result]) -> None:
        """Take results in."""
        self.cells |= {result.cell: result for result in results}

    def forget(self, cells: Iterable[Cell]) -> None:
        """Take results out, to have them anew; the run begins again when none is left."""
        for cell in cells:
            self.cells.pop(cell, None)
        if not self.cells:
            self.run = {}

    def begin(self, servers: Mapping[str, str]) -> None:
        """Note when and on what the run begins; one that goes on keeps its beginning."""
        self.run = self.run or {
            "began": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": 0.0,
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
            "python": platform.python_version(),
            **servers,
        }

    def write(self) -> None:
        """Keep them, all or nothing."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        rows = [asdict(result) for result in self.cells.values()]
        content = json.dumps({"kind": self.kind, "run": self.run, "cells": rows}, indent=1, ensure_ascii=False)
        part = self.path.with_suffix(".part")
        part.write_text(content + "\n", "utf-8")
        part.replace(self.path)

    @property
    def when(self) -> str:
        """When and on what they were had, in one line."""
        minutes, seconds = divmod(round(self.run["seconds"]), 60)
        return _(
            "{n} cells on {began} in {minutes} min {seconds} s; {machine}, Python {python}, PostgreSQL "
            "{postgresql}, RabbitMQ {rabbitmq}",
            n=len(self.cells),
            began=self.run["began"][:10],
            minutes=minutes,
            seconds=seconds,
            machine=self.run["machine"],
            python=self.run["python"],
            postgresql=self.run["postgresql"],
            rabbitmq=self.run["rabbitmq"],
        )

    @property
    def surprises(self) -> list[Result]:
        """The results that were predicted otherwise."""
        return [result for result in self.cells.values() if not result.as_expected]
