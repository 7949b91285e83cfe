"""What each cell of the matrices must come to, written down before it is run, with the reason. Pure.

A cell is a kind of fault at one side of one step, met by an order of one design. Mind that a step which is a request
ends with its answer: after 2 is after 3 too, and after 4 is after 10. The rules below are tried from top to bottom,
and the first that fits a cell is its expectation; where none fits, the order comes through: `correct`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orderlab.faults.model import AFTER, BEFORE, DROPPABLE, ERRORS, REPEATABLE
from orderlab.language import N_, _
from orderlab.order import DESIGNS
from orderlab.sequence import OTHER_STEPS, STEPS
from orderlab.verdicts.rules import Word

CRASH, FAIL, DROP, DUPLICATE, RABBITMQ, POSTGRESQL = "crash", "fail", "drop", "duplicate", "rabbitmq", "postgresql"
KINDS = {
    CRASH: N_("SIGKILL to the process that performs the step"),
    FAIL: N_("the error that the step would meet"),
    DROP: N_("the step's effect gets lost"),
    DUPLICATE: N_("the step's effect happens twice"),
    RABBITMQ: N_("SIGKILL to RabbitMQ while the order is at the step"),
    POSTGRESQL: N_("SIGKILL to PostgreSQL while the order is at the step"),
}
"""The matrices by name, and what is done in a cell of each."""

LABELS = tuple(
    sorted({step.label for step in (*STEPS, *OTHER_STEPS)}, key=lambda label: (int(label.rstrip("abc")), label))
)
"""1 to 19, with 15c, 18a and 18b in their places."""


@dataclass(frozen=True)
class Cell:
    """One cell: this happens at this side of this step, to an order of this design."""

    kind: str
    step: str
    side: str
    design: str

    @property
    def name(self) -> str:
        """Its name, which is also how its order's id begins."""
        return f"{self.kind}-{self.step}-{self.side}-{self.design}"

    @property
    def payment_token(self) -> str:
        """15c happens only where the payment is declined."""
        return "tok_declined" if self.step == "15c" else "tok_ok"


@dataclass(frozen=True)
class Expectation:
    """What a cell must come to, and why. Two words where it is a race which of them it is."""

    words: tuple[Word, ...]
    because: str

    def __str__(self) -> str:
        return _(" or ").join(_(word.value) for word in self.words)


@dataclass(frozen=True)
class Rule:
    """One line of the prediction: which cells it is about, what they come to, and why."""

    kinds: str
    gates: str  # "8+ 9-": after 8, before 9; "12": both sides
    designs: str
    word: Word | tuple[Word, ...]
    because: str

    def fits(self, cell: Cell) -> bool:
        """Whether it is about this cell."""
        return (
            cell.kind in self.kinds.split()
            and cell.design in self.designs.split()
            and not {cell.step, cell.step + ("-" if cell.side == BEFORE else "+")}.isdisjoint(self.gates.split())
        )


_CORRECT, _OVERSOLD, _LOST, _DUPLICATED = Word.CORRECT, Word.OVERSOLD, Word.LOST, Word.DUPLICATED

_OUTBOX_ONLY = "no-idempotent-consumer"
_IDEMPOTENT_ONLY = "no-outbox"
_AS_DRAWN = "as-drawn"
_NO_OUTBOX = "no-outbox as-drawn"
_FORGETFUL = "no-idempotent-consumer as-drawn"  # consumers that do not know what they have done

