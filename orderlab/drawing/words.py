"""What the drawings say, in English and Spanish. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orderlab.drawing.marks import Mark
from orderlab.faults.model import Kind
from orderlab.sequence import Lane, Outcome, Step


@dataclass(frozen=True)
class Words:
    """One language's words: for lanes, arrows, outcomes, and what stands around them."""

    lanes: Mapping[Lane, str]
    heads: Mapping[Lane, Sequence[str]]  # above a column, in lines
    short_lanes: Mapping[Lane, str]  # where a column is as narrow as on a phone
    steps: Mapping[str, str]  # by name or label; a step that is missing here says what sequence.py says
    otherwise: Mapping[tuple[str, Outcome], str]  # what an arrow says when it ended otherwise than ok
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
    Lane.USER: "User",
    Lane.PORTAL: "Demo Portal",
    Lane.ORDERS_API: "Orders API",
    Lane.RABBITMQ: "RabbitMQ",
    Lane.WORKER: "Worker",
    Lane.POSTGRESQL: "PostgreSQL",
}
_SHORT_LANES = {
    Lane.USER: "User",
    Lane.PORTAL: "Portal",
    Lane.ORDERS_API: "API",
    Lane.RABBITMQ: "Rabbit",
    Lane.WORKER: "Worker",
    Lane.POSTGRESQL: "PgSQL",
}

_HEADS = {
    Lane.USER: ("User",),
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
        ("order_id_free", Outcome.DUPLICATE): "Id exists, same content",
        ("order_id_free", Outcome.CONFLICT): "Id exists, other content",
        ("insert_order", Outcome.DUPLICATE): "INSERT order: the id is taken",
    },
    outcomes={outcome: outcome.value.replace("_", " ") for outcome in Outcome},
    post_again="POST again",
    delivery="delivery {n}",
    times_alike="{n} alike",
    gave_up="given up",
    marks={
        Mark.LIT: "now",
        Mark.LATER: "later",
        Mark.MISSING: "missing",
        Mark.UNRECORDED: "not recorded",
        Mark.ONLY_HERE: "only here",
        Mark.DIFFERS: "",  # how it ended says it
        Mark.HARM: "",  # so does what stands in `second`
        Mark.ABSENT: "",
    },
    by_relay="by the relay",
    published_by="published by {who}",
    second_copy="delivery {n}: a second copy of the message",
    relayed="the relay publishes what the outbox still holds",
    legend={
        "well": "went well",
        "later": "left for later",
        "again": "again",
        "refused": "refused",
        "failed": "failed",
        "missing": "never came",
        "unrecorded": "happened, and was not recorded",
    },
    second={
        "14": "stock set aside a second time",
        "15": "second charge",
        "18a": "told a second time",
        "18b": "told a second time",
    },
    same="{first} to {last}: the same on each side",
    grid_compares="large: what it came to; small, above it: what was predicted. A thick edge: not as predicted.",
    grid_as_predicted="{n} of {of} as predicted",
    since_the_first="time since the first step began",
    effects={Kind.DROP: "dropped", Kind.DUPLICATE: "twice"},
    fired="✗ {kind} {side} {step}: {process}",
    sides={"before": "before", "after": "after"},
    note_on_5="5: drawn towards RabbitMQ as in the source picture. A JWT is verified by whoever holds the key: "
    "nothing crosses the broker.",
    note_on_18="18a, 18b: RabbitMQ makes no HTTP call. The notifier, which has no lane here, takes the message from "
    "its queue and posts the webhook.",
    note_on_times="Where times go back, processes were at work at once; what led to what reads from top to bottom.",
)

