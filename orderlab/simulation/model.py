"""The lab as a discrete-event model: the same programs, queues and steps, in time that costs nothing.

An order's way is the diagram's; what takes time is drawn from what was measured. Clients' own steps (1 to 4, 11) are
not modelled. Programs do not share processors here: a machine that is full is slower than its model, and says so.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from random import Random

import simpy

from orderlab.language import _
from orderlab.order import PAYMENT_TOKENS, Card, Status
from orderlab.sequence import Outcome
from orderlab.simulation.broker import Consumer, Message, Program, Queue, Work
from orderlab.simulation.calibration import LABELS, Calibration, Draw
from orderlab.simulation.checks import InvalidScenario, number, one_of, whole
from orderlab.simulation.paths import (
    API,
    REPLAY,
    Path,
    Stretch,
    deferred_path,
    late_path,
    settled_path,
    worker_path,
)
from orderlab.simulation.scenario import Scenario
from orderlab.simulation.tables import DepthRow, EventRow, OrderRow, Table
from orderlab.simulation.troubles import BrokerOutage, SlowGateway, Trouble, WorkerCrash

FIRST_PAUSE = 0.05
"""Seconds before the gateway is called a second time; then twice that, and so on. A test holds it to the gateway."""

NEVER = math.inf


def gateway_takes(card: Card) -> float:
    """Seconds that a payment takes besides: the gateway's own, and the pauses between calls that fail."""
    return card.seconds + FIRST_PAUSE * ((1 << card.failures) - 1)


@dataclass(frozen=True)
class Layout:
    """How many processes of each program, and how much each does at once; what the lab has of itself.

    `prefetch` is how many messages a worker may hold unacked (None: as many as it works on). `stock` are the products
    that there are few of. The relay sweeps every `relay_every` seconds and leaves a message to its own publisher for
    `relay_grace`.
    """

    orders_api: int = 1
    api_concurrency: int = 64
    workers: int = 1
    worker_concurrency: int = 16
    prefetch: int | None = None
    notifiers: int = 1
    notifier_concurrency: int = 64
    relay_every: float = 1.0
    relay_grace: float = 2.0
    relay_hands: int = 8
    stock: Mapping[str, int] = field(default_factory=lambda: {"LAST-THREE": 3, "SOLD-OUT": 0})

    def __post_init__(self) -> None:
        counts = ("orders_api", "api_concurrency", "workers", "worker_concurrency", "notifiers", "notifier_concurrency")
        for name in (*counts, "relay_hands"):
            whole(name, getattr(self, name), least=1)
        if self.prefetch is not None:
            whole("prefetch", self.prefetch, least=1)
        number("relay_every", self.relay_every, above=True)
        number("relay_grace", self.relay_grace)
        for sku, on_hand in self.stock.items():
            whole(_("the stock of {sku}", sku=sku), on_hand)


@dataclass(frozen=True)
class Modelled:
    """What came of a scenario in the model: tables as a live run gives them."""

    orders: Table[OrderRow]
    events: Table[EventRow]
    depths: Table[DepthRow]


@dataclass(slots=True, eq=False)
class _Order:
    """An order's state. A moment in the future is one that is planned, and taken back by a crash before it."""

    order_id: str
    offset: float
    token: str
    needs: tuple[tuple[str, int], ...]
    sends: int = 0
    answered_at: float = NEVER
    reserved_at: float = NEVER
    paid_at: float = NEVER
    settled_at: float = NEVER
    notified_at: float = NEVER
    reason: str | None = None
    told: bool = False  # whether 16 is behind it: what is said of it is said once
    to_notify: str = "18a 18b"
    attempts: int = 0


