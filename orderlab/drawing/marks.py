"""What a drawing can say of an arrow, beside how it ended. Standard library only."""

from __future__ import annotations

from enum import Enum, auto


class Mark(Enum):
    """One mark an arrow; the words for it are in words.py."""

    LIT = auto()  # the arrow that somebody looks at now
    LATER = auto()  # one that comes after that
    MISSING = auto()  # a ghost: expected, and not there
    UNRECORDED = auto()  # it happened, and the record of it died with its process
    ONLY_HERE = auto()  # on the other side there is none
    DIFFERS = auto()  # on the other side it ended otherwise
    HARM = auto()  # on this side it did what should not have been: a second charge
    ABSENT = auto()  # it is not drawn, and its place stays empty
