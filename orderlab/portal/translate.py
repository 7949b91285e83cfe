"""`python -m orderlab.portal.translate`: gather the portal's texts, update the Spanish .po, compile its .mo.

English is the language of the source; what has no Spanish yet is listed, and a test fails for it.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

HERE = Path(__file__).parent
PO = HERE / "translations" / "es" / "LC_MESSAGES" / "messages.po"
MO = PO.with_suffix(".mo")
_WHERE = [("**.py", "python"), ("templates/**.html", "jinja2")]


def gathered() -> Catalog:
    """Every text of the portal that is marked for translation."""
    catalog = Catalog()
    for _file, _line, message, _comments, _context in extract_from_dir(HERE, _WHERE):
        catalog.add(message)
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
    return [str(message.id) for message in catalog if message.id and (message.fuzzy or not message.string)]


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
