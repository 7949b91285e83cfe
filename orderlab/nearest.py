"""What somebody probably meant. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from orderlab.language import _


def nearest(word: object, known: Iterable[str]) -> str:
    """A sentence that names what was probably meant, with a blank before it; empty where nothing comes near."""
    by_lower = {name.lower(): name for name in known}
    asked = str(word).lower() if isinstance(word, str | int) else ""
    found = get_close_matches(asked, by_lower, n=1)
    return _(" Did you mean {name!r}?", name=by_lower[found[0]]) if found else ""


def instead(word: object, known: Iterable[str], called: str) -> str:
    """What could be said in place of a word that is not known, with a blank before it; `called` is what they are."""
    names = list(known)
    return f"{nearest(word, names)} {_(called)}: {', '.join(names)}."
