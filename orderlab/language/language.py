"""Which language is spoken, and a text in it. English is the language of the source. Standard library only."""

from __future__ import annotations

import gettext
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = {"es": "Español", "en": "English"}
"""The languages by their codes, and what each calls itself."""

TRANSLATIONS = Path(__file__).parent / "translations"
"""The folder of the catalogue; gettext and Flask-Babel read the same files."""

_spoken: ContextVar[str | None] = ContextVar("language", default=None)


def fitting(wanted: str | None) -> str:
    """The language for a wish such as "es", "es-MX" or "es_ES.UTF-8"; English where it is none of ours."""
    code = (wanted or "").lower()[:2]
    return code if code in LANGUAGES else "en"


_default = fitting(os.environ.get("ORDERLAB_LANGUAGE"))


def current() -> str:
    """The language that is spoken here and now: "en" or "es"."""
    return _spoken.get() or _default


def default(language: str) -> None:
    """Speak this language in the whole process, wherever `using` says nothing else."""
    global _default
    _default = fitting(language)


def speak(language: str) -> None:
    """Speak this language from here on, in this thread (or greenlet, or task) alone."""
    _spoken.set(fitting(language))


@contextmanager
def using(language: str) -> Iterator[None]:
    """Speak this language in the block, and in this thread (or greenlet, or task) alone."""
    before = _spoken.set(fitting(language))
    try:
        yield
    finally:
        _spoken.reset(before)


def of_terminal(environment: Mapping[str, str]) -> str:
    """The language of a terminal: ORDERLAB_LANGUAGE, then LC_ALL, LC_MESSAGES and LANG, as programs read them."""
    names = ("ORDERLAB_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
    return fitting(next((environment[name] for name in names if environment.get(name)), ""))


def _(text: str, **values: Any) -> str:
    """The text in the language that is spoken; `{name}` in it stands for one of `values`, as in `str.format`."""
    if isinstance(text, Said):
        return _(text.text, **{**text.values, **values})
    if not text:
        return ""  # gettext answers the empty text with the catalogue's heading
    translated = _catalogue(current()).gettext(text)
    return translated.format(**{name: _of(value) for name, value in values.items()}) if values else translated


def ngettext(one: str, many: str, n: int, **values: Any) -> str:
    """The text for this number, which stands in it as `{n}`."""
    return _catalogue(current()).ngettext(one, many, n).format(n=n, **values)


def N_(text: str) -> str:
    """Mark a text for the catalogue; whoever shows it says `_(text)`."""
    return text


class Said(str):
    """A text that is data and is shown later: in English itself, and in the language then spoken with `_(said)`."""

    text: str
    values: Mapping[str, Any]

    def __new__(cls, text: str, **values: Any) -> Said:
        said = super().__new__(cls, text.format(**values) if values else text)
        said.text, said.values = text, values
        return said


def _of(value: Any) -> Any:
    return _(value) if isinstance(value, Said) else value


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    return gettext.translation("messages", str(TRANSLATIONS), [language], fallback=language == "en")
