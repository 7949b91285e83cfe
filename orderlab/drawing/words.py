"""What the drawings say, in English; in Spanish by the catalogue. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from orderlab.drawing.marks import Mark
from orderlab.faults.model import Kind
from orderlab.language import N_, _, current, fitting, using
from orderlab.sequence import OTHER_STEPS, STEPS, Lane, Outcome, Step


@dataclass(frozen=True)
class Words:
    """One language's words: for lanes, arrows, outcomes, and what stands around them."""

    lanes: Mapping[Lane, str]
    heads: Mapping[Lane, Sequence[str]]  # above a column, in lines
    short_lanes: Mapping[Lane, str]  # where a column is as narrow as on a phone
    steps: Mapping[str, str]  # by name or label; a step that is missing here says what sequence.py says
    otherwise: Mapping[tuple[str, Outcome], str]  # what an arrow says when it did not end ok
    outcomes: Mapping[Outcome, str]
    post_again: str
    delivery: str
    times_alike: str
    gave_up: str
    marks: Mapping[Mark, str]
    by_relay: str
    published_by: str  # at 12, of a copy that is not the API's only one
    second_copy: str  # the band of a delivery that is one
    relayed: str  # the band of what the relay publishes
    legend: Mapping[str, str]  # what the kinds of lines mean
    second: Mapping[str, str]  # by label: what must not happen again, when it does
    same: str  # rows that were folded
    grid_compares: str  # how a square shows both
    grid_as_predicted: str
    since_the_first: str  # below a timeline's axis
    effects: Mapping[str, str]  # what a fault made of the arrow, where its outcome does not tell
    fired: str  # a fault at its gate
    sides: Mapping[str, str]
    note_on_5: str
    note_on_18: str
    note_on_times: str

    def says(self, step: Step, outcome: Outcome = Outcome.OK) -> str:
        """What stands over the arrow, given how the step ended."""
        return self.otherwise.get((step.name, outcome)) or self.steps.get(
            step.label, self.steps.get(step.name, step.says)
        )


_LANES = {
    Lane.USER: N_("User"),
    Lane.PORTAL: "Demo Portal",
    Lane.ORDERS_API: "Orders API",
    Lane.RABBITMQ: "RabbitMQ",
    Lane.WORKER: "Worker",
    Lane.POSTGRESQL: "PostgreSQL",
}
_SHORT_LANES = {
    Lane.USER: N_("User"),
    Lane.PORTAL: "Portal",
    Lane.ORDERS_API: "API",
    Lane.RABBITMQ: "Rabbit",
    Lane.WORKER: "Worker",
    Lane.POSTGRESQL: "PgSQL",
}

_HEADS = {
    Lane.USER: (N_("User"),),
    Lane.PORTAL: ("Demo", "Portal"),
    Lane.ORDERS_API: ("Orders", "API"),
    Lane.RABBITMQ: ("Rabbit", "MQ"),
    Lane.WORKER: ("Worker",),
    Lane.POSTGRESQL: ("Postgre", "SQL"),
}

ENGLISH = Words(
    lanes=_LANES,
    heads=_HEADS,
    short_lanes=_SHORT_LANES,
    steps={},
    otherwise={
        ("order_id_free", Outcome.DUPLICATE): N_("Id exists, same content"),
        ("order_id_free", Outcome.CONFLICT): N_("Id exists, other content"),
        ("insert_order", Outcome.DUPLICATE): N_("INSERT order: the id is taken"),
    },
    outcomes={
        Outcome.OK: N_("ok"),
        Outcome.INVALID_TOKEN: N_("invalid token"),
        Outcome.DUPLICATE: N_("duplicate"),
        Outcome.CONFLICT: N_("conflict"),
        Outcome.DEFERRED: N_("deferred"),
        Outcome.REDELIVERED: N_("redelivered"),
        Outcome.SECOND_COPY: N_("second copy"),
        Outcome.OUT_OF_STOCK: N_("out of stock"),
        Outcome.ALREADY_DONE: N_("already done"),
        Outcome.DECLINED: N_("declined"),
        Outcome.REJECTED: N_("rejected"),
        Outcome.FAILED: N_("failed"),
    },
    post_again=N_("POST again"),
    delivery=N_("delivery {n}"),
    times_alike=N_("{n} alike"),
    gave_up=N_("given up"),
    marks={
        Mark.LIT: N_("now"),
        Mark.LATER: N_("later"),
        Mark.MISSING: N_("missing"),
        Mark.UNRECORDED: N_("not recorded"),
        Mark.ONLY_HERE: N_("only here"),
        Mark.DIFFERS: "",  # how it ended says it
        Mark.HARM: "",  # so does what stands in `second`
        Mark.ABSENT: "",
    },
    by_relay=N_("by the relay"),
    published_by=N_("published by {who}"),
    second_copy=N_("delivery {n}: a second copy of the message"),
    relayed=N_("the relay publishes what the outbox still holds"),
    legend={
        "well": N_("went well"),
        "later": N_("left for later"),
        "again": N_("again"),
        "refused": N_("refused"),
        "failed": N_("failed"),
        "missing": N_("never came"),
        "unrecorded": N_("happened, and was not recorded"),
    },
    second={
        "14": N_("stock set aside a second time"),
        "15": N_("second charge"),
        "18a": N_("told a second time"),
        "18b": N_("told a second time"),
    },
    same=N_("{first} to {last}: the same on each side"),
    grid_compares=N_("large: what it came to; small, above it: what was predicted. A thick edge: not as predicted."),
    grid_as_predicted=N_("{n} of {of} as predicted"),
    since_the_first=N_("time since the first step began"),
    effects={Kind.DROP: N_("dropped"), Kind.DUPLICATE: N_("twice")},
    fired=N_("✗ {kind} {side} {step}: {process}"),
    sides={"before": N_("before"), "after": N_("after")},
    note_on_5=N_(
        "5: drawn towards RabbitMQ as in the source picture. A JWT is verified by whoever holds the key: "
        "nothing crosses the broker."
    ),
    note_on_18=N_(
        "18a, 18b: RabbitMQ makes no HTTP call. The notifier, which has no lane here, takes the message from "
        "its queue and posts the webhook."
    ),
    note_on_times=N_("Where times go back, processes were at work at once; what led to what reads from top to bottom."),
)


def _in(language: str) -> Words:
    """The words of the catalogue's language; names that are the same everywhere stay."""
    with using(language):
        said = {field.name: _translated(getattr(ENGLISH, field.name)) for field in fields(ENGLISH)}
        steps = {step.label if step.part else step.name: _(step.says) for step in (*OTHER_STEPS, *STEPS)}
    return Words(**{**said, "steps": {} if language == "en" else steps})


def _translated(words: Any) -> Any:
    if isinstance(words, str):
        return _(words)
    if isinstance(words, Mapping):
        return {key: _translated(value) for key, value in words.items()}
    return tuple(map(_translated, words))


SPANISH = _in("es")

LANGUAGES: Mapping[str, Words] = {"en": ENGLISH, "es": SPANISH}


def words(language: str | None = None) -> Words:
    """The words of this language ("en", "es-MX"), English where there are none; of the one that is spoken for None."""
    return LANGUAGES[fitting(language) if language else current()]
