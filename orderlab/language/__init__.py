"""English and Spanish: which of them is spoken, and the one catalogue of texts for all rooms.

It may import the standard library only (`gather`, a developer's command, Babel too). Every room may import it.
"""

from orderlab.language.language import (
    LANGUAGES,
    N_,
    Said,
    _,
    current,
    default,
    fitting,
    ngettext,
    of_terminal,
    speak,
    using,
)
from orderlab.language.speaking import spoken

__all__ = [
    "LANGUAGES",
    "N_",
    "Said",
    "_",
    "current",
    "default",
    "fitting",
    "ngettext",
    "of_terminal",
    "speak",
    "spoken",
    "using",
]
