"""Reference of the relay."""

from orderlab.build import *


class Relay:
    """Publishes what the outbox holds and nobody else has published (9, 17, 18)."""

    name = "relay"

    outbox = Outbox()
    publish = Publisher()

    @timer(interval=1)
    def sweep(self):
        for waiting in self.outbox.waiting():
            waiting.step(waiting.arrow, self.publish, waiting.message)
            self.outbox.mark(waiting)
