"""The drawings' colours, and what becomes of them where it is dark. Standard library only.

Colours are attributes, so that a drawing looks right wherever a style sheet is refused; one style sheet puts others in
their place for a reader who prefers dark.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from orderlab.drawing.marks import Mark
from orderlab.sequence import Lane, Outcome

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"
PAPER, INK, MUTED, LINE, HEAD, ON_HEAD = "#fdfdfb", "#1d2733", "#5c6773", "#c8d0d9", "#22304a", "#ffffff"
ON_COLOUR = "#fffffe"
"""What is written on a coloured ground."""
WORK, WORK_EDGE = "#e6ecf5", "#9fb0c8"
"""The bar on the line of a lane at work."""


@dataclass(frozen=True)
class Stroke:
    """How an arrow looks for the way its step ended: never by colour alone."""

    name: str  # in the legend
    colour: str
    dash: str = ""
    width: float = 1.8


WELL, LATER, AGAIN = Stroke("well", "#1f5fbf"), Stroke("later", "#a15c00", "7 4"), Stroke("again", "#6b3fb5", "2 3")
REFUSED, BROKEN = Stroke("refused", "#b3245c", "11 3 2 3"), Stroke("failed", "#c01818", "5 3")
STROKES = {
    Outcome.OK: WELL,
    Outcome.DEFERRED: LATER,
    Outcome.REDELIVERED: AGAIN,
    Outcome.SECOND_COPY: AGAIN,
    Outcome.ALREADY_DONE: AGAIN,
    Outcome.DUPLICATE: AGAIN,
    Outcome.INVALID_TOKEN: REFUSED,
    Outcome.CONFLICT: REFUSED,
    Outcome.OUT_OF_STOCK: REFUSED,
    Outcome.DECLINED: REFUSED,
    Outcome.REJECTED: REFUSED,
    Outcome.FAILED: BROKEN,
}
GHOST, UNRECORDED = Stroke("missing", MUTED, "1 6", 1.6), Stroke("unrecorded", MUTED)
HOLLOW: Mapping[Mark | None, Stroke] = {Mark.MISSING: GHOST, Mark.UNRECORDED: UNRECORDED}
"""Arrows of which there is no record."""

UNDER: Mapping[Mark | None, tuple[str, str]] = {
    Mark.LIT: ("#fff1b8", "#c98a00"),
    Mark.ONLY_HERE: ("#e3f4ec", "#18794e"),
    Mark.DIFFERS: ("#fbe9dc", "#b4540a"),
    Mark.HARM: ("#fbd5d5", "#a31414"),
}
"""What lies under a marked arrow: a colour, and that of the bar at its left."""

BAND = {False: ("#efe9f9", "#5a2fa3"), True: ("#fde3e3", "#a31414")}
"""The tint and the ink of a band: something begins, or something broke off."""

LANES = {
    Lane.USER: "#6c7784",
    Lane.PORTAL: "#0e7a75",
    Lane.ORDERS_API: "#1f5fbf",
    Lane.RABBITMQ: "#b85c00",
    Lane.WORKER: "#7a3fb5",
    Lane.POSTGRESQL: "#3c7a1f",
}
"""A lane's colour, in timelines."""

_DARK = {
    PAPER: "#12171e",
    INK: "#e6ebf1",
    MUTED: "#a3afbb",
    LINE: "#3a4654",
    HEAD: "#33476b",
    ON_COLOUR: "#0b0f14",
    WORK: "#22303f",
    WORK_EDGE: "#56708f",
    WELL.colour: "#79aefc",
    LATER.colour: "#e3a547",
    AGAIN.colour: "#b9a3ff",
    REFUSED.colour: "#ff86b0",
    BROKEN.colour: "#ff8379",
    "#fff1b8": "#4a3d10",
    "#c98a00": "#e0b23c",
    "#e3f4ec": "#123524",
    "#18794e": "#4fc28a",
    "#fbe9dc": "#43270f",
    "#b4540a": "#f0a060",
    "#fbd5d5": "#571d1d",
    "#efe9f9": "#2a2145",
    "#5a2fa3": "#c5b0ff",
    "#fde3e3": "#451a1a",
    "#a31414": "#ffa3a3",
    "#6c7784": "#9aa6b3",
    "#0e7a75": "#45c4bd",
    "#b85c00": "#f0953a",
    "#7a3fb5": "#c08cf5",
    "#3c7a1f": "#7fc35c",
}


def style(extra: Mapping[str, str] | None = None) -> str:
    """The text of a style sheet that says what becomes of each colour where it is dark."""
    rules = "".join(
        f'[fill="{light}"]{{fill:{dark}}}[stroke="{light}"]{{stroke:{dark}}}'
        for light, dark in {**_DARK, **(extra or {})}.items()
    )
    return f"@media (prefers-color-scheme:dark){{{rules}}}"


STYLE = style()


def fingerprint(text: str) -> str:
    """A style sheet's source in a content security policy."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
