"""What installs locked packages: uv (quick, got by pip into the cache), else pip itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from orderlab.bootstrap import cache, debian
from orderlab.bootstrap.console import Unready
from orderlab.language import N_, _

_NO_PIP = N_(
    "Python is here, but no pip to install packages with. Get it: on Debian, Ubuntu and WSL `sudo "
    "apt-get install python3-pip`; on Fedora `sudo dnf install python3-pip`; or install uv."
)


def pip() -> list[str]:
    """A command that is pip, for packages of the Python that runs this (or of another, with `--python`)."""
    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if wheel := _bundled_pip() or _debian_pip():
        return [sys.executable, str(wheel / "pip")]  # a wheel is a zip file, and Python runs what is in one
    for name in ("python3", "/usr/bin/python3"):  # another Python's pip serves too
        other = shutil.which(name)
        if (
            other
            and subprocess.run([other, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
        ):
            return [other, "-m", "pip"]
    raise Unready(_(_NO_PIP))


def uv(lock: Path) -> Path | None:
    """uv in the version that `lock` names, from the cache or by pip; None where it can't be had."""
    if found := shutil.which("uv"):
        return Path(found)
    version = next(line.split("==")[1].split()[0] for line in lock.read_text().splitlines() if line.startswith("uv=="))
    home = cache.folder() / f"uv-{version}"
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent, prefix=".uv-") as folder:
            made = Path(folder) / "made"
            # Only wheels: building uv from source would take a Rust compiler and minutes.
            words = ["install", "--quiet", "--only-binary", ":all:", "--require-hashes", "--target", str(made)]
            ended = _quietly([*pip(), *words, "--requirement", str(lock)])
            if ended.returncode:
                return None
            try:
                made.rename(home)
            except OSError:
                if not home.exists():  # another checkout may have been first
                    raise
    return home / "bin/uv"


def environment(folder: Path, uv: Path | None) -> None:
    """Make an empty environment of the Python that runs this."""
    if (
        uv
        and _quietly([str(uv), "venv", "--quiet", "--no-config", "--python", sys.executable, str(folder)]).returncode
        == 0
    ):
        return
    ended = _quietly([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    if ended.returncode:
        raise Unready(
            _(
                "No environment could be made with {executable}: {last_line}",
                executable=sys.executable,
                last_line=last_line(ended.stderr),
            )
        )


def install(lock: Path, python: Path, uv: Path | None) -> None:
    """Make the environment of `python` hold what the lock file names, checked by its hashes."""
    if uv:
        words = ["pip", "sync", "--quiet", "--no-config", "--require-hashes", "--python", str(python), str(lock)]
        if _quietly([str(uv), *words], _index()).returncode == 0:
            return
    words = ["install", "--quiet", "--no-deps", "--require-hashes", "--requirement", str(lock)]
    ended = _quietly([*pip(), "--python", str(python), *words])
    if ended.returncode:
        raise Unready(_("The packages could not be installed: {last_line}", last_line=last_line(ended.stderr)))


def last_line(text: str) -> str:
    """The last error in what a program said, else the last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or [_("no reason given")])[-1]


def _index() -> dict[str, str]:
    """Where pip is told to find packages, and whom to trust, told to uv; uv's own variables win."""
    names = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}
    found = {}
    for line in _quietly([*pip(), "config", "list"]).stdout.splitlines():
        name, _, value = line.partition("=")
        if variable := names.get(name.rpartition(".")[2]):
            found[variable] = value.strip("'\"")
    return {variable: value for variable, value in found.items() if variable not in os.environ}


def _quietly(command: Sequence[str], more: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "UV_NO_PROGRESS": "1"} | (more or {})
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def _bundled_pip() -> Path | None:
    """The wheel that comes with Python itself (Debian takes it out of theirs)."""
    spec = find_spec("ensurepip")
    folders = (Path(place) / "_bundled" for place in (spec.submodule_search_locations if spec else None) or ())
    return next((wheel for folder in folders for wheel in sorted(folder.glob("pip-*.whl"))), None)


def _debian_pip() -> Path | None:
    """The wheel from Debian's package python3-pip-whl, installed or unpacked into the cache."""
    home = cache.folder() / "python3-pip-whl"
    wheels = "usr/share/python-wheels"
    if not debian.available():
        return None
    if not any(Path("/", wheels).glob("pip-*.whl")) and not home.exists():
        try:
            debian.unpack("python3-pip-whl", home, kin=())
        except Unready:
            return None
    return next((wheel for root in (Path("/"), home) for wheel in sorted((root / wheels).glob("pip-*.whl"))), None)
