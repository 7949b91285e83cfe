"""supervisord keeps the lab's programs: its configuration, its start, and what is asked of it while it runs."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from orderlab.language import _
from orderlab.stack import control, ports
from orderlab.stack.home import Home, PortTaken, StackError, State, write_private
from orderlab.stack.programs import Program, ordinary

_LAUNCH = Path(__file__).with_name("launch.py")

# Nothing here needs quoting: folders come by the environment, commands and secrets from programs.json.
_CONFIGURATION = """\
[supervisord]
nodaemon = true
silent = true
umask = 077
logfile = %(here)s/logs/supervisord.log
pidfile = %(here)s/supervisord.pid
childlogdir = %(here)s/logs

[inet_http_server]
port = 127.0.0.1:{port}
username = lab
password = {{SHA}}{digest}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
_PROGRAM = """
[program:{name}]
command = %(ENV_ORDERLAB_LAUNCH)s {name}
process_name = {name}{number}
numprocs = {most}
numprocs_start = 1
autostart = false
autorestart = true
startsecs = 0
stopsignal = {stop_signal}
stopwaitsecs = {stop_seconds}
redirect_stderr = true
stdout_logfile = %(here)s/logs/{name}{number}.log
stdout_logfile_maxbytes = 5MB
stdout_logfile_backups = 1
"""


def write(home: Home, programs: Iterable[Program], port: int) -> str:
    """Write what supervisord reads, and return the address at which it will answer (with its password)."""
    password = secrets.token_hex(24)
    # Supervisor compares a bare SHA-1: enough for 24 random bytes, and the file holds no password.
    text = _CONFIGURATION.format(port=port, digest=hashlib.sha1(password.encode()).hexdigest())
    table = {program.name: asdict(program) for program in programs}
    for program in table.values():
        number = "-%(process_num)d" if program["most"] > 1 else ""
        text += _PROGRAM.format(**program, number=number)
    write_private(home.path / "supervisord.conf", text)
    write_private(home.path / "programs.json", json.dumps(table, indent=1))
    return f"http://lab:{password}@127.0.0.1:{port}/RPC2"


def launch(home: Home, state: State, locks: list[int]) -> None:
    """Start supervisord in the background, to hold `locks` while it lives; raise `StackError` where it fails."""
    words = [sys.executable, "-I", str(_LAUNCH), str(home.path / "programs.json")]
    environment = ordinary(home) | {"ORDERLAB_LAUNCH": shlex.join(words)}
    said = home.logs / "supervisord.out"
    with os.fdopen(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as output:
        started = subprocess.Popen(
            [sys.executable, "-P", "-m", "supervisor.supervisord", "-c", str(home.path / "supervisord.conf")],
            cwd=home.path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            umask=0o077,
            pass_fds=locks,
        )
    state.supervisor_pid = started.pid
    end = time.monotonic() + 20
    while not control.answers(state):
        if started.poll() is not None and not ports.is_free(state.ports["supervisor"]):
            raise PortTaken(
                _(
                    "Another program has taken port {supervisor} from the supervisor.",
                    supervisor=state.ports["supervisor"],
                )
            )
        if started.poll() is not None or time.monotonic() > end:
            raise StackError(_("The supervisor did not start: {last_words}", last_words=last_words(said.read_text())))
        time.sleep(0.03)


def run_once(home: Home, program: Program, says: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program as the supervisor would, but here and now, to its end; `says` is what it reads."""
    table = home.path / f"{program.name}.json"
    write_private(table, json.dumps({program.name: asdict(program)}))
    try:
        words = [sys.executable, "-I", str(_LAUNCH), str(table), program.name]
        return subprocess.run(words, input=says, capture_output=True, text=True, check=False)
    finally:
        table.unlink()


def last_words(text: str, lines: int = 1) -> str:
    """The last lines of a log that say something."""
    said = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(said[-lines:]) or _("it said nothing")
