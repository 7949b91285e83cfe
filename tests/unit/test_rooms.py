"""The rooms import downwards only, and CONTRIBUTING's map shows them as they are."""

from __future__ import annotations

from importlinter import cli as linter

from tests import rooms


def test_no_room_imports_from_one_above_it_and_no_imports_go_in_a_circle() -> None:
    assert linter.lint_imports(config_filename=str(rooms.ROOT / "pyproject.toml")) == 0


def test_the_map_in_contributing_shows_every_module_and_the_picture_every_import() -> None:
    assert rooms.block() in rooms.CONTRIBUTING.read_text(), "run: python -m tests.rooms"
