"""Bearer tokens: issued by GET /login-demo, verified at 5. HS256, fixed by the verifier (RFC 8725, 3.1)."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jwt

from orderlab.errors import InvalidToken, MissingScope, Unauthenticated
from orderlab.language import _

ALGORITHM = "HS256"
ISSUER = "orderlab"
AUDIENCE = "orders-api"
WRITE = "orders:write"
READ = "orders:read"
LIFETIME = 3600  # seconds
MOST_KNOWN = 1000
"""Good tokens that are remembered; those not used for longest give way."""
_CLAIMS = ["iss", "aud", "sub", "iat", "exp", "jti", "scope"]


@dataclass(frozen=True)
class Claims:
    """What a verified token says: who (`subject`), what for (`scopes`), from when to when (Unix seconds), and all."""

    subject: str
    scopes: frozenset[str]
    token_id: str
    issued_at: float
    expires_at: float
    as_told: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def need(self, scope: str) -> Claims:
        """Itself, if the token allows this; raise `MissingScope` otherwise."""
        if scope not in self.scopes:
            raise MissingScope(
                _("The token lacks the scope {scope!r}. Get one that has it from GET /login-demo.", scope=scope)
            )
        return self


@dataclass(frozen=True)
class Issued:
    """A token that was handed out, and what it says. Its text does not show in a log."""

    token: str = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)

    @property
    def token_id(self) -> str:
        """The id that is in it."""
        return str(self.claims["jti"])


def issue(
    secret: str, subject: str = "demo", scopes: tuple[str, ...] = (READ, WRITE), lifetime: int = LIFETIME
) -> Issued:
    """A signed token for `subject`, valid for `lifetime` seconds. `iat` keeps its fraction (RFC 7519, NumericDate)."""
    now = time.time()
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "iat": now,
        "exp": int(now) + lifetime,
        "jti": uuid.uuid4().hex,
        "scope": " ".join(scopes),
    }
    return Issued(jwt.encode(claims, secret, algorithm=ALGORITHM), claims)


def verify(secret: str, authorization: str | None) -> Claims:
    """The claims of the header 'Authorization: Bearer …'; raise `Unauthenticated` or `InvalidToken`."""
    scheme, _blank, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated
    try:
        claims = _claims(secret, token.strip())
        if claims.expires_at <= time.time():  # a token that was good may be too old by now
            raise jwt.ExpiredSignatureError
    except jwt.ExpiredSignatureError:
        raise InvalidToken(_("The token has expired. Get a new one from GET /login-demo.")) from None
    except (jwt.InvalidTokenError, ValueError):
        raise InvalidToken from None
    return claims


@lru_cache(maxsize=MOST_KNOWN)
def _claims(secret: str, token: str) -> Claims:
    """What PyJWT makes of a token. One that was good is known by its whole text; one that was not is judged anew."""
    claims = jwt.decode(
        token, secret, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER, options={"require": _CLAIMS}
    )
    return Claims(
        subject=str(claims["sub"]),
        scopes=frozenset(str(claims["scope"]).split()),
        token_id=str(claims["jti"]),
        issued_at=float(claims["iat"]),
        expires_at=int(claims["exp"]),
        as_told=claims,
    )
