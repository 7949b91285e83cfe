"""Objects that keep to the language they were made in, so that two labs can speak two languages in one notebook."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from orderlab.language.language import current, using

C = TypeVar("C", bound=type)

_SHOWN = ("__str__", "__repr__", "_repr_html_", "_repr_mimebundle_", "_repr_pretty_")


def spoken(cls: C) -> C:
    """Let what an object of this class says be in the language that was spoken when it was made."""
    for name, member in list(vars(cls).items()):
        if name.startswith("_") and name not in _SHOWN:
            continue
        if isinstance(member, property):
            setattr(cls, name, property(_in_its_language(member.fget), member.fset, member.fdel, member.__doc__))
        elif isinstance(member, functools.cached_property):
            member.func = _in_its_language(member.func)
        elif inspect.isfunction(member):
            setattr(cls, name, _in_its_language(member))
    setattr(cls, "__init__", _remembering(cls.__init__))  # type: ignore[misc]  # noqa: B010
    return cls


def language_of(thing: Any) -> str:
    """The language in which this was made; the one that is spoken where it remembers none."""
    return getattr(thing, "_language", None) or current()


def _in_its_language(function: Any) -> Any:
    @functools.wraps(function)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        with using(language_of(self)):
            return function(self, *args, **kwargs)

    return call


def _remembering(init: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(init)
    def call(self: Any, *args: Any, **kwargs: Any) -> None:
        if not hasattr(self, "_language"):
            object.__setattr__(self, "_language", current())  # as frozen dataclasses do
        init(self, *args, **kwargs)

    return call
