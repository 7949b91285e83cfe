"""Notebooks under `pytest --nbval`, made strict where nbval looks away.

nbval compares a cell's texts with those stored in the file. Here it also

- fails a cell that was never run (nbval passes it with nothing compared),
- wants the exception of a cell tagged `raises-exception` (nbval allows it),
- compares pictures: how many, how large, and how far apart (nbval skips them); where a picture shows times that
  differ from run to run, the tag `times-vary` on the cell leaves out the last,
- folds outputs that were cleared or updated, as a notebook shows them (nbval stops at those messages),
- compares drawings arrow by arrow, without their times,
- and gives up on a cell after a time that a person would wait.
"""

from __future__ import annotations

import base64
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile
from PIL import Image, ImageChops, ImageStat

CELL_TIMEOUT = 90.0  # seconds for a cell
OUTPUT_TIMEOUT = 30.0  # seconds for the outputs of a cell that has ended
PICTURE_RMS = 8.0  # how far two pictures may be apart, of 255

SANITIZE = Path(__file__).with_name("sanitize.cfg")

_DRAWING = re.compile(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)")
_TIME = re.compile(r'(<text [^>]*class="time"[^>]*>)[^<]*')
_TIMES = re.compile(r'<g class="times">.*?</g>')

_run, _message, _sanitize = IPyNbCell.runtest, IPyNbFile.get_kernel_message, IPyNbCell.sanitize


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """A kernel of this environment, whatever the notebook names; a time-out that ends; what is new in every run."""
    if config.option.nbval or config.option.nbval_lax:
        config.option.nbval_current_env = config.option.nbval_kernel_name is None
        if config.option.nbval_cell_timeout == 2000:  # nbval's default
            config.option.nbval_cell_timeout = CELL_TIMEOUT
        if config.option.nbval_sanitize_with is None and SANITIZE.exists():
            config.option.nbval_sanitize_with = str(SANITIZE)


def run_strictly(cell: Any) -> None:
    """nbval's run of one cell, and what it leaves out."""
    skipped = cell.options["skip"]
    if cell.cell.execution_count is None and cell.cell.source.strip() and not skipped:
        cell.raise_cell_error("This cell was never run. Run the notebook from top to bottom and save it.")
    cell.output_timeout = OUTPUT_TIMEOUT
    cell.parent.running, cell.parent.displays, cell.parent.clear_next = cell, {}, False
    _run(cell)
    if cell.options["check_exception"] and not any(o.output_type == "error" for o in cell.test_outputs):
        cell.raise_cell_error("This cell should have raised an exception, and did not.")
    if cell.options["check"]:
        compare_pictures(cell)


def folded_message(file: Any, timeout: float | None = None, stream: str = "iopub") -> Any:
    """The next message; one that changes earlier outputs does so here and is not handed on."""
    while True:
        message = _message(file, timeout=timeout, stream=stream)
        outputs, kind, content = file.running.test_outputs, message["msg_type"], message["content"]
        display = content.get("transient", {}).get("display_id")
        if kind == "clear_output":
            file.clear_next = True
            if not content.get("wait"):
                clear(file, outputs)
        elif kind == "update_display_data":
            if display in file.displays:
                outputs[file.displays[display]]["data"] = content["data"]
        else:
            if kind in ("display_data", "execute_result", "stream", "error"):
                if file.clear_next:
                    clear(file, outputs)
                if display:
                    file.displays[display] = len(outputs)
            return message


def clear(file: Any, outputs: list[Any]) -> None:
    """Forget what the cell has shown so far."""
    outputs.clear()
    file.displays.clear()
    file.clear_next = False


def sanitize_drawing(cell: Any, text: Any) -> Any:
    """A drawing is compared as the SVG that it is, with its times left out."""
    if not isinstance(text, str):
        return text
    return _sanitize(cell, _DRAWING.sub(lambda found: untimed(found[1]), text))


def untimed(drawing: str) -> str:
    """The SVG in this base64, without the text of its times, and without what stands where its time is."""
    return _TIMES.sub("", _TIME.sub(r"\1", base64.b64decode(drawing).decode()))


def compare_pictures(cell: Any) -> None:
    """As many pictures as are stored, of the same size, and no further apart than `PICTURE_RMS`."""
    varies = "times-vary" in cell.cell.metadata.get("tags", [])
    shown, stored = pictures(cell.test_outputs), pictures(cell.cell.outputs)
    if len(shown) != len(stored):
        cell.raise_cell_error(f"The cell shows {len(shown)} picture(s), and {len(stored)} are stored.")
    for new, old in zip(shown, stored, strict=True):
        if new.size != old.size:
            cell.raise_cell_error(f"A picture is {new.size} pixels large, and was {old.size}.")
        apart = ImageStat.Stat(ImageChops.difference(new, old)).rms[0]
        if apart > PICTURE_RMS and not varies:
            cell.raise_cell_error(f"A picture is not the stored one: their RMS is {apart:.1f}, over {PICTURE_RMS}.")


def pictures(outputs: list[Any]) -> list[Image.Image]:
    """The PNG pictures of a cell, grey."""
    data = [output["data"].get("image/png") for output in outputs if "data" in output]
    return [Image.open(BytesIO(base64.b64decode(png))).convert("L") for png in data if png]


IPyNbCell.runtest = run_strictly
IPyNbFile.get_kernel_message = folded_message
IPyNbCell.sanitize = sanitize_drawing