RULES = (
    # 8, 9: the dual write
    Rule(
        "crash fail",
        "8+ 9-",
        _NO_OUTBOX,
        _LOST,
        N_(
            "The row is committed, and nobody remembers that OrderCreated is still to be published; the "
            "person who presses again is told that the order is there."
        ),
    ),
    Rule("drop", "9", _NO_OUTBOX, _LOST, N_("Nothing but the message itself knew of the order, and it is gone.")),
    Rule(
        "rabbitmq",
        "1 2 3 4- 5 6 7 8 9-",
        _NO_OUTBOX,
        _LOST,
        N_("The row is committed when RabbitMQ refuses OrderCreated, and pressing again does not publish it."),
    ),
    Rule(
        "crash",
        "9+ 10",
        _OUTBOX_ONLY,
        _DUPLICATED,
        N_(
            "The outbox had not been told that OrderCreated is out, so the relay publishes it again: an "
            "outbox promises at least once, and each of the two deliveries charges."
        ),
    ),
    Rule(
        "fail",
        "9+",
        _OUTBOX_ONLY,
        _DUPLICATED,
        N_("The broker has the message but did not say so; the relay publishes it again, and each delivery charges."),
    ),
    Rule(
        "rabbitmq postgresql",
        "9+ 10",
        _OUTBOX_ONLY,
        (_CORRECT, _DUPLICATED),
        N_(
            "It is a race whether the outbox is told that OrderCreated is out before the relay takes it for "
            "forgotten; if not, it is published twice, and each delivery charges."
        ),
    ),
    Rule(
        "postgresql",
        "8+ 9-",
        _OUTBOX_ONLY,
        (_CORRECT, _DUPLICATED),
        N_(
            "OrderCreated goes out while PostgreSQL is away; it is a race whether the outbox is told so "
            "before the relay publishes it again."
        ),
    ),
    Rule("duplicate", "9 12", _FORGETFUL, _DUPLICATED, N_("Each of the two deliveries charges.")),
    # 12 to 19: the message comes again
    Rule(
        "crash fail",
        "14+ 15-",
        _FORGETFUL,
        _OVERSOLD,
        N_("The stock is set aside when the message comes again, and the worker sets it aside a second time."),
    ),
    Rule(
        "postgresql",
        "14+ 15-",
        _FORGETFUL,
        _OVERSOLD,
        N_("The charge fails with the stock set aside; the message comes again, and the stock is set aside again."),
    ),
    Rule(
        "duplicate", "14", _FORGETFUL, _OVERSOLD, N_("The statement asks for no state to start from: it works twice.")
    ),
    Rule(
        "crash",
        "15c-",
        _FORGETFUL,
        _OVERSOLD,
        N_("The stock was set aside in each of two deliveries, and is given back once."),
    ),
    Rule(
        "postgresql",
        "15c-",
        _FORGETFUL,
        _OVERSOLD,
        N_("The refusal can't be written; the message comes again, the stock is set aside again and given back once."),
    ),
    Rule(
        "crash fail postgresql",
        "15+ 16-",
        _FORGETFUL,
        _DUPLICATED,
        N_(
            "The gateway has the money and nobody has noted it; the message comes again, and the charge has "
            "no key by which the gateway would know it."
        ),
    ),
    Rule("duplicate", "15", _FORGETFUL, _DUPLICATED, N_("Two calls without an idempotency key are two charges.")),
    Rule(
        "duplicate",
        "16",
        _FORGETFUL,
        _DUPLICATED,
        N_(
            "The second statement stumbles over the notifications of the first, so the message comes again "
            "and is charged again."
        ),
    ),
    Rule(
        "crash",
        "15c+",
        _OUTBOX_ONLY,
        _DUPLICATED,
        N_("The refusal is written when the message comes again; all is done again, and both sets of messages go out."),
    ),
    Rule(
        "crash",
        "15c+",
        _AS_DRAWN,
        _CORRECT,
        N_(
            "By luck: no message had gone out when it died, and the second delivery takes the stock, gives "
            "it back and tells everybody once."
        ),
    ),
    Rule(
        "crash",
        "15c+ 16+ 17-",
        _IDEMPOTENT_ONLY,
        _LOST,
        N_(
            "The order is settled, so the message that comes again is left alone, and nobody remembers what "
            "was still to be told."
        ),
    ),
    Rule(
        "crash",
        "17+ 18-",
        _IDEMPOTENT_ONLY,
        _LOST,
        N_("The event is out; the notifications were in the memory of the process that died."),
    ),
    Rule(
        "crash",
        "16+ 17 18 19-",
        _FORGETFUL,
        _DUPLICATED,
        N_("The message had not been acknowledged and comes again; all is done again, the charge too."),
    ),
    Rule(
        "fail",
        "16+",
        _IDEMPOTENT_ONLY,
        _LOST,
        N_("It was written, but the worker was told otherwise and stopped there."),
    ),
    Rule(
        "fail", "16+", _FORGETFUL, _DUPLICATED, N_("It was written and the worker was told otherwise: it begins anew.")
    ),
    Rule(
        "fail",
        "17- 17+ 18-",
        _IDEMPOTENT_ONLY,
        _LOST,
        N_(
            "The worker gives up at the broker's error; when the message comes again the order is settled "
            "and left alone."
        ),
    ),
    Rule(
        "fail",
        "17 18",
        _AS_DRAWN,
        _DUPLICATED,
        N_("The worker gives up at the broker's error; the message comes again, and is charged again."),
    ),
    Rule("fail", "19-", _FORGETFUL, _DUPLICATED, N_("The message that could not be acknowledged comes again.")),
    Rule("drop", "17 18", _NO_OUTBOX, _LOST, N_("The worker believes that it has told, and keeps no copy.")),
    Rule(
        "drop",
        "19",
        _FORGETFUL,
        _DUPLICATED,
        N_("The broker holds the message for unacknowledged, and delivers it again when the worker is restarted."),
    ),
    # RabbitMQ away under the worker: what it can't publish, and a message that comes again
    Rule(
        "rabbitmq",
        "12 13 14 15 15c 16 17-",
        _IDEMPOTENT_ONLY,
        _LOST,
        N_("The order is settled in PostgreSQL while RabbitMQ is away; when the message comes again it is left alone."),
    ),
    Rule("rabbitmq", "17+ 18-", _IDEMPOTENT_ONLY, _LOST, N_("The event is out; the notifications find no broker.")),
    Rule(
        "rabbitmq",
        "15c",
        _AS_DRAWN,
        _CORRECT,
        N_("By luck: nothing could be told in the first delivery, and the second does all of it again, once."),
    ),
    Rule(
        "rabbitmq",
        "12 13 14 15 15c 16 17 18 19-",
        _FORGETFUL,
        _DUPLICATED,
        N_("The broker forgets with the connection that the worker has the message, and delivers it again."),
    ),
)
"""The prediction, but for what comes through."""

