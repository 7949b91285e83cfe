"""The lab in containers, as far as it goes without an engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from orderlab.stack import Home, StackError, docker


def test_where_there_is_no_docker_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker.shutil, "which", lambda name: None)
    with pytest.raises(StackError, match="There is no Docker here"):
        docker.up(Home(tmp_path))


def test_where_no_engine_answers_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker.shutil, "which", lambda name: "/usr/bin/docker")
    monkeypatch.setattr(docker, "_works", lambda *command: False)
    monkeypatch.setattr(docker, "ENVIRONMENT", tmp_path / ".env")
    with pytest.raises(StackError, match="No Docker engine answers"):
        docker.up(Home(tmp_path))
    assert not (tmp_path / ".env").exists()


def test_the_secrets_file_is_made_once_and_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    monkeypatch.setattr(docker, "ENVIRONMENT", file)
    docker.write_environment(Home(tmp_path))
    made = file.read_text()
    docker.write_environment(Home(tmp_path))
    assert file.read_text() == made
    assert file.stat().st_mode & 0o777 == 0o600
    lines = dict(line.split("=", 1) for line in made.splitlines())
    assert all(len(value) >= 32 for value in lines.values())
