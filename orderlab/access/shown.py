"""What a notebook shows of a token, an answer and a message."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orderlab.calls import kinds
from orderlab.language import N_, _, spoken

_CLAIMS = {
    "iss": N_("who issued it"),
    "aud": N_("whom it is for"),
    "sub": N_("who asks"),
    "iat": N_("issued (seconds since 1970)"),
    "exp": N_("expires (seconds since 1970)"),
    "jti": N_("its own id"),
    "scope": N_("what it allows"),
}

_HEADERS = ("Content-Type", "Location", "Idempotent-Replayed", "WWW-Authenticate", "Retry-After", "Allow")


class _Shown:
    """Shown in a notebook as the text of `str()`."""

    def __repr__(self) -> str:
        return str(self)


@spoken
@dataclass(frozen=True, repr=False)
class Token(_Shown):
    """A bearer token. `text` is what travels; what is shown keeps the signature back."""

    text: str = field(repr=False)

    @property
    def header(self) -> dict[str, Any]:
        """How it is signed."""
        return _decoded(self.text, 0)

    @property
    def claims(self) -> dict[str, Any]:
        """What it says. Anyone can read this: it is encoded, not encrypted."""
        return _decoded(self.text, 1)

    @property
    def authorization(self) -> str:
        """The header's value: `Bearer …`."""
        return f"Bearer {self.text}"

    def __str__(self) -> str:
        signature = _HIDDEN if self.text.rpartition(".")[2] else (_("none"), "")
        return _token_text(self.header, self.claims, signature)


def _token(value: Any) -> Any:
    written = value.text if isinstance(value, Token) else value
    if not isinstance(written, str) or not (written.isascii() and written.isprintable()):
        raise kinds.Unfit(_("a token"))
    return value


kinds.KINDS["token"] = _token


@spoken
@dataclass(frozen=True, repr=False)
class Answer(_Shown):
    """An HTTP answer as it came: status, headers, and the body (read if it is JSON)."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: Any

    def __str__(self) -> str:
        lines = [f"{self.status} {self.reason}"]
        lines += [f"{name}: {self.headers[name]}" for name in _HEADERS if name in self.headers]
        return "\n".join([*lines, "", _json(self.body)])


@spoken
@dataclass(frozen=True, repr=False)
class Copy(_Shown):
    """A message as it lies in a queue: its headers (the CloudEvents envelope) and its body."""

    exchange: str
    headers: Mapping[str, Any]
    body: Any

    @property
    def order_id(self) -> str:
        """The order it is about."""
        return str(self.headers.get("cloudEvents_subject", ""))

    def __str__(self) -> str:
        lines = [f"{name:<27}{value}" for name, value in sorted(self.headers.items())]
        return "\n".join([_("from the exchange {exchange}", exchange=self.exchange), "", *lines, "", _json(self.body)])


def claims_text(claims: Mapping[str, Any]) -> str:
    """A token of which the claims were noted, shown as a token is. JSON does not keep their order; this does."""
    return _token_text({}, {name: claims[name] for name in _CLAIMS if name in claims}, _HIDDEN)


_HIDDEN = ("•" * 12, N_("kept back: who holds it can use the token"))


def _token_text(header: Mapping[str, Any], claims: Mapping[str, Any], signature: tuple[str, str]) -> str:
    lines = [(_("header"), name, str(value), "") for name, value in header.items()]
    lines += [(_("payload"), name, str(value), _(_CLAIMS.get(name, ""))) for name, value in claims.items()]
    lines.append((_("signature"), "", signature[0], _(signature[1])))
    return "\n".join(f"{part:<10}{name:<7}{value:<34}{means}".rstrip() for part, name, value, means in lines)


def _decoded(token: str, part: int) -> dict[str, Any]:
    text = token.split(".")[part]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return decoded


def _json(body: Any) -> str:
    return body if isinstance(body, str) else json.dumps(body, indent=2, ensure_ascii=False)
