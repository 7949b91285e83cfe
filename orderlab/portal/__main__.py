"""`python -m orderlab.portal`: serve the portal at ORDERLAB_PORTAL_ADDRESS."""

from __future__ import annotations

import logging
import sys

import waitress

from orderlab.errors import OrderlabError
from orderlab.faults.gates import Gates, OpenGates
from orderlab.faults.keeper import Gatekeeper
from orderlab.identity import named
from orderlab.portal.app import create_app
from orderlab.portal.live import MOST_STREAMS
from orderlab.settings import Settings


def _gates(settings: Settings) -> Gates:
    """The portal's gates, where it is told the lab's database; it has no rights there but for them."""
    if not settings.database_url:
        return OpenGates()
    gates = Gatekeeper(settings.database_url, "portal")
    gates.start()
    return gates


def main() -> int:
    """Serve until a signal comes; 1 with one line on stderr if that can't be."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("waitress").setLevel(logging.ERROR)  # a reader who leaves a stream is no news
    try:
        settings = Settings.from_environment()
        app = create_app(settings, _gates(settings))
        server = waitress.create_server(
            named(app, settings.lab),
            listen=settings.portal_address,
            threads=MOST_STREAMS + 8,  # an open stream keeps a thread
            connection_limit=500,
            asyncore_use_poll=True,
            ident=None,
        )
    except OrderlabError as error:
        print(f"orderlab portal: {error.detail}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"orderlab portal: can't listen at {settings.portal_address}: {error}", file=sys.stderr)
        return 1
    print(f"orderlab portal: listening at http://{settings.portal_address}", flush=True)
    server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
