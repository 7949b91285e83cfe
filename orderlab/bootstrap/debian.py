"""Debian's packages used without installing them: downloaded by apt-get, unpacked by dpkg, no admin rights."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from orderlab.bootstrap.console import Unready
from orderlab.language import _

_STATUS = Path("/var/lib/dpkg/status")


def available() -> bool:
    """Whether this machine has Debian's tools (Debian, Ubuntu and their kin)."""
    return bool(shutil.which("apt-get") and shutil.which("dpkg")) and _STATUS.exists()


def unpack(package: str, into: Path, *, kin: tuple[str, ...], adjust: Callable[[Path], None] | None = None) -> None:
    """Unpack a package, its kin (dependencies that start so) and the libraries they lack here, as the folder `into`.

    `adjust` gets the folder before it takes its name, so that `into` is there whole or not at all.
    Raises `Unready` with apt's own words where the packages can't be had.
    """
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=f".{into.name}-") as folder:
        work = Path(folder)
        root = work / "root"
        root.mkdir()
        for archive in _download(package, kin, work):
            _run(["dpkg", "--extract", str(archive), str(root)])
        if adjust:
            adjust(root)
        try:
            root.rename(into)
        except OSError:
            if not into.exists():  # another checkout may have been first
                raise


def _download(package: str, kin: tuple[str, ...], work: Path) -> list[Path]:
    """The .deb files, by the machine's package lists if they serve, else by fresh lists of our own."""
    try:
        return _fetch(package, kin, work, lists_of_our_own=False)
    except Unready:
        return _fetch(package, kin, work, lists_of_our_own=True)


def _fetch(package: str, kin: tuple[str, ...], work: Path, *, lists_of_our_own: bool) -> list[Path]:
    status = work / "status"
    status.write_text(_without((package, *kin)))
    (work / "cache/archives/partial").mkdir(parents=True, exist_ok=True)
    apt = ["apt-get", "-o", f"Dir::State::status={status}", "-o", f"Dir::Cache={work / 'cache'}"]
    apt += ["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User="]
    if lists_of_our_own:
        (work / "state/lists/partial").mkdir(parents=True, exist_ok=True)
        apt += ["-o", f"Dir::State={work / 'state'}", "-o", "Acquire::Languages=none", "-o", "Acquire::Retries=2"]
        # One source of many that fails is no reason to stop: whether it was needed shows below.
        _run([*apt, "update"], check=False)
    planned = _run([*apt, "--simulate", "--no-install-recommends", "install", package])
    words = [line.split() for line in planned.splitlines() if line.startswith("Inst ")]
    names = [word[1] for word in words if word[1].startswith((package, "lib", *kin))]
    _run([*apt, "download", *names], cwd=work)
    return sorted(work.glob("*.deb"))


def _without(prefixes: tuple[str, ...]) -> str:
    """dpkg's status as if nothing that starts so were installed: a half-installed set would not be whole."""
    paragraphs = _STATUS.read_text(errors="replace").split("\n\n")
    return "\n\n".join(p for p in paragraphs if not p.startswith(tuple(f"Package: {name}" for name in prefixes)))


def _run(command: list[str], *, cwd: Path | None = None, check: bool = True) -> str:
    environment = os.environ | {"LC_ALL": "C"}
    ended = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if check and ended.returncode:
        lines = [line for line in ended.stderr.splitlines() if line.startswith("E:")] or ended.stderr.splitlines()
        raise Unready(
            _("{command} could not do it: {reason}", command=command[0], reason=(lines or [_("no reason given")])[-1])
        )
    return ended.stdout
