"""The project's own environment: made from a lock file, whole or not at all, and only when the lock has changed."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orderlab.bootstrap import installers
from orderlab.bootstrap.console import Unready, progress
from orderlab.language import _

_STAMP = "installed.lock"  # a copy of the lock file, written last: `lab` compares the two


def ready(folder: Path, lock: Path) -> bool:
    """Whether the environment is whole and holds what the lock file names."""
    stamp = folder / _STAMP
    return stamp.exists() and stamp.read_bytes() == lock.read_bytes() and (folder / "bin/python").exists()


def make(folder: Path, lock: Path, root: Path) -> Path:
    """Make the environment, or bring it up to date, and return its Python. `root` becomes importable in it.

    Raises `Unready` with what to do where it can't be made.
    """
    python = folder / "bin/python"
    if ready(folder, lock):
        return python
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(folder.parent / f"{folder.name}.making"):
        if ready(folder, lock):  # whoever was here first made it
            return python
        with progress(_("installing Python packages ({name})", name=lock.name), _("Python packages installed")):
            try:
                _make(folder, lock, root)
            except OSError as error:
                raise Unready(_("The environment could not be written: {error}", error=error)) from error
    return python


def _make(folder: Path, lock: Path, root: Path) -> None:
    python, stamp = folder / "bin/python", folder / _STAMP
    if not (stamp.exists() and python.exists()):  # interrupted halfway, or its Python is gone: start over
        shutil.rmtree(folder, ignore_errors=True)
    stamp.unlink(missing_ok=True)
    uv = installers.uv(root / "requirements-uv.lock")
    if not python.exists():
        installers.environment(folder, uv)
    installers.install(lock, python, uv)
    packages = next(folder.glob("lib/python3.*/site-packages"))
    # Relative, so that the checkout can be moved.
    (packages / "orderlab.pth").write_text(f"{os.path.relpath(root, packages)}\n")
    stamp.write_bytes(lock.read_bytes())


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock file: of two set-ups at once, the second waits for the first."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
