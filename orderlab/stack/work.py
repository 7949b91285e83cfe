"""The folder in which a person works: its own copies of the chapters, laid out from notebooks/, and a page to start at.

git ignores it. What a person has changed there is never overwritten.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from orderlab.language import N_, _
from orderlab.stack.home import StackError

START = "START.md"
"""The page that JupyterLab opens."""
_LAID = ".laid.json"

_PAGE = N_("""\
# Start here

Where this lab is (written by `./lab up`, anew each time):

{addresses}

The chapters. This is your own copy of them, and this folder is the place for notebooks of your own: git ignores it,
and nothing that you change is overwritten. `./lab notebooks --fresh` lays the chapters out anew and puts yours aside.

{chapters}

Read alongside: [the sequence](docs/sequence.md), [the glossary](docs/glossary.md), [why it is built
so](docs/why.md). In a terminal `./lab status` tells what runs.
""")


def lay(source: Path, folder: Path, *, fresh: bool = False) -> list[str]:
    """Copy the chapters, without their outputs, and docs/ from the project in `source`; what was left as it is.

    That is what a person has changed. With `fresh` it is put aside in a folder named after the time.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        record = folder / _LAID
        laid: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
        changed = []
        for name, content in _originals(source):
            target = folder / name
            if target.exists() and _digest(target.read_bytes()) not in (laid.get(name), _digest(content)):
                if not fresh:
                    changed.append(name)
                    continue
                aside = folder / f"before {time.strftime('%Y-%m-%d %H.%M.%S')}" / name
                aside.parent.mkdir(parents=True, exist_ok=True)
                target.rename(aside)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            laid[name] = _digest(content)
        record.write_text(json.dumps(laid, indent=1))
    except (OSError, ValueError) as error:
        raise StackError(
            _("The chapters can't be laid out in {folder}: {error}", folder=folder, error=error)
        ) from error
    return changed


def write_start(folder: Path, addresses: Mapping[str, str]) -> None:
    """Write the page with the lab's addresses (those that are not empty) and the chapters that are there."""
    chapters = [f"- [{_title(file)}]({file.relative_to(folder)})" for file in sorted(folder.glob("[a-z][a-z]/*.ipynb"))]
    lines = [f"- {name}: <{url}>" for name, url in addresses.items() if url]
    (folder / START).write_text(_(_PAGE, addresses="\n".join(lines), chapters="\n".join(chapters)))


def _originals(source: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted((source / "notebooks").glob("*/*.ipynb")):
        yield str(file.relative_to(source / "notebooks")), _without_outputs(file)
    for file in sorted((source / "notebooks").glob("worker/*.py")):
        yield str(file.relative_to(source / "notebooks")), file.read_bytes()
    for file in sorted((source / "docs").glob("*.*")):
        yield str(file.relative_to(source)), file.read_bytes()


def _without_outputs(file: Path) -> bytes:
    notebook = json.loads(file.read_text("utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def _title(file: Path) -> str:
    """A notebook's first heading; its file's name where it has none."""
    try:
        cells = json.loads(file.read_text("utf-8"))["cells"]
        lines = [line for cell in cells for line in "".join(cell["source"]).splitlines()]
        return next(line.removeprefix("# ") for line in lines if line.startswith("# "))
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return file.stem


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def main(words: list[str]) -> None:
    """In a container: lay `work` out from the working folder, and become JupyterLab with these words."""
    work = Path("work")
    lay(Path(), work)
    write_start(work, {"Portal": os.environ.get("ORDERLAB_PORTAL_URL", "")})
    os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={work.absolute()}", *words])


if __name__ == "__main__":
    main(sys.argv[1:])
