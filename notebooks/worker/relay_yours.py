"""A relay of your own, beside stage 4. Reference: 1 line.

It sweeps the outbox once a second for messages that nobody has published. As it is, it marks a message as published,
and then publishes it: a crash between the two loses it. Mend that. What does a crash between the two do then?

    lab.use(relay="relay_yours.py")
"""

from orderlab.build import *


class Relay:
    """Publishes what the outbox holds and nobody else has published (9, 17, 18)."""

    name = "relay"

    outbox = Outbox()
    publish = Publisher()

    @timer(interval=1)
    def sweep(self):
        for waiting in self.outbox.waiting():
            self.outbox.mark(waiting)
            waiting.step(waiting.arrow, self.publish, waiting.message)
