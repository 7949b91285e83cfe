"""The model's broker and programs: queues that hand out messages by prefetch, programs that do some at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

import simpy

Work = Generator[simpy.Event, object, None]


class Handle(Protocol):
    """What a program does with a message: a SimPy process that returns when it is acked, or is interrupted."""

    def __call__(self, message: Message) -> Work: ...


@dataclass(eq=False)
class Message:
    """One message about an order, by its number; `attempt` is which delivery this is."""

    order: int
    attempt: int = 1


class Queue:
    """A quorum queue: what is ready goes round among consumers that have fewer in hand than their prefetch count."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready: deque[Message] = deque()
        self.unacked = 0
        self.away = False
        self._turn: deque[Consumer] = deque()  # those that can take one more, whose turn it is first

    def publish(self, message: Message) -> None:
        """Hand a message to whoever's turn it is, or keep it."""
        if self._turn:
            self._hand_over(message, self._turn.popleft())
        else:
            self.ready.append(message)

    def willing(self, consumer: Consumer) -> None:
        """A consumer has room again, or has come back."""
        self._turn.append(consumer)
        while self.ready and self._turn:
            self._hand_over(self.ready.popleft(), self._turn.popleft())

    def gone(self, consumer: Consumer) -> None:
        """A consumer's connection broke: what it had in hand comes again, before what is ready, in its order."""
        if consumer in self._turn:
            self._turn.remove(consumer)
        again = [Message(message.order, message.attempt + 1) for message in consumer.in_hand]
        self.unacked -= len(again)
        consumer.in_hand.clear()
        self.ready.extendleft(reversed(again))
        while self.ready and self._turn:
            self._hand_over(self.ready.popleft(), self._turn.popleft())

    def _hand_over(self, message: Message, consumer: Consumer) -> None:
        self.unacked += 1
        consumer.in_hand[message] = None
        if len(consumer.in_hand) < consumer.prefetch:
            self._turn.append(consumer)
        consumer.program.give(message, consumer)


class Consumer:
    """One program's subscription to one queue; it holds at most `prefetch` messages that it has not acked."""

    def __init__(self, queue: Queue, program: Program, prefetch: int) -> None:
        self.queue, self.program, self.prefetch = queue, program, prefetch
        self.in_hand: dict[Message, None] = {}

    def ack(self, message: Message) -> bool:
        """Done with a message; False where the broker has taken it back meanwhile."""
        if message not in self.in_hand:
            return False
        full = len(self.in_hand) == self.prefetch
        del self.in_hand[message]
        self.queue.unacked -= 1
        if full:
            self.queue.willing(self)
        return True


class Program:
    """One process: it works on `concurrency` things at once, the others wait their turn in its memory."""

    def __init__(self, env: simpy.Environment, concurrency: int, handle: Handle) -> None:
        self._env, self._free, self._handle = env, concurrency, handle
        self._backlog: deque[tuple[Message, Consumer | None]] = deque()
        self._running: dict[simpy.Process, None] = {}
        self.consumers: list[Consumer] = []
        self.up = True

    def give(self, message: Message, consumer: Consumer | None = None) -> None:
        """Something to do; without a consumer it is a request."""
        if self._free and not self._backlog:
            self._start(message, consumer)
        else:
            self._backlog.append((message, consumer))

    def crash(self) -> None:
        """SIGKILL: whatever runs ends where it is, and the broker takes back what was not acked."""
        if not self.up:
            return
        self.up = False
        self._backlog.clear()
        for process in list(self._running):
            process.interrupt()
        self.disconnect()

    def restart(self) -> None:
        """The supervisor has started it again."""
        self.up = True
        self.connect()

    def connect(self) -> None:
        """Ask each queue for messages, if this runs and the broker is there."""
        for consumer in self.consumers:
            if self.up and not consumer.queue.away:
                consumer.queue.willing(consumer)

    def disconnect(self) -> None:
        """The connections are broken; what is being worked on is worked on, but its ack will go nowhere."""
        self._backlog = deque((message, consumer) for message, consumer in self._backlog if consumer is None)
        for consumer in self.consumers:
            consumer.queue.gone(consumer)

    def _start(self, message: Message, consumer: Consumer | None) -> None:
        self._free -= 1
        process = self._env.process(self._work(message, consumer))
        self._running[process] = None

    def _work(self, message: Message, consumer: Consumer | None) -> Work:
        process = self._env.active_process
        assert process is not None
        try:
            yield from self._handle(message)
            acked = True
        except simpy.Interrupt:
            acked = False
        del self._running[process]
        self._free += 1
        if acked and consumer:
            consumer.ack(message)
        if self._backlog and self._free:
            self._start(*self._backlog.popleft())