SPANISH = Words(
    lanes={**_LANES, Lane.USER: "Usuario"},
    heads={**_HEADS, Lane.USER: ("Usuario",)},
    short_lanes={**_SHORT_LANES, Lane.USER: "Usuario"},
    steps={
        "click_create_order": 'Clic en "Crear Pedido"',
        "issue_token": "Token JWT",
        "validate_token": "Validar JWT",
        "check_idempotency": "Comprobar idempotencia",
        "order_id_free": "El id no existe (OK)",
        "insert_order": "INSERT pedido (RECEIVED)",
        "publish_order_created": "Publicar OrderCreated",
        "show_confirmation": "Mostrar confirmación",
        "consume_order_created": "Consumir mensaje",
        "check_inventory": "Comprobar inventario",
        "process_payment": "Procesar pago",
        "publish_order_confirmed": "Publicar OrderConfirmed",
        "publish_order_rejected": "Publicar OrderRejected",
        "notify": "Avisar a Operaciones + Cliente",
        "ack_message": "ACK del mensaje",
        "release_inventory": "Liberar la reserva",
        "18a": "Webhook: Operaciones",
        "18b": "Webhook: Cliente",
    },
    otherwise={
        ("order_id_free", Outcome.DUPLICATE): "El id existe, mismo contenido",
        ("order_id_free", Outcome.CONFLICT): "El id existe, otro contenido",
        ("insert_order", Outcome.DUPLICATE): "INSERT pedido: el id está ocupado",
    },
    outcomes={
        Outcome.OK: "ok",
        Outcome.INVALID_TOKEN: "token no válido",
        Outcome.DUPLICATE: "duplicado",
        Outcome.CONFLICT: "conflicto",
        Outcome.DEFERRED: "aplazado",
        Outcome.REDELIVERED: "reentregado",
        Outcome.SECOND_COPY: "segunda copia",
        Outcome.OUT_OF_STOCK: "sin existencias",
        Outcome.ALREADY_DONE: "ya hecho",
        Outcome.DECLINED: "rechazado",
        Outcome.REJECTED: "rechazado",
        Outcome.FAILED: "fallido",
    },
    post_again="POST otra vez",
    delivery="entrega {n}",
    times_alike="{n} iguales",
    gave_up="abandonado",
    marks={
        Mark.LIT: "ahora",
        Mark.LATER: "después",
        Mark.MISSING: "falta",
        Mark.UNRECORDED: "sin registro",
        Mark.ONLY_HERE: "solo aquí",
        Mark.DIFFERS: "",
        Mark.HARM: "",
        Mark.ABSENT: "",
    },
    by_relay="por el relay",
    published_by="publicada por {who}",
    second_copy="entrega {n}: una segunda copia del mensaje",
    relayed="el relay publica lo que queda en el outbox",
    legend={
        "well": "fue bien",
        "later": "queda para después",
        "again": "otra vez",
        "refused": "rechazado",
        "failed": "fallido",
        "missing": "no llegó",
        "unrecorded": "ocurrió, y no se registró",
    },
    second={
        "14": "existencias apartadas por segunda vez",
        "15": "segundo cobro",
        "18a": "avisado por segunda vez",
        "18b": "avisado por segunda vez",
    },
    same="{first} a {last}: igual en cada lado",
    grid_compares="grande: en qué acabó; pequeño, encima: lo previsto. Borde grueso: no como estaba previsto.",
    grid_as_predicted="{n} de {of} como estaba previsto",
    since_the_first="tiempo desde que empezó el primer paso",
    effects={Kind.DROP: "perdido", Kind.DUPLICATE: "dos veces"},
    fired="✗ {kind} {side} {step}: {process}",
    sides={"before": "antes de", "after": "después de"},
    note_on_5="5: dibujada hacia RabbitMQ como en el original. Un JWT lo verifica quien tiene la clave: "
    "nada pasa por el broker.",
    note_on_18="18a, 18b: RabbitMQ no hace llamadas HTTP. El notifier, que aquí no tiene carril, toma el mensaje de su "
    "cola y envía el webhook.",
    note_on_times="Donde los tiempos retroceden, varios procesos trabajaban a la vez; de arriba abajo se lee qué llevó "
    "a qué.",
)

LANGUAGES: Mapping[str, Words] = {"en": ENGLISH, "es": SPANISH}


def words(language: str) -> Words:
    """The words of this language ("en", "es-MX"); English where there are none."""
    return LANGUAGES.get(language.lower()[:2], ENGLISH)
