"""The diagram as data: six lanes, nineteen numbered steps, and how each of them can end.

Everything else reads this module: services record against it, gates attach to it, drawings and docs come from
it, tests check against it. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from orderlab.language import N_, _
from orderlab.nearest import nearest


class Lane(StrEnum):
    """A column of the diagram, in the order in which the columns stand."""

    USER = "user"
    PORTAL = "portal"
    ORDERS_API = "orders-api"
    RABBITMQ = "rabbitmq"
    WORKER = "worker"
    POSTGRESQL = "postgresql"


class Outcome(StrEnum):
    """How a step ended: `ok`, or what went otherwise."""

    OK = "ok"
    INVALID_TOKEN = "invalid_token"  #  5: refused with 401
    DUPLICATE = "duplicate"  # 7: a retry, answered with the stored order
    CONFLICT = "conflict"  # 7: the id is taken by an order with other content
    DEFERRED = "deferred"  # 9, 17, 18: the broker is away, the relay publishes later
    REDELIVERED = "redelivered"  # 12: the broker hands out again what nobody acknowledged
    SECOND_COPY = "second_copy"  # 12: the message was published twice, and its other copy was consumed before
    OUT_OF_STOCK = "out_of_stock"  # 13: not enough of something; 14: somebody took it since 13
    ALREADY_DONE = "already_done"  # 14, 15, 16: an earlier attempt had got this far
    DECLINED = "declined"  # 15: the gateway refused the charge
    REJECTED = "rejected"  # 16: the order ends REJECTED
    FAILED = "failed"  # any: the step raised an error


@dataclass(frozen=True)
class Step:
    """One arrow: where it stands, what it is called, who sends it to whom, and how else than `ok` it can end."""

    number: int
    name: str
    source: Lane
    target: Lane
    says: str
    outcomes: tuple[Outcome, ...] = ()
    part: str = ""  # "c" for 15c; "a" and "b" for the two deliveries of 18

    @property
    def label(self) -> str:
        """The number as drawn: `9`, `15c`."""
        return f"{self.number}{self.part}"


_USER, _PORTAL, _API, _BROKER, _WORKER, _DATABASE = Lane

CLICK_CREATE_ORDER = Step(1, "click_create_order", _USER, _PORTAL, N_('Click "Crear Pedido"'))
REQUEST_DEMO_TOKEN = Step(2, "request_demo_token", _PORTAL, _API, "GET /login-demo")
ISSUE_TOKEN = Step(3, "issue_token", _API, _PORTAL, N_("JWT token"))
POST_ORDER = Step(4, "post_order", _PORTAL, _API, "POST /orders (Bearer token)")
# The source picture draws 5 towards RabbitMQ's lane. A JWT is verified by whoever holds the key: nothing crosses
# the broker, so no message is ever seen there for this arrow.
VALIDATE_TOKEN = Step(5, "validate_token", _API, _BROKER, N_("Validate JWT"), (Outcome.INVALID_TOKEN,))
CHECK_IDEMPOTENCY = Step(6, "check_idempotency", _API, _DATABASE, N_("Check idempotency"))
ORDER_ID_FREE = Step(
    7, "order_id_free", _DATABASE, _API, N_("Id does not exist (OK)"), (Outcome.DUPLICATE, Outcome.CONFLICT)
)
INSERT_ORDER = Step(
    8, "insert_order", _API, _DATABASE, N_("INSERT order (RECEIVED)"), (Outcome.DUPLICATE,)
)  # duplicate: the same id was inserted by another request since 7
PUBLISH_ORDER_CREATED = Step(9, "publish_order_created", _API, _BROKER, N_("Publish OrderCreated"), (Outcome.DEFERRED,))
RESPOND_CREATED = Step(10, "respond_created", _API, _PORTAL, "201 Created")
SHOW_CONFIRMATION = Step(11, "show_confirmation", _PORTAL, _USER, N_("Show confirmation"))
CONSUME_ORDER_CREATED = Step(
    12,
    "consume_order_created",
    _BROKER,
    _WORKER,
    N_("Consume message"),
    (Outcome.REDELIVERED, Outcome.SECOND_COPY),
)
CHECK_INVENTORY = Step(13, "check_inventory", _WORKER, _WORKER, N_("Check inventory"), (Outcome.OUT_OF_STOCK,))
RESERVE_INVENTORY = Step(
    14,
    "reserve_inventory",
    _WORKER,
    _DATABASE,
    "UPDATE INVENTORY_RESERVED",
    (Outcome.ALREADY_DONE, Outcome.OUT_OF_STOCK),
)
PROCESS_PAYMENT = Step(
    15, "process_payment", _WORKER, _WORKER, N_("Process payment"), (Outcome.DECLINED, Outcome.ALREADY_DONE)
)
CONFIRM_ORDER = Step(16, "confirm_order", _WORKER, _DATABASE, "UPDATE CONFIRMED", (Outcome.ALREADY_DONE,))
PUBLISH_ORDER_CONFIRMED = Step(
    17, "publish_order_confirmed", _WORKER, _BROKER, N_("Publish OrderConfirmed"), (Outcome.DEFERRED,)
)
NOTIFY = Step(18, "notify", _WORKER, _BROKER, N_("Notify Operations + Customer"), (Outcome.DEFERRED,))
ACK_MESSAGE = Step(19, "ack_message", _WORKER, _BROKER, N_("ACK message"))

STEPS: tuple[Step, ...] = (
    CLICK_CREATE_ORDER,
    REQUEST_DEMO_TOKEN,
    ISSUE_TOKEN,
    POST_ORDER,
    VALIDATE_TOKEN,
    CHECK_IDEMPOTENCY,
    ORDER_ID_FREE,
    INSERT_ORDER,
    PUBLISH_ORDER_CREATED,
    RESPOND_CREATED,
    SHOW_CONFIRMATION,
    CONSUME_ORDER_CREATED,
    CHECK_INVENTORY,
    RESERVE_INVENTORY,
    PROCESS_PAYMENT,
    CONFIRM_ORDER,
    PUBLISH_ORDER_CONFIRMED,
    NOTIFY,
    ACK_MESSAGE,
)
"""The nineteen, as drawn."""

# What 16 and 17 are for an order that is refused.
REJECT_ORDER = Step(16, "reject_order", _WORKER, _DATABASE, "UPDATE REJECTED", (Outcome.REJECTED, Outcome.ALREADY_DONE))
PUBLISH_ORDER_REJECTED = Step(
    17, "publish_order_rejected", _WORKER, _BROKER, N_("Publish OrderRejected"), (Outcome.DEFERRED,)
)

# Beyond the nineteen, also recorded.
RELEASE_INVENTORY = Step(
    15, "release_inventory", _WORKER, _DATABASE, N_("Release the reservation"), (Outcome.ALREADY_DONE,), "c"
)
WEBHOOK_OPERATIONS = Step(18, "webhook_delivered", _BROKER, _PORTAL, N_("Webhook: Operations"), (Outcome.FAILED,), "a")
WEBHOOK_CUSTOMER = Step(18, "webhook_delivered", _BROKER, _PORTAL, N_("Webhook: Customer"), (Outcome.FAILED,), "b")
WEBHOOK_FAILED = "webhook_failed"
"""The name an event of 18a or 18b carries when the notifier has given up."""

OTHER_STEPS: tuple[Step, ...] = (
    REJECT_ORDER,
    PUBLISH_ORDER_REJECTED,
    RELEASE_INVENTORY,
    WEBHOOK_OPERATIONS,
    WEBHOOK_CUSTOMER,
)

CLIENT_STEPS: tuple[Step, ...] = (CLICK_CREATE_ORDER, REQUEST_DEMO_TOKEN, POST_ORDER, SHOW_CONFIRMATION)
"""Steps that happen where there is no database; whoever plays the portal reports them to the API."""

_BY_NAME = {step.name: step for step in (*OTHER_STEPS, *STEPS)}
_BY_LABEL = {step.label: step for step in (*OTHER_STEPS, *STEPS)}  # 16 is confirm_order


def find_step(which: int | str) -> Step:
    """The step with this number (9), label ("15c") or name; `KeyError` that lists them otherwise."""
    found = _BY_LABEL.get(str(which)) or _BY_NAME.get(str(which))
    if found is None:
        known = ", ".join(f"{s.label} {s.name}" for s in STEPS)
        raise KeyError(
            _(
                "There is no step {which!r}.{hint} The steps are: {known}.",
                which=which,
                hint=nearest(which, _BY_NAME),
                known=known,
            )
        )
    return found


CLOSING: tuple[Step, ...] = (
    RESPOND_CREATED,
    CONSUME_ORDER_CREATED,
    WEBHOOK_OPERATIONS,
    WEBHOOK_CUSTOMER,
    ACK_MESSAGE,
)
"""What must be recorded of an order, beside a final status, before it has come to its end."""


def still_to_come(events: Iterable[Mapping[str, Any]]) -> list[Step]:
    """Those of `CLOSING` that are not recorded yet. A webhook is, once it was delivered or given up."""
    labels = {
        event["label"]
        for event in events
        if event["label"] not in (WEBHOOK_OPERATIONS.label, WEBHOOK_CUSTOMER.label)
        or event["name"] == WEBHOOK_FAILED
        or event["outcome"] != Outcome.FAILED
    }
    return [step for step in CLOSING if step.label not in labels]
