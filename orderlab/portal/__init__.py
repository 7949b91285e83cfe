"""The Demo Portal: a Flask application that orders through the API, as anybody would, and receives the webhooks."""

from __future__ import annotations

from orderlab.portal.app import create_app

__all__ = ["create_app"]
