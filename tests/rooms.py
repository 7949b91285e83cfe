"""Writes the map of the rooms into CONTRIBUTING.md, and the picture of their imports: `python -m tests.rooms`."""

from __future__ import annotations

import ast
import re
import textwrap
import tomllib
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
MARKS = "<!-- written by python -m tests.rooms -->", "<!-- end of what is written -->"
GROUND, STORE = "ground floor", "store and journal"
"""What single modules are called in the picture: those below the faults, and those above them."""


def layers() -> list[list[str]]:
    """The rooms from top to bottom, as the linter has them; those of one layer know nothing of each other, or may."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    return [re.split(r" [|:] ", line) for line in contract["layers"]]


def map_of_rooms() -> str:
    """Every room with what it is for, and every module in it."""
    lines = ["orderlab/"]
    for room in (room for layer in layers() for room in layer):
        path = ROOT / "orderlab" / room
        name = f"  {room}/" if path.is_dir() else f"  {room}.py"
        said = textwrap.wrap(_says(path / "__init__.py" if path.is_dir() else path.with_suffix(".py")), 98)
        lines += [f"{name if n == 0 else '':<20}{line}" for n, line in enumerate(said)]
        if modules := sorted(_modules(path)):
            lines += textwrap.wrap(", ".join(modules), 98, initial_indent=" " * 20, subsequent_indent=" " * 20)
    return "\n".join(lines)


def picture() -> str:
    """The imports between rooms as a Mermaid flowchart; an arrow that follows from two others is left out."""
    rooms = [room for layer in layers() for room in layer]
    graph = grimp.build_graph("orderlab", exclude_type_checking_imports=True)
    packages = {room for room in rooms if (ROOT / "orderlab" / room).is_dir()}
    single = STORE
    home = dict[str, str]()
    for room in rooms:
        single = GROUND if room == "faults" else single
        home[room] = room if room in packages or room == "cli" else single
    edges = {
        (home[a], home[b])
        for a in rooms
        for b in rooms
        if home[a] != home[b]
        and graph.direct_import_exists(importer=f"orderlab.{a}", imported=f"orderlab.{b}", as_packages=True)
    }
    kept = [edge for edge in edges if not _follows(edge, edges - {edge})]
    order = lambda edge: [rooms.index(room) if room in rooms else len(rooms) for room in edge]  # noqa: E731
    return "\n".join(["flowchart TD", *(f"    {_id(a)}[{a}] --> {_id(b)}[{b}]" for a, b in sorted(kept, key=order))])


def block() -> str:
    """What stands between the marks."""
    said = (
        "The imports between rooms. What follows from other arrows is not drawn. Single modules are the "
        f"{GROUND}; those from the faults upward, the {STORE}:"
    )
    parts = [MARKS[0], f"```text\n{map_of_rooms()}\n```", textwrap.fill(said, 118), f"```mermaid\n{picture()}\n```"]
    return "\n\n".join([*parts, MARKS[1]])


def _follows(edge: tuple[str, str], edges: set[tuple[str, str]]) -> bool:
    """Whether there is another way from one room to the other."""
    seen, todo = set[str](), [edge[0]]
    while todo:
        here = todo.pop()
        after = {b for a, b in edges if a == here} - seen
        if edge[1] in after:
            return True
        seen |= after
        todo += after
    return False


def _id(room: str) -> str:
    return room.replace(" ", "_")


def _modules(path: Path) -> list[str]:
    if not path.is_dir():
        return []
    found = [
        str(p.relative_to(path).with_suffix("")).replace("/__init__", "/")
        for p in path.rglob("*.py")
        if p.parent != path or p.name != "__init__.py"
    ]
    return [name for name in found if not name.endswith("/") and name != "__main__"]


def _says(file: Path) -> str:
    """The first sentence of a module's docstring, in one line."""
    told = " ".join((ast.get_docstring(ast.parse(file.read_text())) or "").split("\n\n")[0].split())
    return re.split(r"(?<=[.])\s", told)[0].rstrip(".")


def main() -> None:
    """Write it between the marks."""
    text = CONTRIBUTING.read_text()
    before, rest = text.split(MARKS[0])
    CONTRIBUTING.write_text(before + block() + rest.split(MARKS[1])[1])


if __name__ == "__main__":
    main()
