"""notebooks/conftest.py: a notebook whose stored outputs are not what it shows must fail."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from nbformat import v4
from PIL import Image

CONFTEST = Path(__file__).resolve().parents[2] / "notebooks" / "conftest.py"

SHOW_PICTURE = """\
from IPython.display import Image, display
import base64
display(Image(base64.b64decode("{}"), format="png"))"""

DRAW = """\
from IPython.display import HTML
import base64
svg = '<svg><text class="time" x="1">{time}</text><g class="times"><rect x="{time}"/></g><text>{arrow}</text></svg>'
HTML('<img src="data:image/svg+xml;base64,' + base64.b64encode(svg.encode()).decode() + '">')"""


def picture(grey: int, size: int = 40) -> str:
    file = BytesIO()
    Image.new("L", (size, size), grey).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def shows(**data: str) -> nbformat.NotebookNode:
    return v4.new_output("display_data", data=data)


def drawn(time: str, arrow: str) -> nbformat.NotebookNode:
    svg = (
        f'<svg><text class="time" x="1">{time}</text><g class="times"><rect x="{time}"/></g><text>{arrow}</text></svg>'
    )
    html = f'<img src="data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}">'
    return v4.new_output(
        "execute_result",
        data={"text/html": html, "text/plain": "<IPython.core.display.HTML object>"},
        execution_count=1,
    )


def png(grey: int, size: int = 40) -> nbformat.NotebookNode:
    return v4.new_output(
        "display_data", data={"image/png": picture(grey, size), "text/plain": "<IPython.core.display.Image object>"}
    )


def says(text: str) -> nbformat.NotebookNode:
    return v4.new_output("stream", name="stdout", text=text)


def raised(name: str) -> nbformat.NotebookNode:
    return v4.new_output("error", ename=name, evalue="", traceback=[])


CLEARED = "from IPython.display import clear_output\nprint('early')\nclear_output(wait={wait})\nprint('late')"
UPDATED = (
    "from IPython.display import display\n"
    "handle = display('one', display_id=True)\nprint('between')\nhandle.update('two')"
)

# name: (must pass, source, stored outputs, execution count, tags)
CELLS: dict[str, tuple[bool, str, list[nbformat.NotebookNode], int | None, list[str]]] = {
    "same text": (True, "print('a')", [says("a\n")], 1, []),
    "other text": (False, "print('a')", [says("b\n")], 1, []),
    "never run": (False, "print('a')", [], None, []),
    "never run but skipped": (True, "print('a')", [], None, ["nbval-skip"]),
    "exception as promised": (True, "raise KeyError", [raised("KeyError")], 1, ["raises-exception"]),
    "exception that did not come": (False, "x = 1", [], 1, ["raises-exception"]),
    "exception that nobody promised": (False, "raise KeyError", [raised("KeyError")], 1, []),
    "same picture": (True, SHOW_PICTURE.format(picture(200)), [png(200)], 1, []),
    "nearly the same picture": (True, SHOW_PICTURE.format(picture(200)), [png(205)], 1, []),
    "other picture": (False, SHOW_PICTURE.format(picture(200)), [png(180)], 1, []),
    "other picture that may be": (True, SHOW_PICTURE.format(picture(200)), [png(20)], 1, ["times-vary"]),
    "other size, times or not": (False, SHOW_PICTURE.format(picture(200)), [png(200, 41)], 1, ["times-vary"]),
    "picture of another size": (False, SHOW_PICTURE.format(picture(200)), [png(200, 41)], 1, []),
    "picture that is gone": (False, "x = 1", [png(200)], 1, []),
    "picture that is new": (
        False,
        SHOW_PICTURE.format(picture(200)),
        [shows(**{"text/plain": "<IPython.core.display.Image object>"})],
        1,
        [],
    ),
    "cleared at the next output": (True, CLEARED.format(wait=True), [says("late\n")], 1, []),
    "cleared at once": (True, CLEARED.format(wait=False), [says("late\n")], 1, []),
    "cleared, but stored as it was before": (False, CLEARED.format(wait=True), [says("early\nlate\n")], 1, []),
    "updated": (True, UPDATED, [shows(**{"text/plain": "'two'"}), says("between\n")], 1, []),
    "updated, but stored as it was before": (
        False,
        UPDATED,
        [shows(**{"text/plain": "'one'"}), says("between\n")],
        1,
        [],
    ),
    "drawing at another time": (True, DRAW.format(time="1.0 ms", arrow="9"), [drawn("7.3 ms", "9")], 1, []),
    "drawing with another arrow": (False, DRAW.format(time="1.0 ms", arrow="9"), [drawn("1.0 ms", "8")], 1, []),
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every cell above in one notebook, run once: {name: "passed", "failed" or "skipped"}."""
    folder = tmp_path_factory.mktemp("notebooks")
    folder.joinpath("conftest.py").write_text(CONFTEST.read_text("utf-8"), "utf-8")
    cells = [
        v4.new_code_cell(source, outputs=outputs, execution_count=count, metadata={"tags": tags})
        for _, source, outputs, count, tags in CELLS.values()
    ]
    nbformat.write(v4.new_notebook(cells=cells), folder / "cells.ipynb")
    report = folder / "report.xml"
    run_nbval(folder, f"--junitxml={report}")
    cases = list(ElementTree.parse(report).iter("testcase"))
    kinds = [
        next((child.tag for child in case if child.tag in ("failure", "error", "skipped")), "ok") for case in cases
    ]
    words = {"ok": "passed", "failure": "failed", "error": "error", "skipped": "skipped"}
    return dict(zip(CELLS, (words[kind] for kind in kinds), strict=True))


def run_nbval(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval", "-q", "-p", "no:cacheprovider", *options, str(folder)],
        cwd=folder,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_passes_only_if_it_shows_what_is_stored(name: str, verdicts: dict[str, str]) -> None:
    must_pass, *_, tags = CELLS[name]
    assert verdicts[name] == ("skipped" if "nbval-skip" in tags else "passed" if must_pass else "failed")


def test_a_cell_that_never_ends_is_given_up(tmp_path: Path) -> None:
    tmp_path.joinpath("conftest.py").write_text(CONFTEST.read_text("utf-8"), "utf-8")
    cell = v4.new_code_cell("while True: pass", execution_count=1)
    nbformat.write(v4.new_notebook(cells=[cell]), tmp_path / "endless.ipynb")
    said = run_nbval(tmp_path, "--nbval-cell-timeout=1")
    assert "Timeout of 1 seconds exceeded" in said.stdout
    assert said.returncode == 1
