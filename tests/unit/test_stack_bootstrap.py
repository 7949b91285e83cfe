"""What runs before there is an environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orderlab.bootstrap import cache, debian, environment, installers
from orderlab.bootstrap.console import Unready

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with lock files, in a folder with a space in its name."""
    root = tmp_path / "my project"
    root.mkdir()
    (root / "requirements.lock").write_text("thing==1\n")
    return root


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stands for the network: a real, empty environment; the list gets what would have been installed."""
    done: list[str] = []
    monkeypatch.setattr(installers, "uv", lambda lock: None)
    monkeypatch.setattr(installers, "install", lambda lock, python, uv: done.append(lock.read_text()))
    return done


def make(root: Path) -> Path:
    return environment.make(root / ".orderlab/venv", root / "requirements.lock", root)


def test_the_environment_is_made_once_and_finds_the_project(project: Path, installed: list[str]) -> None:
    (project / "orderlab_probe.py").write_text("print('found')")
    python = make(project)
    make(project)
    assert installed == ["thing==1\n"]
    ended = subprocess.run([python, "-P", "-c", "import orderlab_probe"], capture_output=True, text=True, check=True)
    assert ended.stdout == "found\n"


def test_a_checkout_that_is_moved_still_works(project: Path, installed: list[str]) -> None:
    (project / "orderlab_probe.py").write_text("print(__file__)")
    make(project)
    moved = project.rename(project.with_name("moved"))
    words = [moved / ".orderlab/venv/bin/python", "-P", "-c", "import orderlab_probe"]
    assert str(moved) in subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_a_new_lock_file_is_installed_into_the_environment_there_is(project: Path, installed: list[str]) -> None:
    kept = make(project).parent / "kept"
    kept.touch()
    (project / "requirements.lock").write_text("thing==2\n")
    make(project)
    assert installed == ["thing==1\n", "thing==2\n"]
    assert kept.exists()


def test_a_set_up_that_was_interrupted_starts_over_cleanly(
    project: Path, installed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(lock: Path, python: Path, uv: Path | None) -> None:
        (python.parent / "half").touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(installers, "install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make(project)
    assert not environment.ready(project / ".orderlab/venv", project / "requirements.lock")
    python = make(project)
    assert not (python.parent / "half").exists()
    assert environment.ready(project / ".orderlab/venv", project / "requirements.lock")


def test_an_environment_whose_python_is_gone_is_made_again(project: Path, installed: list[str]) -> None:
    python = make(project)
    python.unlink()
    python.symlink_to("/no/such/python")
    make(project)
    assert python.exists()
    assert len(installed) == 2


def test_pip_is_found_where_the_module_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = installers.find_spec
    monkeypatch.setattr(installers, "find_spec", lambda name: None if name == "pip" else real(name))
    command = installers.pip()
    assert command[1:] != ["-m", "pip"] or command[0] != sys.executable
    assert subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout.startswith("pip ")


def test_where_no_pip_is_to_be_had_the_line_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installers, "find_spec", lambda name: None)
    monkeypatch.setattr(debian, "available", lambda: False)
    monkeypatch.setattr(installers.shutil, "which", lambda name: None)
    with pytest.raises(Unready, match="python3-pip"):
        installers.pip()


def test_where_uv_fails_pip_installs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def quietly(command: list[str], more: object = None) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        return subprocess.CompletedProcess(command, 1 if command[0] == "uv" else 0, "", "")

    monkeypatch.setattr(installers, "_quietly", quietly)
    installers.install(tmp_path / "a.lock", tmp_path / "python", Path("uv"))
    assert ran[-1][-4:] == ["--no-deps", "--require-hashes", "--requirement", str(tmp_path / "a.lock")]


def test_uv_is_told_the_index_that_pip_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "global.index-url='https://mirror.example/simple'\nglobal.timeout='9'\n"
    monkeypatch.setattr(
        installers, "_quietly", lambda command, more=None: subprocess.CompletedProcess(command, 0, said, "")
    )
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    assert installers._index() == {"UV_DEFAULT_INDEX": "https://mirror.example/simple"}
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://mine.example/simple")
    assert installers._index() == {}


def test_the_cache_has_no_white_space_in_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.folder() == tmp_path / "orderlab"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a b"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(cache.tempfile, "tempdir", None)
    assert cache.folder() == tmp_path / f"orderlab-{os.getuid()}"


def test_lab_takes_a_fitting_python_and_says_so_where_there_is_none(tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    lab.write_text((ROOT / "lab").read_text().replace("/usr/bin/python3", "/no/python3").replace("/opt/", "/no/"))
    lab.chmod(0o755)
    old = tmp_path / "bin/python3"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for tool in ("sh", "dirname", "cmp"):
        (tmp_path / "bin" / tool).symlink_to(f"/bin/{tool}" if Path(f"/bin/{tool}").exists() else f"/usr/bin/{tool}")
    bare = {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)}
    ended = subprocess.run([lab, "up"], env=bare, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("lab: no Python 3.11, 3.12 or 3.13 was found.")
    assert len(ended.stderr.splitlines()) == 1

    package = tmp_path / "orderlab/bootstrap"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import sys; print('set up by', sys.argv[1:])")
    named = bare | {"ORDERLAB_PYTHON": sys.executable}
    ended = subprocess.run([lab, "up", "a b"], env=named, capture_output=True, text=True, check=True)
    assert ended.stdout == "set up by ['up', 'a b']\n"
