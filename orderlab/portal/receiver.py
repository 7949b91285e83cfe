"""Good webhooks are kept before Flask is asked: what Flask does around a request costs more than keeping one.

What is not plainly good goes on to the application as it came, so that it is refused there, in one place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from orderlab.doors import Doors
from orderlab.errors import OtherSite, StrangeHost
from orderlab.identity import Wsgi
from orderlab.messages import AUDIENCES
from orderlab.portal.store import Inbox

_ADDRESSES = {f"/webhooks/{audience}": audience for audience in AUDIENCES}
_SIGNED = {f"HTTP_{name.upper().replace('-', '_')}": name for name in ("webhook-id", "webhook-timestamp")}
_SIGNED["HTTP_WEBHOOK_SIGNATURE"] = "webhook-signature"


class Receiver:
    """A WSGI application in front of another."""

    def __init__(
        self, app: Wsgi, doors: Doors, webhook: Webhook, inbox: Inbox, headers: dict[str, str], most_bytes: int
    ) -> None:
        self._app, self._doors, self._webhook, self._inbox, self._most_bytes = app, doors, webhook, inbox, most_bytes
        self._headers = [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", "0"), *headers.items()]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        audience = _ADDRESSES.get(environ.get("PATH_INFO", ""))
        if audience and environ["REQUEST_METHOD"] == "POST" and self._kept(audience, environ):
            start_response("200 OK", self._headers)  # not 204: waitress closes the connection behind it
            return [b""]
        return self._app(environ, start_response)

    def _kept(self, audience: str, environ: dict[str, Any]) -> bool:
        """Whether the webhook was good, and is kept; where it was not, its body can be read again."""
        length = environ.get("CONTENT_LENGTH", "")
        if not length.isdecimal() or int(length) > self._most_bytes or environ.get("HTTP_TRANSFER_ENCODING"):
            return False
        content = environ["wsgi.input"].read(int(length))
        environ["wsgi.input"] = BytesIO(content)
        signed = {name: environ.get(key, "") for key, name in _SIGNED.items()}
        try:
            self._doors.check(environ)
            body = self._webhook.verify(content, signed)
        except (StrangeHost, OtherSite, WebhookVerificationError, json.JSONDecodeError, ValueError):
            return False
        if not isinstance(body, dict):
            return False
        self._inbox.receive(audience, signed["webhook-id"], body)
        return True
