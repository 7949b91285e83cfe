"""The lab's programs: how each is run, and what each is told. Nobody is told more than it needs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from orderlab import schema
from orderlab.stack.home import SERVICES, Home, State

MARK = "ORDERLAB_SUPERVISED"
"""In the environment of every process of a lab, with the lab's folder: how strays are told from strangers."""

TEST_RUN = "ORDERLAB_TEST_RUN"
"""In the environment of everything that `./lab test` starts, so that nothing of it is left running."""

MOST_PROCESSES = 8
"""As many processes of one service as `scale` can ask for."""

SCALABLE = SERVICES
"""Services of which several may run: they share a queue, a table or (SO_REUSEPORT) a port."""

_ORDINARY = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", TEST_RUN)

_CHOICES = ("ORDERLAB_WEBHOOK_PATIENCE",)  # what a person may set for the notifier


@dataclass(frozen=True)
class Program:
    """One program under the supervisor. `command[0]` is a full path, and `environment` is all that it gets."""

    name: str
    command: list[str]
    environment: dict[str, str]
    folder: str
    stop_signal: str = "TERM"
    stop_seconds: int = 10
    most: int = 1
    postgres_data: str = ""  # PostgreSQL is particular about who it is and whose its data is


def ordinary(home: Home, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment that any program needs, and `more`."""
    kept = {name: os.environ[name] for name in _ORDINARY if name in os.environ}
    return kept | {MARK: str(home.path), "PYTHONUNBUFFERED": "1", **(more or {})}


def services(home: Home, state: State) -> list[Program]:
    """The four services and the portal."""
    secrets = home.secrets()
    ports = state.ports
    common = {"ORDERLAB_AMQP_URL": state.amqp_url, "PSYCOPG_WAIT_FUNC": "wait_selector"}
    allowed_hosts = os.environ.get("ORDERLAB_ALLOWED_HOSTS", "")
    particular = {
        "orders-api": {
            "ORDERLAB_ALLOWED_HOSTS": allowed_hosts,
            "ORDERLAB_LAB": state.lab,
            "ORDERLAB_API_ADDRESS": f"127.0.0.1:{ports['orders-api']}",
            "ORDERLAB_JWT_SECRET": secrets["jwt"],
            "ORDERLAB_DEMO_LOGIN": "on",
        },
        "notifier": {
            "ORDERLAB_WEBHOOK_SECRET": secrets["webhook"],
            "ORDERLAB_PORTAL_URL": state.portal_url,
            **{name: os.environ[name] for name in _CHOICES if name in os.environ},
        },
    }
    programs = []
    for name in SERVICES:
        database = schema.role_url(state.database_url, name, secrets[f"database:{name}"])
        told = common | {"ORDERLAB_DATABASE_URL": database} | particular.get(name, {})
        programs.append(_python(home, name, "orderlab.services", name, told=told, most=MOST_PROCESSES))
    told = {
        "ORDERLAB_ALLOWED_HOSTS": allowed_hosts,
        "ORDERLAB_LAB": state.lab,
        "ORDERLAB_API_URL": state.api_url,
        "ORDERLAB_PORTAL_ADDRESS": f"127.0.0.1:{ports['portal']}",
        "ORDERLAB_PORTAL_SECRET": secrets["portal"],
        "ORDERLAB_PORTAL_DATA": str(home.inbox),
        "ORDERLAB_DATABASE_URL": schema.role_url(state.database_url, "portal", secrets["database:portal"]),  # its gates
        "ORDERLAB_WEBHOOK_SECRET": secrets["webhook"],
    }
    home.inbox.parent.mkdir(mode=0o700, exist_ok=True)
    return [*programs, _python(home, "portal", "orderlab.portal", told=told)]


def _python(home: Home, name: str, module: str, *words: str, told: Mapping[str, str], most: int = 1) -> Program:
    # -P: what lies in the working folder is not importable.
    command = [sys.executable, "-P", "-m", module, *words]
    return Program(name, command, ordinary(home, told), str(home.path), most=most)
