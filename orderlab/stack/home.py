"""A lab's private folder: its secrets, what it remembers of its last start, and the places of its files."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from orderlab.errors import OrderlabError
from orderlab.language import _

ROOT = Path(__file__).resolve().parents[2]
"""The project's folder."""

SERVICES = ("orders-api", "worker", "notifier", "relay")
"""The four services, each a process (or several) and a database role."""


class StackError(OrderlabError):
    """The lab could not be brought up."""


def default_home() -> Path:
    """`ORDERLAB_HOME`, or `.orderlab` in the project's folder."""
    return Path(os.environ.get("ORDERLAB_HOME") or ROOT / ".orderlab").absolute()


class PortTaken(StackError):
    """Another program has taken a port of the lab."""


@dataclass
class State:
    """What there is to know of a lab that has been brought up: `lab.json` (mode 0600, for it holds passwords)."""

    lab: str = ""  # its id, by which its programs are told from another lab's
    api_url: str = ""
    portal_url: str = ""
    management_url: str = ""  # RabbitMQ's own page; empty where the environment names a RabbitMQ
    jupyter_url: str | None = None  # None: brought up without
    amqp_url: str = ""
    database_url: str = ""  # signs in as the owner of the schema
    control_url: str = ""  # supervisord's
    supervisor_pid: int = 0
    programs: list[str] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)
    scale: dict[str, int] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)  # files of a student's that run in place of a program


class Home:
    """The folder `path`, made on first use, for its owner alone."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()

    def make(self) -> None:
        """Make the folders; raise `StackError` where they can't be written."""
        try:
            for folder in (self.path, self.logs):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StackError(
                _(
                    "The lab's folder can't be written: {error}. Free some space or choose another in ORDERLAB_HOME.",
                    error=error,
                )
            ) from error

    @property
    def logs(self) -> Path:
        """One log file a process."""
        return self.path / "logs"

    @property
    def inbox(self) -> Path:
        """The portal's own SQLite file."""
        return self.path / "portal/inbox.sqlite3"

    @property
    def work(self) -> Path:
        """Where notebooks are worked on: `work` in the project's folder; that of another lab is in its own."""
        return ROOT / "work" if self.path == ROOT / ".orderlab" else self.path / "work"

    @property
    def secrets_file(self) -> Path:
        """Where the lab's secrets stand."""
        return self.path / "secrets.json"

    def secrets(self) -> dict[str, str]:
        """The lab's secrets by name, made at random the first time."""
        file = self.secrets_file
        known: dict[str, str] = _read(file)
        missing = {name: make() for name, make in _SECRETS.items() if name not in known}
        if missing:
            known |= missing
            write_private(file, json.dumps(known, indent=2))
        return known

    def state(self) -> State | None:
        """What `up` wrote; None where the lab is down."""
        known = _read(self.path / "lab.json")
        return State(**{name: known[name] for name in State.__dataclass_fields__ if name in known}) if known else None

    def remember(self, state: State) -> None:
        """Write `lab.json`, and what outlives `down`: which ports, how many of each service."""
        write_private(self.path / "lab.json", json.dumps(asdict(state), indent=2))
        write_private(self.path / "choices.json", json.dumps({"ports": state.ports, "scale": state.scale}, indent=2))

    def forget(self) -> None:
        """The lab is down."""
        (self.path / "lab.json").unlink(missing_ok=True)

    def choices(self) -> tuple[dict[str, int], dict[str, int]]:
        """The ports and the numbers of processes of the last time."""
        known = _read(self.path / "choices.json")
        return known.get("ports", {}), known.get("scale", {})

    @contextmanager
    def alone(self, timeout: float = 300.0) -> Iterator[None]:
        """Keep other commands from changing this lab meanwhile; wait for them up to `timeout` seconds."""
        self.make()
        with (self.path / "lock").open("w") as file:
            end = time.monotonic() + timeout
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        raise StackError(_("Another ./lab command is changing this lab. Wait for it to end.")) from None
                    time.sleep(0.1)
            yield


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all; raise `StackError` where it can't be."""
    new = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as target:
            target.write(text)
        new.replace(file)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise StackError(
            _("{file} can't be written: {error}. Free some space and try again.", file=file, error=error)
        ) from error


def _read(file: Path) -> dict[str, Any]:
    try:
        said: dict[str, Any] = json.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise StackError(
            _("{file} is damaged: {error}. Run ./lab down, delete that file, then ./lab up.", file=file, error=error)
        ) from error
    return said


def _word() -> str:
    return secrets.token_urlsafe(32)


_SECRETS = {
    "lab": lambda: secrets.token_hex(16),  # the lab's id: no secret, but made once like them
    "jwt": _word,
    "webhook": lambda: "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode(),  # as Standard Webhooks wants it
    "portal": _word,
    "owner": _word,
    "rabbitmq": _word,
    "erlang_cookie": lambda: secrets.token_hex(20).upper(),
    "jupyter": lambda: secrets.token_hex(24),
    **{f"database:{process}": _word for process in (*SERVICES, "portal")},
}
