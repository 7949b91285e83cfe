"""`./lab` hands over to this where its environment is missing or old, and this to the `orderlab` command."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from orderlab.bootstrap import broker, environment
from orderlab.bootstrap.console import Unready, say

_ROOT = Path(__file__).resolve().parents[2]


def main(words: list[str]) -> int:
    """Make the environment, with RabbitMQ fetched beside it where it will be needed; then run the command."""
    say("Setting the lab up (once):")
    fetching = threading.Thread(target=_fetch_broker, daemon=True)
    if words[:1] in (["up"], ["test"]) and "--docker" not in words and not os.environ.get("ORDERLAB_AMQP_URL"):
        fetching.start()
    try:
        python = environment.make(_ROOT / ".orderlab/venv", _ROOT / "requirements.lock", _ROOT)
    except Unready as reason:
        say(f"lab: {reason}")
        return 1
    if fetching.ident:
        fetching.join()
    os.environ.pop("PYTHONPATH", None)  # `lab` set it for this module's sake
    os.execv(python, [str(python), "-P", "-m", "orderlab.cli", *words])


def _fetch_broker() -> None:
    try:
        broker.find()
    except Unready:
        pass  # the command meets it again, and says so in its place


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        say("lab: interrupted. Run it again: it starts over cleanly.")
        sys.exit(130)
