"""`lab.dead`: messages that could not be processed, and the way back for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orderlab import dead_letters
from orderlab.access.shown import Copy
from orderlab.calls.checking import checked, public
from orderlab.errors import LabError
from orderlab.language import N_, _
from orderlab.nearest import instead

if TYPE_CHECKING:
    import pandas as pd


@public
class Dead:
    """The messages in `orders.dead`."""

    def __init__(self, amqp_url: str) -> None:
        self._amqp_url = amqp_url

    def list(self) -> pd.DataFrame:
        """The dead messages, oldest first: `event_id`, `order_id`, `reason`, and the `queue` they came from."""
        import pandas as pd

        rows = [(each.event_id, each.order_id, each.reason, each.queue) for each in dead_letters.read(self._amqp_url)]
        return pd.DataFrame(rows, columns=["event_id", "order_id", "reason", "queue"])

    def show(self, event_id: str) -> Copy:
        """One of them, with its headers and its body. Raises `LabError` if there is none of this id."""
        letters = {letter.event_id: letter for letter in dead_letters.read(self._amqp_url)}
        if event_id not in letters:
            raise LabError(
                _(
                    "There is no dead message {event_id!r}.{hint}",
                    event_id=event_id,
                    hint=instead(event_id, letters, N_("Dead are")),
                )
            )
        letter = letters[event_id]
        return Copy("", letter.headers, letter.body)

    def resend(self, event_id: str | None = None) -> int:
        """Send one (or, with no id, each) back to the queue it came from; how many were sent."""
        sent = dead_letters.send_back(self._amqp_url, event_id)
        if event_id is not None and not sent:
            raise LabError(
                _(
                    "There is no dead message {event_id!r} that knows its queue. lab.dead.list() has them.",
                    event_id=event_id,
                )
            )
        return sent

    @checked
    def __repr__(self) -> str:
        frame = self.list()
        return _("no message is dead") if frame.empty else frame.to_string(index=False)
