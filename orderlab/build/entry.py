"""How a student's own program is handed its messages, and performs its steps: recorded, and through their gates."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from orderlab import topology
from orderlab.errors import OrderlabError
from orderlab.journal import Steps
from orderlab.language import N_, _
from orderlab.messages import Message
from orderlab.nearest import instead
from orderlab.order import OrderInHand, Status
from orderlab.sequence import ACK_MESSAGE, Step
from orderlab.services.database import NO_REPEATS, Journal
from orderlab.services.messaging import Deliveries, Delivery
from orderlab.services.worker import tell
from orderlab.trace import trace_id

AFTER, BEFORE, NEVER = "after", "before", "never"
"""When a message is acknowledged: after the method has returned, before it begins, or never."""

F = TypeVar("F", bound=Callable[..., Any])


class WrongEntrypoint(OrderlabError):
    """An entrypoint can't be what it is."""


class NotAStep(OrderlabError):
    """This is recorded as a step: call it through `step(…)`."""


@dataclass
class Course(Steps):
    """The steps of one delivery. `step(STEP, call, …)` performs and records one; what records itself is handed it."""

    copy: str = ""  # which copy of the message was delivered
    redelivered: bool = False

    def __call__(self, step: Step | tuple[Step, ...], effect: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Perform `effect` as this step; return its result."""
        if getattr(effect, "takes_steps", False):
            kwargs["steps"] = self
        return super().__call__(step, effect, *args, **kwargs)


def takes_steps(function: F) -> F:
    function.takes_steps = True  # type: ignore[attr-defined]
    return function


@dataclass
class Handed(Delivery):
    """One message in a student's method, with `step`, by which the method's steps are performed."""

    acknowledge: Callable[[], object] = lambda: None

    @property
    def step(self) -> Course:
        """`step(RESERVE_INVENTORY, self.store.reserve_inventory, order)` performs a step and records it."""
        if not isinstance(self.steps, Course):
            raise NotAStep
        return self.steps

    def tell(self, order: OrderInHand, reason: str | None = None) -> list[Message]:
        """What is said of an order that is CONFIRMED, or with a `reason` REJECTED: the event, two notifications."""
        status = Status.REJECTED if reason else Status.CONFIRMED
        event, notifications = tell(order, status, reason, self.message.traceparent)
        return [event, *notifications]


class Courses(Journal):
    """Opens courses in place of plain steps."""

    def steps(
        self,
        order_id: str,
        traceparent: str,
        attempt: int = 1,
        repeats: Mapping[str, Callable[[], object]] = NO_REPEATS,
    ) -> Course:
        """The steps of one order in one delivery."""
        return Course(order_id, trace_id(traceparent), attempt, self._gates, repeats=repeats)


class Entrypoint(Deliveries):
    """As the lab's own, with a choice of when the message is acknowledged, and word of errors for their author."""

    trouble: Callable[[str, BaseException], None] = staticmethod(lambda order_id, error: None)

    def __init__(self, queue: Any, ack: str = AFTER) -> None:
        super().__init__(queue)
        self.ack = ack

    def _delivery(self, message: Message, raw: Any) -> Delivery:
        handed = Handed(**vars(super()._delivery(message, raw)))
        handed.acknowledge = functools.partial(self._acknowledge, raw)
        handed.acks = self.queue.name == topology.WORKER_QUEUE.name
        course = handed.begin(Courses(self.database))
        course.copy, course.redelivered = handed.copy, handed.redelivered  # type: ignore[attr-defined]
        return handed

    def handle_result(self, raw: Any, delivery: Delivery, worker_ctx: Any, result: Any, exc_info: Any) -> Any:
        if exc_info:
            type(self).trouble(delivery.message.subject, exc_info[1])
        if self.ack == AFTER:
            return super().handle_result(raw, delivery, worker_ctx, result, exc_info)
        if delivery.steps:
            self.database.write_later(delivery.steps)
        if self.ack == BEFORE and exc_info and not raw.acknowledged:  # a fault at 19 let it be
            self._put_off_or_bury(raw, exc_info[1])
        return result, exc_info


def deliver(queue: str, ack: str = AFTER) -> Callable[[F], F]:
    """Have a method called for each message of this queue, with its delivery. `ack`: after, before or never."""
    queues = {known.name: known for known in topology.LIVE}
    if queue not in queues:
        raise WrongEntrypoint(
            _("There is no queue {queue!r}.{hint}", queue=queue, hint=instead(queue, queues, N_("The queues are")))
        )
    if ack not in (AFTER, BEFORE, NEVER):
        raise WrongEntrypoint(
            _(
                "A message is acknowledged {after!r}, {before!r} or {never!r}, and not {ack!r}.",
                after=AFTER,
                before=BEFORE,
                never=NEVER,
                ack=ack,
            )
        )
    entrypoint = Entrypoint.decorator(queues[queue], ack=ack)

    def decorate(method: F) -> F:
        if ack != BEFORE:
            return entrypoint(method)  # type: ignore[no-any-return]

        @functools.wraps(method)
        def acknowledged_first(self: Any, delivery: Handed) -> Any:
            if delivery.acks:
                delivery.step(ACK_MESSAGE, delivery.acknowledge)
            else:
                delivery.acknowledge()
            return method(self, delivery)

        return entrypoint(acknowledged_first)  # type: ignore[no-any-return]

    return decorate
