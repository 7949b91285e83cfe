"""The folder in which a person works: laid out from the chapters, and never over what the person did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orderlab.errors import LabError
from orderlab.lab.processes import Processes
from orderlab.stack import work


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one chapter, which was run."""
    project = tmp_path / "project"
    write(project, "as it was")
    return project


def write(project: Path, text: str) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# 1 · One\n", "More."]},
        {"cell_type": "code", "source": [text], "outputs": [{"output_type": "stream"}], "execution_count": 3},
    ]
    file = project / "notebooks/en/01_one.ipynb"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"cells": cells}))


def source(file: Path) -> str:
    return str(json.loads(file.read_text())["cells"][1]["source"][0])


def test_a_chapter_is_laid_out_without_its_outputs(project: Path, tmp_path: Path) -> None:
    assert work.lay(project, tmp_path / "work") == []
    cell = json.loads((tmp_path / "work/en/01_one.ipynb").read_text())["cells"][1]
    assert (cell["outputs"], cell["execution_count"]) == ([], None)
    work.write_start(tmp_path / "work", {"Portal": "http://127.0.0.1:1"})
    page = (tmp_path / "work/START.md").read_text()
    assert "[1 · One](en/01_one.ipynb)" in page
    assert "<http://127.0.0.1:1>" in page


def test_a_chapter_nobody_touched_follows_its_original(project: Path, tmp_path: Path) -> None:
    work.lay(project, tmp_path / "work")
    write(project, "mended")
    assert work.lay(project, tmp_path / "work") == []
    assert source(tmp_path / "work/en/01_one.ipynb") == "mended"


def test_what_a_person_changed_is_left_until_fresh_puts_it_aside(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    work.lay(project, folder)
    (folder / "en/01_one.ipynb").write_text("mine")
    (folder / "my own.ipynb").write_text("mine too")
    write(project, "mended")
    assert work.lay(project, folder) == ["en/01_one.ipynb"]
    assert (folder / "en/01_one.ipynb").read_text() == "mine"
    assert work.lay(project, folder, fresh=True) == []
    assert source(folder / "en/01_one.ipynb") == "mended"
    assert [file.read_text() for file in folder.glob("before */en/01_one.ipynb")] == ["mine"]
    assert (folder / "my own.ipynb").read_text() == "mine too"


@pytest.mark.parametrize("verb", ["kill", "stop", "freeze"])
def test_jupyterlab_is_not_ended_from_a_notebook(verb: str) -> None:
    processes = Processes(None)  # type: ignore[arg-type]
    with pytest.raises(LabError, match="keeps this notebook"):
        getattr(processes, verb)("jupyter")
