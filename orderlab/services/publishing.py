"""Publishing with confirms: one connection for a whole process, on which many greenlets wait for theirs at once.

Kombu's producer waits for one confirm at a time and keeps a connection for each that waits. Here what greenlets publish
at one moment is written as one, and one greenlet reads the broker's confirms, which then come in bunches, and wakes
those whom they are for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import eventlet
from amqp import spec
from amqp.basic_message import Message as Body
from amqp.method_framing import frame_writer
from eventlet.event import Event as Signal
from kombu import Connection

from orderlab import topology
from orderlab.errors import BrokerAway
from orderlab.language import _
from orderlab.topology import AWAY

CONFIRM_TIMEOUT = 5.0
"""Seconds the broker has to confirm a message."""
CONNECT_TIMEOUT = 3
"""Seconds a connection may take."""


@dataclass(frozen=True)
class Letter:
    """What is published: a body with its headers, persistent, to an exchange."""

    body: bytes
    headers: Mapping[str, Any]
    exchange: str
    routing_key: str
    message_id: str = ""
    published_by: str = ""  # the service; travels as the AMQP property app_id
    copy: str = ""  # of the message; travels as the AMQP property correlation_id

    def as_amqp(self) -> Body:
        """With its properties."""
        named = {"message_id": self.message_id, "app_id": self.published_by, "correlation_id": self.copy}
        properties = {name: value for name, value in named.items() if value}
        return Body(
            self.body,
            application_headers=dict(self.headers),
            content_type="application/json",
            content_encoding="utf-8",
            delivery_mode=2,
            **properties,
        )


class Broken(Exception):
    """The connection broke while letters were under way."""


@dataclass
class Awaited:
    """Letters on their way together; the signal is sent when each is confirmed, or an error when one can't be."""

    left: int
    signal: Signal = field(default_factory=Signal)

    def confirmed(self) -> None:
        """One more has arrived."""
        self.left -= 1
        if not self.left and not self.signal.ready():
            self.signal.send()

    def failed(self, error: Exception) -> None:
        """They won't all be confirmed."""
        if not self.signal.ready():
            self.signal.send_exception(error)


class Tray:
    """Where frames are laid down; what has gathered goes out as one when the greenlets that can run have run."""

    def __init__(self, write: Callable[[bytes], object], failed: Callable[[], object]) -> None:
        self._really_write, self._failed = write, failed
        self._pieces: list[bytes] = []
        self._going = False

    def write(self, frames: memoryview) -> None:
        """Lay these down; they are copied, for amqp writes its next into the same place."""
        self._pieces.append(bytes(frames))
        if not self._going:
            self._going = True
            eventlet.spawn_n(self._go)

    def _go(self) -> None:
        try:
            while self._pieces:
                pieces, self._pieces = self._pieces, []
                self._really_write(b"".join(pieces))
        except AWAY:
            self._failed()
        finally:
            self._going = False


class Line:
    """One connection and channel to the broker, with everything of the topology declared on it."""

    def __init__(self, url: str) -> None:
        """Connect; raise what `AWAY` names."""
        self._awaited: dict[int, Awaited] = {}
        self._tag = 0
        self.broken = False
        self._connection = Connection(url, connect_timeout=CONNECT_TIMEOUT)
        try:
            self._channel = self._connection.channel()
            self._channel.confirm_select()
            for entity in (*topology.EXCHANGES, *topology.QUEUES):
                entity(self._channel).declare()
            self._channel.events["basic_ack"].add(self._on_ack)
            self._channel.events["basic_nack"].add(self._on_nack)
            amqp = self._channel.connection
            amqp.frame_writer = frame_writer(amqp, Tray(amqp.transport.write, self.drop))
        except BaseException:
            self._connection.collect()
            raise
        eventlet.spawn_n(self._read)

    def send(self, letters: Sequence[Letter]) -> Awaited:
        """Write these; raise what `AWAY` names."""
        awaited = Awaited(len(letters))
        for letter in letters:
            self._tag += 1
            self._awaited[self._tag] = awaited
            # basic_publish would first look whether the broker has said something: the reader does.
            to = (0, letter.exchange, letter.routing_key, False, False)
            self._channel.send_method(spec.Basic.Publish, "Bssbb", to, letter.as_amqp())
        return awaited

    def drop(self) -> None:
        """Close it; whoever still waits is told that the broker is away."""
        if not self.broken:
            self.broken = True
            for awaited in list(self._awaited.values()):
                awaited.failed(Broken())
            self._awaited.clear()
            self._connection.collect()

    def _read(self) -> None:
        try:
            while not self.broken:
                self._connection.drain_events()
        except AWAY:
            pass
        finally:
            self.drop()

    def _on_ack(self, tag: int, multiple: bool) -> None:
        for awaited in self._take(tag, multiple):
            awaited.confirmed()

    def _on_nack(self, tag: int, multiple: bool) -> None:
        for awaited in self._take(tag, multiple):
            awaited.failed(BrokerAway(_("RabbitMQ refused the message. Try again in a moment.")))

    def _take(self, tag: int, multiple: bool) -> list[Awaited]:
        tags = takewhile(lambda each: each <= tag, list(self._awaited)) if multiple else (tag,)
        return [self._awaited.pop(each) for each in tags if each in self._awaited]


class Post:
    """Publishes for a whole process. It starts whether or not the broker is there, and connects when it must."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._line: Line | None = None
        self._connecting: Signal | None = None

    def send(self, *letters: Letter) -> None:
        """Publish these together, and return once each is confirmed; raise `BrokerAway`.

        A connection that turns out to be broken is renewed once.
        """
        try:
            self._send(letters)
        except Broken:
            try:
                self._send(letters)
            except Broken as error:
                raise BrokerAway from error

    def _send(self, letters: Sequence[Letter]) -> None:
        line = self._connected()
        try:
            awaited = line.send(letters)
        except AWAY as error:
            line.drop()
            raise Broken from error
        late = BrokerAway(_("RabbitMQ did not confirm a message in time. Try again in a moment."))
        try:
            with eventlet.Timeout(CONFIRM_TIMEOUT, late):
                awaited.signal.wait()
        except BrokerAway as error:
            if error is late:
                line.drop()
            raise

    def _connected(self) -> Line:
        """The line, made anew if it must be. Those who come while it is being made wait for the same attempt."""
        if self._line and not self._line.broken:
            return self._line
        if self._connecting:
            return self._connecting.wait()  # type: ignore[no-any-return]
        self._connecting = attempt = Signal()
        try:
            with eventlet.Timeout(CONNECT_TIMEOUT, TimeoutError()):  # a frozen broker takes it, and says nothing
                self._line = line = Line(self._url)
        except AWAY as error:
            away = BrokerAway()
            attempt.send_exception(away)
            raise away from error
        finally:
            self._connecting = None
        attempt.send(line)
        return line
