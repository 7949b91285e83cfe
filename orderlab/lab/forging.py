"""Tokens of a student's own making, to see what the API does with them."""

from __future__ import annotations

import secrets
import time

import jwt

from orderlab.access.shown import Token
from orderlab.errors import LabError
from orderlab.language import _


def forge(
    api_key: str, *, expires_in: int, audience: str, issuer: str, scope: str, algorithm: str, key: str | None
) -> Token:
    """A token with these claims; `api_key` is the API's own, where it is at hand. Raises `LabError` where it is not."""
    if key is None and algorithm != "none" and not api_key:
        raise LabError(_("The API's key is not at hand here, so give a `key`: only the API's own makes a valid token."))
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": "demo",
        "iat": min(now, now + expires_in),
        "exp": now + expires_in,
        "jti": secrets.token_hex(16),
        "scope": scope,
    }
    return Token(jwt.encode(claims, None if algorithm == "none" else key or api_key, algorithm=algorithm))
