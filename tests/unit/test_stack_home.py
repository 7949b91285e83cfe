"""A lab's private folder."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from orderlab.stack import Home, StackError, State
from orderlab.stack.home import write_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    home = Home(tmp_path / "a home")
    home.make()
    secrets = home.secrets()
    assert Home(home.path).secrets() == secrets
    assert mode(home.path) == 0o700
    assert mode(home.path / "secrets.json") == 0o600


def test_every_secret_is_another_and_long_enough(tmp_path: Path) -> None:
    one, two = Home(tmp_path / "one").secrets(), Home(tmp_path / "two").secrets()
    values = [*one.values(), *two.values()]
    assert len(set(values)) == len(values)
    assert all(len(value) >= 32 for value in values)
    assert one["webhook"].startswith("whsec_")


def test_a_secret_that_came_later_is_added_and_the_others_stay(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write_private(tmp_path / "secrets.json", '{"jwt": "kept"}')
    assert home.secrets()["jwt"] == "kept"
    assert home.secrets()["owner"]


def test_what_up_remembers_is_forgotten_by_down_but_for_ports_and_numbers(tmp_path: Path) -> None:
    home = Home(tmp_path)
    state = State(api_url="http://127.0.0.1:8000", ports={"orders-api": 8000}, scale={"worker": 3})
    home.remember(state)
    assert home.state() == state
    assert mode(tmp_path / "lab.json") == 0o600
    home.forget()
    assert home.state() is None
    assert home.choices() == ({"orders-api": 8000}, {"worker": 3})


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text("{")
    with pytest.raises(StackError, match=r"secrets\.json is damaged"):
        Home(tmp_path).secrets()


def test_a_file_that_cannot_be_written_leaves_the_old_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lab.json"
    write_private(file, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StackError, match="No space left on device"):
        write_private(file, "new")
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["lab.json"]
