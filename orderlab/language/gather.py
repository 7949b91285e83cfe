"""`python -m orderlab.language.gather`: gather all texts, update the Spanish .po, compile its .mo.

English is the language of the source; what has no Spanish yet is listed, and a test fails for it. Gathered are texts
in `_`, `N_`, `Said` and `ngettext`, the portal's templates, the docstrings of errors, the command's
help, and the names of products.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

PACKAGE = Path(__file__).parents[1]
PO = Path(__file__).parent / "translations" / "es" / "LC_MESSAGES" / "messages.po"
MO = PO.with_suffix(".mo")

_TEMPLATES = [("portal/templates/**.html", "jinja2")]
_MARKS = ("_", "N_", "Said", "ngettext")
_DECORATORS = ("command", "group")
_OPTION_TEXTS = ("help", "metavar", "short_help")


def gathered() -> Catalog:
    """Every text that is marked for translation, or is shown though it is no literal of a call."""
    catalog = Catalog()
    for _file, _line, message, _comments, _context in extract_from_dir(
        PACKAGE, [("portal/templates/**.html", "jinja2")]
    ):
        catalog.add(message)
    trees = [ast.parse(file.read_text("utf-8")) for file in sorted(PACKAGE.rglob("*.py"))]
    for text in (
        *_marked(trees),
        *_errors(trees),
        *_command(ast.parse((PACKAGE / "cli.py").read_text("utf-8"))),
        *_products(),
    ):
        catalog.add(text)
    return catalog


def spanish() -> Catalog:
    """The translations as they stand in the .po."""
    with PO.open("rb") as file:
        return read_po(file, locale="es")


def compiled(catalog: Catalog) -> bytes:
    """The .mo that belongs to a catalogue."""
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def untranslated(catalog: Catalog) -> list[str]:
    """The texts that have no translation, or one that is only guessed."""
    return [
        str(message.id)
        for message in catalog
        if message.id
        and (message.fuzzy or not all(message.string if isinstance(message.string, tuple | list) else [message.string]))
    ]


def _marked(trees: list[ast.Module]) -> Iterator[str | tuple[str, str]]:
    """The literals that are marked; both forms of those that go by a number."""
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _MARKS:
            texts = [str(each.value) for each in node.args[:2] if isinstance(each, ast.Constant)]
            if node.func.id == "ngettext":
                yield (texts[0], texts[1])
            elif texts and texts[0]:
                yield texts[0]


def _errors(trees: list[ast.Module]) -> Iterator[str]:
    """The docstrings of all errors, which are their messages: `OrderlabError` and what derives from it."""
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    errors = {"OrderlabError", "Interrupted", "Unready"}
    while more := {one.name for one in classes if errors & set(map(ast.unparse, one.bases))} - errors:
        errors |= more
    return (doc for one in classes if one.name in errors and (doc := ast.get_docstring(one)))


def _command(tree: ast.Module) -> Iterator[str]:
    """The command's help: docstrings of its commands, and the texts of its options."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(map(_is_command, node.decorator_list)):
            yield inspect.cleandoc(ast.get_docstring(node) or "")
        if isinstance(node, ast.keyword) and node.arg in _OPTION_TEXTS and isinstance(node.value, ast.Constant):
            yield str(node.value.value)


def _products() -> list[str]:
    """What the products are called in the shop."""
    return re.findall(r"^    \('[A-Z-]+', +'([^']+)'", (PACKAGE / "catalogue.sql").read_text("utf-8"), re.MULTILINE)


def _is_command(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Attribute) and called.attr in _DECORATORS


def main() -> int:
    """Update both files; 1 if something remains to be translated."""
    catalog = spanish()
    catalog.update(gathered(), no_fuzzy_matching=True, update_creation_date=False)
    catalog.obsolete.clear()
    with PO.open("wb") as file:
        write_po(file, catalog, width=110, no_location=True, sort_output=True)
    MO.write_bytes(compiled(catalog))
    missing = untranslated(catalog)
    print("\n".join(f"without Spanish: {text}" for text in missing) or "all translated")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
