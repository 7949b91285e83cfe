"""Where the notifier's webhooks arrive: signed (Standard Webhooks), kept once."""

from __future__ import annotations

import json

from flask import Blueprint, abort, request
from flask.typing import ResponseReturnValue
from standardwebhooks import WebhookVerificationError

from orderlab.messages import AUDIENCES
from orderlab.portal.parts import parts

webhooks = Blueprint("webhooks", __name__)


@webhooks.post("/webhooks/<audience>")
def receive(audience: str) -> ResponseReturnValue:
    """200 once it is kept, now or before; 401 for a wrong signature; 400 for a body that is no JSON object."""
    if audience not in AUDIENCES:
        abort(404)
    content = request.get_data()
    try:
        body = parts().webhook.verify(content, dict(request.headers))
    except json.JSONDecodeError:
        return {"error": "The body is not JSON."}, 400
    except (WebhookVerificationError, ValueError):  # ValueError: headers that can't be read at all
        return {"error": "The signature is missing, wrong or more than five minutes old."}, 401
    if not isinstance(body, dict):
        return {"error": "The body is not a JSON object."}, 400
    parts().inbox.receive(audience, request.headers["webhook-id"], body)
    return "", 200  # not 204: waitress closes the connection behind an answer without a length
