"""`./lab test`: every check of the project, on a lab of its own that is gone afterwards, come what may."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orderlab.bootstrap import environment
from orderlab.bootstrap.console import Unready
from orderlab.stack import lifecycle, strays
from orderlab.stack.home import ROOT, StackError
from orderlab.stack.programs import TEST_RUN

HOME = Path(os.environ.get("ORDERLAB_TEST_HOME") or ROOT / ".orderlab/test").absolute()
"""The private lab's folder, beside the one that may be running."""

# pytest's closing line, with or without its rule: 12 passed, 1 skipped in 3.45s
_CLOSING = re.compile(
    r"^(=+ )?(no tests ran|\d+ (passed|failed|error|skipped|deselected|xfailed|xpassed|warning)).* in [\d.]+s"
)
_COLOURS = re.compile(r"\x1b\[[\d;]*m")
_PATIENCE = 30.0  # seconds for an interrupted check to tidy up


def run(words: list[str]) -> int:
    """Run every check, or pytest alone with these `words`; the exit status of the first check that failed, or 0."""
    try:
        python = environment.make(ROOT / ".orderlab/venv-dev", ROOT / "requirements-dev.lock", ROOT)
    except Unready as reason:
        raise StackError(str(reason)) from reason
    lifecycle.down(HOME)  # a run that was killed may have left one
    closing: list[str] = []
    failed = 0
    with _nothing_left() as marked:
        for command in _commands(str(python), words):
            print(f"\n$ {' '.join(command[3:])}", flush=True)
            if any(word.startswith("notebooks") for word in command):  # the tests bring theirs up by themselves
                lifecycle.up(HOME, jupyter=False)
                lifecycle.reset(HOME)
            status, lines = _check(command, marked)
            closing += lines
            failed = failed or status
    print("", *closing, sep="\n", flush=True)
    return failed


def _commands(python: str, words: list[str]) -> Iterator[list[str]]:
    start = [python, "-P", "-m"]
    if words:
        yield [*start, "pytest", *words]
        return
    yield [*start, "ruff", "check", "."]
    yield [*start, "ruff", "format", "--check", "."]
    yield [*start, "mypy"]
    # Two at a time, each with a lab of its own and a file at once; the long files come first. Most of it is waiting.
    yield [*start, "pytest", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "tests"]
    yield [*start, "pytest", "--nbval", "notebooks"]


def _check(command: list[str], environment: dict[str, str]) -> tuple[int, list[str]]:
    """Run one check, its words passed on as they come; its status, and pytest's closing lines."""
    begun = time.monotonic()
    said = bytearray()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C reaches it once, through us
    ) as running:
        try:
            assert running.stdout
            while words := os.read(running.stdout.fileno(), 1 << 16):  # as it comes: pytest's dots are no whole lines
                sys.stdout.buffer.write(words)
                sys.stdout.flush()
                said += words
        except BaseException:
            _give_up(running)
            raise
    print(f"{'ok' if running.returncode == 0 else 'FAILED'} ({time.monotonic() - begun:.0f} s)", flush=True)
    lines = _COLOURS.sub("", said.decode(errors="replace")).splitlines()
    return running.returncode, [line for line in lines if _CLOSING.match(line)]


def _give_up(running: subprocess.Popen[bytes]) -> None:
    """Let an interrupted check bring its own lab down, as after Ctrl-C; not for ever."""
    running.send_signal(signal.SIGINT)
    try:
        running.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        running.kill()


@contextmanager
def _nothing_left() -> Iterator[dict[str, str]]:
    """An environment for the checks; whatever still runs with it afterwards is ended."""
    run = secrets.token_hex(8)
    colour = {"FORCE_COLOR": "1", "PY_COLORS": "1"} if sys.stdout.isatty() else {}
    home = {"ORDERLAB_HOME": str(HOME), "ORDERLAB_TEST_HOME": str(HOME)}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ORDERLAB_")}
    try:
        yield kept | home | colour | {TEST_RUN: run}
    finally:
        lifecycle.down(HOME)
        strays.end(strays.find(TEST_RUN, run))
