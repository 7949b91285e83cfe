"""The environment, read once into one frozen `Settings`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orderlab.errors import OrderlabError
from orderlab.language import _


class MissingSetting(OrderlabError):
    """A setting is missing from the environment."""


class WrongSetting(OrderlabError):
    """A setting can't be what it is."""


def read(variable: str, environ: Mapping[str, str]) -> str:
    """A variable's value, or what is in the file that <variable>_FILE names; empty if there is neither."""
    if file := environ.get(f"{variable}_FILE"):
        try:
            return Path(file).read_text().strip()
        except OSError as error:
            raise MissingSetting(
                _("{variable}_FILE names a file that can't be read: {error}.", variable=variable, error=error)
            ) from error
    return environ.get(variable, "")


@dataclass(frozen=True)
class Settings:
    """What a process of the lab needs to know. Every field is the variable ORDERLAB_<NAME>.

    A secret can be given in a file instead: ORDERLAB_JWT_SECRET_FILE=/path beside ORDERLAB_JWT_SECRET.
    """

    database_url: str = ""  # signs in as the role of the process that reads it
    amqp_url: str = ""
    api_address: str = "127.0.0.1:8000"  # where orders-api listens
    api_url: str = "http://127.0.0.1:8000"  # where others find it
    portal_address: str = "127.0.0.1:8080"
    portal_url: str = "http://127.0.0.1:8080"
    allowed_hosts: str = ""  # hosts besides the loopback ones that API and portal answer at: names, commas between
    jwt_secret: str = ""  # at least 32 bytes (RFC 7518, 3.2)
    webhook_secret: str = ""  # Standard Webhooks: whsec_ and base64
    portal_secret: str = ""  # signs the portal's session cookie
    portal_data: str = "inbox.sqlite3"  # the file where the portal keeps its inbox
    webhook_patience: str = "60"  # seconds for which a webhook is tried before it is given up
    lab: str = ""  # the lab's own id, which its programs tell in their health checks
    demo_login: bool = False  # GET /login-demo hands out tokens

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read ORDERLAB_* (the process's own environment unless given)."""
        environ = os.environ if environ is None else environ
        values: dict[str, str | bool] = {}
        for name, default in cls.__dataclass_fields__.items():
            if value := read(f"ORDERLAB_{name.upper()}", environ):
                values[name] = value.lower() in ("1", "on", "true", "yes") if default.type == "bool" else value
        return cls(**values)  # type: ignore[arg-type]

    def need(self, *names: str) -> Settings:
        """Itself, if these settings are there; raise `MissingSetting` that names the others."""
        missing = [f"ORDERLAB_{name.upper()}" for name in names if not getattr(self, name)]
        if missing:
            raise MissingSetting(_("Set {known} in the environment (./lab up does).", known=", ".join(missing)))
        return self