MENDED = (
    N_(
        "rabbitmq, after 4, on no-outbox and as-drawn: predicted lost, as after 3 and 5, and it came "
        "through. As the portal sees it a request ends with its answer, so the order has been published "
        "by then."
    ),
)
"""Predictions that a first run has proved wrong, and why."""

COMES_THROUGH = {
    "default": N_(
        "What was not done is done when the message, the outbox or the person comes again; what was done, once."
    ),
    "no-outbox": N_("Nothing that is still to be told was only in memory."),
    "no-idempotent-consumer": N_("The message does not come again with the work half done."),
    "as-drawn": N_("Nothing is only in memory, and the message does not come again with the work half done."),
}
"""Why an order is correct where no rule speaks of it, by design."""


def expect(cell: Cell) -> Expectation:
    """What this cell must come to, and why."""
    for rule in RULES:
        if rule.fits(cell):
            return Expectation(rule.word if isinstance(rule.word, tuple) else (rule.word,), rule.because)
    if cell.kind == FAIL and cell.step == "5":
        return Expectation((_CORRECT,), N_("The person is refused: there is no order, and nobody was told of one."))
    return Expectation((_CORRECT,), COMES_THROUGH[cell.design])


def cells(kind: str) -> Iterator[Cell]:
    """Every cell of a matrix, step by step; 15c too, where the payment is declined."""
    allowed = {FAIL: frozenset(ERRORS), DROP: DROPPABLE, DUPLICATE: REPEATABLE}.get(kind, frozenset(LABELS))
    sides = (BEFORE,) if kind in (DROP, DUPLICATE) else (BEFORE, AFTER)
    for label in LABELS:
        if label in allowed:
            for side in sides:
                for design in DESIGNS:
                    yield Cell(kind, label, side, design)
