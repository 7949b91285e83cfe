"""docker-compose.yml as a Compose implementation sees it, as far as the tests need one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docker-compose.yml"

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<word>[^}]*))?\}")


def variables() -> Iterator[tuple[str, str | None]]:
    """Every variable that the file reads, and its default where it has one."""
    for found in _VARIABLE.finditer(FILE.read_text()):
        yield found["name"], found["word"] if found["kind"] == "-" else None


def services(environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The file's services with their variables filled in; `KeyError` for one that is nowhere."""

    def value(found: re.Match[str]) -> str:
        given = environment.get(found["name"], "")
        return given or (found["word"] if found["kind"] == "-" else environment[found["name"]])

    read = yaml.safe_load(_VARIABLE.sub(value, FILE.read_text()))
    return dict(read["services"])


def started_in_order(all_of_them: Mapping[str, dict[str, Any]]) -> list[str]:
    """The services' names, each after those that it depends on."""
    order: list[str] = []

    def add(name: str) -> None:
        for needed in all_of_them[name].get("depends_on", {}):
            add(needed)
        if name not in order:
            order.append(name)

    for name in all_of_them:
        add(name)
    return order
