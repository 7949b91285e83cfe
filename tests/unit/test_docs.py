"""What the documents say, as far as it can be checked: links, commands, paths, names, settings, dependencies."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from itertools import chain
from pathlib import Path

import click
import pytest

from orderlab.cli import main
from orderlab.drawing.drawing import Drawing
from orderlab.messages import AUDIENCES, NOTIFICATION, ORDER_CONFIRMED, ORDER_CREATED, ORDER_REJECTED
from orderlab.order import REJECTION_REASONS, Design, Status
from orderlab.sequence import OTHER_STEPS, STEPS, WEBHOOK_CUSTOMER, WEBHOOK_OPERATIONS, Lane
from orderlab.settings import Settings
from orderlab.stack.home import SERVICES
from orderlab.topology import EXCHANGES, QUEUES
from tests.sample_events import event, happy

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)

GLOSSARY = (ROOT / "docs/glossary.md").read_text()
WHY = (ROOT / "docs/why.md").read_text()
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()

PROGRAMS_THAT_OTHERS_MAKE = {"jupyter", "postgresql", "rabbitmq"}
SET_BY_HAND = {"ORDERLAB_HOME", "ORDERLAB_PYTHON", "ORDERLAB_LANGUAGE"}


def anchors(file: Path) -> set[str]:
    """The anchors of a page's headings, as they are made on the web."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section(text: str, heading: str) -> str:
    """What stands under a heading."""
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def quoted(text: str) -> set[str]:
    """Every word in backticks."""
    return set(re.findall(r"`([^`\n]+)`", text))


def rows(text: str) -> set[str]:
    """The words in backticks of the first column of a table."""
    return {word for line in text.splitlines() if line.startswith("| `") for word in quoted(line.split("|")[1])}


@page
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@page
def test_every_command_that_is_named_exists_with_its_options(page: Path) -> None:
    for name, words in re.findall(r"\./lab ([a-z]+)((?: -{1,2}[a-z-]+)*)", page.read_text()):
        command = main.commands.get(name)
        assert isinstance(command, click.Command), f"./lab {name}"
        known = {option for parameter in command.params for option in parameter.opts}
        assert name == "test" or set(words.split()) <= known, f"./lab {name}{words}"


def test_the_readme_names_every_command() -> None:
    assert {name for name in main.commands if f"./lab {name}" not in README} == set()


@page
def test_every_module_and_file_that_is_named_exists(page: Path) -> None:
    text = page.read_text()
    modules = re.findall(r"python -m ((?:orderlab|tests|bench)[\w.]*)", text)
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []
    made = {".env", ".orderlab"}
    files = {word for word in quoted(text) if re.fullmatch(r"[\w.-]+(/[\w.-]+)+|[\w-]+\.(lock|toml|yml|md)", word)}
    files = {name for name in files if name.split("/")[0] not in made}
    beside = (ROOT, ROOT / "orderlab/services")  # a list of plumbing may name its files alone
    assert [name for name in files if not any((folder / name).exists() for folder in beside)] == []


def test_the_readme_shows_what_up_prints() -> None:
    *until_notified, acked = happy()
    events = [*until_notified, event(WEBHOOK_OPERATIONS, 181), event(WEBHOOK_CUSTOMER, 182), acked]
    assert Drawing.of(events).text.strip("\n") in README


def test_the_picture_of_the_portal_is_small_enough_to_be_looked_at_over_a_slow_line() -> None:
    assert (ROOT / "docs/portal.png").stat().st_size < 200_000


def test_the_glossary_has_each_lane_status_and_reason() -> None:
    words = quoted(GLOSSARY)
    expected = {*Lane, *Status, *REJECTION_REASONS, *AUDIENCES, *Design().as_dict()}
    assert {word for word in expected if word not in words} == set()
    assert {word for word in words if re.fullmatch(r"(?!ORDERLAB)[A-Z]+(_[A-Z]+)*", word)} == {*Status}


def test_the_glossary_names_steps_that_exist() -> None:
    labels = {step.label for step in (*STEPS, *OTHER_STEPS)}
    assert {word for word in quoted(GLOSSARY) if re.fullmatch(r"\d+[a-z]?", word)} <= labels


def test_the_glossary_has_each_table() -> None:
    schema = (ROOT / "orderlab/schema.sql").read_text()
    assert rows(section(GLOSSARY, "Tables")) == set(re.findall(r"CREATE TABLE IF NOT EXISTS ([\w.]+) ", schema))


def test_the_glossary_has_each_exchange_queue_and_message() -> None:
    words = quoted(section(GLOSSARY, "Messages"))
    dotted = {word for word in words if "." in word}
    assert dotted == {thing.name for thing in (*EXCHANGES, *QUEUES)}
    messages = {word for word in words if word[0].isupper()}
    assert messages - {"POST /orders"} == {ORDER_CREATED, ORDER_CONFIRMED, ORDER_REJECTED, NOTIFICATION}


def test_the_glossary_has_each_program() -> None:
    assert rows(section(GLOSSARY, "Programs")) == {*SERVICES, "portal", *PROGRAMS_THAT_OTHERS_MAKE}


def test_the_glossary_has_each_setting() -> None:
    settings = {f"ORDERLAB_{name.upper()}" for name in Settings.__dataclass_fields__}
    assert rows(section(GLOSSARY, "Settings")) == settings | SET_BY_HAND
    code = (ROOT / "lab").read_text() + (ROOT / "orderlab/stack/home.py").read_text()
    code += (ROOT / "orderlab/language/language.py").read_text()
    assert [name for name in SET_BY_HAND if name not in code] == []


def test_every_setting_that_a_page_names_exists() -> None:
    known = {f"ORDERLAB_{name.upper()}" for name in Settings.__dataclass_fields__} | SET_BY_HAND
    named = {name for page in PAGES for name in re.findall(r"ORDERLAB_[A-Z_]+", page.read_text())}
    assert {name for name in named if name.removesuffix("_FILE") not in known} == set()


def test_every_dependency_is_explained_and_what_is_explained_is_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {*project["dependencies"], *chain(*project["optional-dependencies"].values())}
    names = {re.split(r"[\s\[<>=;!~]", requirement)[0].lower() for requirement in declared}
    explained = rows(section(WHY, "Libraries"))
    assert names - explained == set()
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE))
    assert explained - locked == set()
