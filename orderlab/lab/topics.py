"""What a lab can do, by topic: shown where `lab` stands alone in a cell, and by `lab.help()`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from html import escape

from orderlab.errors import LabError
from orderlab.language import N_, _
from orderlab.nearest import instead

TOPICS: Mapping[str, tuple[str, ...]] = {
    N_("place"): ("create_order", "post_order", "portal", "login", "forge", "at_once", "new_id"),
    N_("follow"): ("order", "orders", "last", "wait", "events", "journal", "save"),
    N_("draw"): ("diagram", "sequence", "timeline", "compare"),
    N_("step"): ("step_through",),
    N_("break"): ("faults", "processes", "scale", "use", "own"),
    N_("judge"): ("verdict", "verdicts", "matrix", "predicted_matrix", "measured_matrix"),
    N_("look behind"): ("table", "queues", "tap", "consume", "dead", "catalogue", "reserved"),
    N_("tidy up"): ("restock", "reset"),
}
"""Every public method and part of `Lab`, by what it is for."""


def lines(cls: type) -> list[str]:
    """One line per topic; what is called has its brackets."""
    called = {name: f"{name}()" if callable(getattr(cls, name, None)) else name for name in dir(cls)}
    return [f"{_(topic):<12}{', '.join(called.get(name, name) for name in names)}" for topic, names in TOPICS.items()]


def help(cls: type, about: str | None) -> str:
    """What there is, or how one of these is called; raises `LabError` for what there is not."""
    if about is None:
        return "\n".join([*lines(cls), _('\nlab.help("compare") says how one of them is called.')])
    names = [name for named in TOPICS.values() for name in named]
    if about not in names:
        raise LabError(_("There is no {about!r} here.{hint}", about=about, hint=instead(about, names, N_("There are"))))
    return _about(cls, about)


def html(links: Mapping[str, str], text: Sequence[str]) -> str:
    """Addresses to click, and the lines below them."""
    anchors = (f'<a href="{escape(url)}" target="_blank">{escape(name)}</a>' for name, url in links.items())
    return f"{' · '.join(anchors)}<pre>{escape(chr(10).join(text))}</pre>"


def _about(cls: type, name: str) -> str:
    member = inspect.getattr_static(cls, name)
    if not callable(member):
        return f"lab.{name}\n{inspect.getdoc(member)}"
    parameters = [each for each in inspect.signature(member).parameters.values() if each.name != "self"]
    signature = ", ".join(
        each.name + ("" if each.default is each.empty else f"={each.default!r}") for each in parameters
    )
    return f"lab.{name}({signature})\n{inspect.getdoc(member)}"