def simulate(
    scenario: Scenario,
    times: Calibration | Mapping[str, Draw],
    layout: Layout | None = None,
    *,
    sample_every: float | None = None,
    prefix: str = "sim",
) -> Modelled:
    """Run a scenario in the model until each of its orders is settled and told of; the same seed gives the same run.

    `times` is a calibration, or a distribution for each step by its label; steps without one take no time. Queue depths
    are looked at every `sample_every` seconds (None: a thousand times while orders come). Raises `InvalidScenario`.
    """
    draws = times.draws() if isinstance(times, Calibration) else dict(times)
    for label in draws:
        one_of("a label", label, LABELS)
    every = number("sample_every", scenario.duration / 1000 if sample_every is None else sample_every, above=True)
    return _Shop(scenario, draws, layout or Layout()).run(prefix, every)


class _Shop:
    """The programs at work on the orders of one scenario."""

    def __init__(self, scenario: Scenario, draws: Mapping[str, Draw], layout: Layout) -> None:
        self.env = simpy.Environment()
        self.scenario, self.layout = scenario, layout
        self.chance = Random(f"{scenario.seed} model")
        self.draws = draws
        self.slow = [trouble for trouble in scenario.troubles if isinstance(trouble, SlowGateway)]
        self.stock = dict(layout.stock)
        self.orders: list[_Order] = []
        self.stretches: list[Stretch] = []
        self.depths: list[tuple[float, int, int, int]] = []
        self.outbox: deque[tuple[float, str, int]] = deque()
        self.open = 1  # orders on their way, and whoever sends them
        self._set_up(layout)

    def _set_up(self, layout: Layout) -> None:
        self.created = Queue("orders.created.worker")
        self.notifications = {"18a": Queue("notifications.operations"), "18b": Queue("notifications.customer")}
        self.queues = [self.created, *self.notifications.values()]
        self.apis = [Program(self.env, layout.api_concurrency, self.take) for _ in range(layout.orders_api)]
        self.workers = [Program(self.env, layout.worker_concurrency, self.process) for _ in range(layout.workers)]
        for worker in self.workers:
            worker.consumers = [Consumer(self.created, worker, layout.prefetch or layout.worker_concurrency)]
        self.notifiers = []
        for label, queue in self.notifications.items():
            for _program in range(
                layout.notifiers
            ):  # its two entrypoints are apart here: neither ever fills the other's hands
                notifier = Program(self.env, layout.notifier_concurrency, partial(self.notify, label))
                notifier.consumers = [Consumer(queue, notifier, layout.notifier_concurrency)]
                self.notifiers.append(notifier)
        for program in (*self.workers, *self.notifiers):
            program.connect()

    def run(self, prefix: str, every: float) -> Modelled:
        """From the first order to the last webhook."""
        for trouble in self.scenario.troubles:
            if isinstance(trouble, WorkerCrash) and trouble.which >= len(self.workers):
                raise InvalidScenario(
                    _(
                        "There is no worker {which}: they are counted from 0 to {last}.",
                        which=trouble.which,
                        last=len(self.workers) - 1,
                    )
                )
            self.env.process(self.trouble(trouble))
        self.env.process(self.arrive(prefix))
        self.env.process(self.relay())
        self.env.process(self.look(every))
        self.env.run()
        orders, stretches, depths, queues = self.orders, self.stretches, self.depths, self.queues
        return Modelled(
            Table(OrderRow, lambda: map(_order_row, orders)),
            Table(EventRow, lambda: (row for stretch in stretches for row in stretch.rows())),
            Table(
                DepthRow,
                lambda: (
                    DepthRow(at=at, queue=queues[nth].name, ready=ready, unacked=unacked)
                    for at, nth, ready, unacked in depths
                ),
            ),
        )

    # the programs

    def arrive(self, prefix: str) -> Work:
        """Orders come as scheduled, whatever becomes of those before them."""
        env, apis = self.env, cycle(self.apis)
        for send in self.scenario.orders(prefix):
            if send.offset > env.now:
                yield env.timeout(send.offset - env.now)
            if not send.repeat:
                needs = tuple((i.sku, i.quantity) for i in send.order.items if i.sku in self.layout.stock)
                self.orders.append(_Order(send.order.order_id, send.offset, send.order.payment_token, needs))
                self.open += 1
            order = self.orders[send.number - 1]
            order.sends += 1
            next(apis).give(Message(send.number - 1, attempt=1 + send.repeat))
        self.open -= 1

    def take(self, message: Message) -> Work:
        """5 to 10, orders-api."""
        order = self.orders[message.order]
        path = API[False] if message.attempt == 1 else REPLAY
        run = self._run(order, 1, path, self._draw(path))
        if path is REPLAY:
            yield self.env.timeout(sum(run.seconds))
            return
        yield self.env.timeout(sum(run.seconds[:5]))
        if self.created.away:
            run.path = API[True]
            self._write_down("9", message.order)
        else:
            self.created.publish(Message(message.order))
        yield self.env.timeout(run.seconds[5])
        order.answered_at = self.env.now

    def process(self, message: Message) -> Work:
        """12 to 19, worker."""
        env, order = self.env, self.orders[message.order]
        order.attempts = max(order.attempts, message.attempt)
        if order.settled_at <= env.now:
            path = settled_path(order.reason is None)
            run = self._run(order, message.attempt, path, self._draw(path))
        else:
            run = self._begin(order, message.attempt)
        unsaid = False
        try:
            if run.path[-2][0] == "18":
                yield env.timeout(sum(run.seconds[:-3]))
                if order.told:
                    run.path, run.seconds = late_path(run.path), (*run.seconds[:-3], run.seconds[-1])
                else:
                    order.told = unsaid = True
                    yield env.timeout(run.seconds[-3] + run.seconds[-2])
                    unsaid = False
                    self._tell(order, message.order, run)
                yield env.timeout(run.seconds[-1])
            else:
                yield env.timeout(sum(run.seconds))
        except simpy.Interrupt:
            self._undo(order)
            run.cut(env.now)
            if unsaid:
                self._write_down("17", message.order)
                self._write_down("18", message.order)
            raise

    def notify(self, label: str, message: Message) -> Work:
        """18a or 18b, notifier."""
        order, path = self.orders[message.order], ((label, Outcome.OK),)
        run = self._run(order, message.attempt, path, self._draw(path))
        yield self.env.timeout(run.seconds[0])
        if label in order.to_notify:
            order.to_notify = order.to_notify.replace(label, "")
            if not order.to_notify.strip():
                order.notified_at = self.env.now
                self.open -= 1

    def relay(self) -> Work:
        """9, 17 and 18 for what its own publisher has left, once a sweep, a few hands at a time."""
        while not self.done:
            yield self.env.timeout(self.layout.relay_every)
            while self.outbox and self.outbox[0][0] <= self.env.now and not self.created.away:
                hands = min(self.layout.relay_hands, len(self.outbox))
                batch = [self.outbox.popleft() for _program in range(hands) if self.outbox[0][0] <= self.env.now]
                runs = [self._publish(label, number) for _, label, number in batch]
                yield self.env.timeout(max(sum(run.seconds) for run in runs))

    def trouble(self, trouble: Trouble) -> Work:
        """What goes wrong, and its end; a slow gateway is looked up when a payment begins."""
        yield self.env.timeout(trouble.at)
        if isinstance(trouble, WorkerCrash):
            self.workers[trouble.which].crash()
            yield self.env.timeout(trouble.restart)
            self.workers[trouble.which].restart()
        elif isinstance(trouble, BrokerOutage):
            for queue in self.queues:
                queue.away = True
            for program in (*self.workers, *self.notifiers):
                program.disconnect()
            yield self.env.timeout(trouble.lasts)
            for queue in self.queues:
                queue.away = False
            for program in (*self.workers, *self.notifiers):
                program.connect()

    def look(self, every: float) -> Work:
        """Queue depths over time."""
        while not self.done:
            self.depths += [(self.env.now, n, len(q.ready), q.unacked) for n, q in enumerate(self.queues)]
            yield self.env.timeout(every)

    # what they do it with

    @property
    def done(self) -> bool:
        """Whether no order is to come, or on its way."""
        return self.open == 0

    def _run(self, order: _Order, attempt: int, path: Path, seconds: tuple[float, ...]) -> Stretch:
        run = Stretch(order.order_id, attempt, self.env.now, path, seconds, order.reason is not None)
        self.stretches.append(run)
        return run

    def _draw(self, path: Path) -> tuple[float, ...]:
        draws, chance = self.draws, self.chance
        return tuple([draws[label](chance) if label in draws else 0.0 for label, _ in path])

    def _begin(self, order: _Order, attempt: int) -> Stretch:
        """Decide an order's way from where earlier deliveries got, and when each step of it will have ended."""
        now = self.env.now
        reserved = order.reserved_at <= now
        short = not reserved and any(self.stock[sku] < quantity for sku, quantity in order.needs)
        declined = PAYMENT_TOKENS[order.token].declined and not short
        path = worker_path(
            again=attempt > 1, reserved=reserved, paid=order.paid_at <= now, short=short, declined=declined
        )
        order.reason = "out_of_stock" if short else "payment_declined" if declined else None
        seconds, end = list(self._draw(path)), now
        for nth, (label, outcome) in enumerate(path[:-3]):
            if label == "15" and outcome is not Outcome.ALREADY_DONE:
                seconds[nth] += gateway_takes(PAYMENT_TOKENS[order.token])
                seconds[nth] += sum(t.seconds for t in self.slow if t.at <= end < t.at + t.lasts)
            end += seconds[nth]
            if label == "14" and not reserved:
                order.reserved_at = min(order.reserved_at, end)
                self._move_stock(order, -1)
            elif label == "15" and outcome is Outcome.OK:
                order.paid_at = min(order.paid_at, end)
            elif label == "15c":
                self._move_stock(order, 1)
        order.settled_at = min(order.settled_at, end)
        return self._run(order, attempt, path, tuple(seconds))

    def _undo(self, order: _Order) -> None:
        """A crash: what had been planned for later is not to be."""
        now = self.env.now
        if now < order.reserved_at < NEVER:
            if order.reason is None:
                self._move_stock(order, 1)
            order.reserved_at = NEVER
        order.paid_at = order.paid_at if order.paid_at <= now else NEVER
        order.settled_at = order.settled_at if order.settled_at <= now else NEVER

    def _move_stock(self, order: _Order, way: int) -> None:
        for sku, quantity in order.needs:
            self.stock[sku] += way * quantity

    def _tell(self, order: _Order, number: int, run: Stretch) -> None:
        """18: two notifications to their queues, or to the outbox while the broker is away."""
        if self.created.away:
            run.path = deferred_path(run.path)
            self._write_down("17", number)
            self._write_down("18", number)
            return
        for queue in self.notifications.values():
            queue.publish(Message(number))

    def _write_down(self, label: str, number: int) -> None:
        """A message stays in the outbox; the relay leaves it alone for a while."""
        self.outbox.append((self.env.now + self.layout.relay_grace, label, number))

    def _publish(self, label: str, number: int) -> Stretch:
        """The relay publishes a message."""
        path: Path = ((label, Outcome.OK),)
        run = self._run(self.orders[number], max(1, self.orders[number].attempts), path, self._draw(path))
        if label == "9":
            self.created.publish(Message(number))
        elif label == "18":
            for queue in self.notifications.values():
                queue.publish(Message(number))
        return run


def _order_row(order: _Order) -> OrderRow:
    status = Status.RECEIVED
    if order.settled_at < NEVER:
        status = Status.REJECTED if order.reason else Status.CONFIRMED
    answered, settled, notified = (
        None if at == NEVER else at for at in (order.answered_at, order.settled_at, order.notified_at)
    )
    return OrderRow(
        order_id=order.order_id,
        intended_at=order.offset,
        sent_at=order.offset,
        sends=order.sends,
        answered_at=answered,
        settled_at=settled,
        notified_at=notified,
        status=status.value,
        rejection_reason=order.reason,
        attempts=order.attempts,
        time_to_answer=None if answered is None else answered - order.offset,
        time_to_settle=None if settled is None else settled - order.offset,
        time_to_notify=None if notified is None else notified - order.offset,
    )
