"""Run one role of the peer: `python -m bench.peer worker`."""

from __future__ import annotations

import importlib
import os
import sys
from urllib.parse import urlsplit

import uvicorn
import uvloop

from orderlab.settings import Settings

HTTP = {"api": "api_address", "inbox": "portal_address"}
ROLES = ("api", "worker", "notifier", "relay", "inbox")
NICENESS = {"notifier": 10}
"""As orderlab's: on a small machine webhooks give way to orders."""


def main(role: str) -> None:
    """Run it until it is stopped."""
    os.nice(NICENESS.get(role, 0))
    if role in HTTP:
        address = urlsplit("//" + getattr(Settings.from_environment(), HTTP[role]))
        uvicorn.run(
            f"bench.peer.{role}:app",
            host=address.hostname or "",
            port=address.port or 0,
            loop="uvloop",
            http="httptools",
            access_log=False,
            log_level="warning",
        )
        return
    module = importlib.import_module(f"bench.peer.{role}")
    uvloop.run(module.main() if role == "relay" else module.app.run())


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in ROLES:
        sys.exit(f"Say which role: python -m bench.peer {' | '.join(ROLES)}")
    main(sys.argv[1])
