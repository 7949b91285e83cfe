"""`./lab` hands over to this where its environment is missing or old, and this to the `orderlab` command."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path
from typing import NoReturn

from orderlab.bootstrap import broker, environment
from orderlab.bootstrap.console import Unready, say
from orderlab.language import _, default, of_terminal

_ROOT = Path(__file__).resolve().parents[2]


def main(words: list[str]) -> NoReturn:
    """Make the environment, with RabbitMQ fetched beside it where it will be needed; then become the command."""
    default(of_terminal(os.environ))
    say(_("Setting the lab up (once):"))
    fetching = threading.Thread(target=_fetch_broker, daemon=True)
    if words[:1] in (["up"], ["test"]) and "--docker" not in words and not os.environ.get("ORDERLAB_AMQP_URL"):
        fetching.start()
    try:
        python = environment.make(_ROOT / ".orderlab/venv", _ROOT / "requirements.lock", _ROOT)
    except Unready as reason:
        sys.exit(f"lab: {reason}")
    if fetching.ident:
        fetching.join()
    os.environ.pop("PYTHONPATH", None)  # `lab` set it for this module's sake
    os.execv(python, [str(python), "-P", "-m", "orderlab.cli", *words])


def _fetch_broker() -> None:
    with contextlib.suppress(Unready):  # the command meets it again, and says so in its place
        broker.find()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        say(_("lab: interrupted. Run it again: it starts over cleanly."))
        sys.exit(130)
