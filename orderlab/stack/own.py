"""A program of a student's own in place of the lab's: looked at first, then swapped in, or put back.

What supervisord starts stands in programs.json, which is read at each start: so a program is swapped by changing its
command there. What is run is a copy; a file that is edited meanwhile changes nothing until it is taken up again.
"""

from __future__ import annotations

import ast
import contextlib
import json
import secrets
import shutil
import subprocess
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from orderlab.language import _
from orderlab.stack import control, programs, readiness
from orderlab.stack.candidate import Candidate, NotUsed, Trouble
from orderlab.stack.home import Home, StackError, State, write_private
from orderlab.stack.lifecycle import attached

REPLACEABLE = ("worker", "relay", "notifier")
LOAD = 5.0
"""Seconds in which a file must have been imported, from when its own first line is run."""
STARTS = 60.0
"""Seconds in which Python, and what the file may import, must be there; a busy machine takes its time."""
READY = 8.0
"""Seconds in which its program must be ready, from the same moment on."""
LARGEST = 1_000_000
"""Bytes of a file."""
MAY_IMPORT = "orderlab.build"


def in_use(path: Path) -> dict[str, str]:
    """The files that are in use, by program."""
    return dict(attached(path).own)


def look_at(path: Path, program: str, file: Path) -> Candidate:
    """Import a file in a process of its own, which reaches no server; raise `NotUsed` that says which line is wrong."""
    source = _read(program, file)
    name = file.name
    try:
        tree = ast.parse(source, filename=name)
    except SyntaxError as error:
        raise NotUsed(Trouble(name, f"SyntaxError: {error.msg}", error.lineno, (error.text or "").strip())) from None
    except ValueError as error:  # a NUL
        raise NotUsed(Trouble(name, str(error))) from None
    there = Home(path).path / "own" / f"{program}-{secrets.token_hex(4)}"
    there.mkdir(mode=0o700, parents=True)
    candidate = Candidate(program, file, there)
    write_private(candidate.copy, source)
    for node in ast.walk(tree):
        for module in _imported(node):
            if module.split(".")[0] == "orderlab" and module != MAY_IMPORT:
                said = _(
                    "Of orderlab a program of your own imports {may_import}, and not {module}.",
                    may_import=MAY_IMPORT,
                    module=module,
                )
                raise NotUsed(candidate.at(getattr(node, "lineno", None), said))
    running = subprocess.Popen(
        [*candidate.command, "--try"],
        cwd=Home(path).path,
        env=programs.ordinary(Home(path)),  # no address, no password
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        ended = _imported_in_time(running, candidate.begun)
    except subprocess.TimeoutExpired:
        line, _said = candidate.where(running.pid)
        said = _("The file is not imported after {load:g} s: this does not come to an end.", load=LOAD)
        raise NotUsed(candidate.at(line, said)) from None
    finally:
        _end(running)
    if ended:
        raise NotUsed(
            candidate.trouble() or candidate.at(candidate.stack(), _("Its process ended while it was imported."))
        )
    return candidate


def _imported_in_time(running: subprocess.Popen[bytes], begun: Path) -> int:
    """How the process that imports a file has ended; raise `subprocess.TimeoutExpired` if it does not come to that."""
    end = time.monotonic() + STARTS
    while not begun.exists() and running.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    return running.wait(LOAD)


def put(path: Path, candidate: Candidate) -> None:
    """Run a file that was looked at as its program; raise `NotUsed` if it does not get ready.

    Whoever has orders in hand is stopped in good order before.
    """
    home = Home(path)
    with home.alone():
        state = attached(path)
        before = state.own.get(candidate.program)
        state.own[candidate.program] = str(candidate.file)
        home.remember(state)
        _write(home, candidate.program, {"command": candidate.command})
        candidate.begun.unlink(missing_ok=True)
        _restart(state, candidate.program, at_once=before is not None)
        _until_ready(home, state, candidate)


def put_back(path: Path, program: str) -> bool:
    """Run the lab's own again; whether there was another."""
    home = Home(path)
    with home.alone():
        state = attached(path)
        if program not in state.own:
            return False
        _put_back(home, state, program)
        return True


def died(path: Path, program: str, pids: list[int]) -> bool:
    """Whether one of these processes of a program is no more."""
    return not set(pids) <= {process.pid for process in control.processes(attached(path), program)}


def _put_back(home: Home, state: State, program: str) -> None:
    (known,) = (each for each in programs.services(home, state) if each.name == program)
    _write(home, program, asdict(known))
    state.own.pop(program, None)
    home.remember(state)
    _restart(state, program, at_once=True)
    readiness.wait(home, state, [program])
    shutil.rmtree(home.path / "own", ignore_errors=True)


def _restart(state: State, program: str, *, at_once: bool = False) -> None:
    """Stop its processes, and what they have started; start as many as there are to be."""
    running = control.processes(state, program)
    started = [child for process in running if process.pid for child in _children(process.pid)]
    control.stop(state, running, at_once=at_once)
    for child in started:
        with contextlib.suppress(psutil.Error):
            child.kill()
    control.start(state, control.processes(state, program)[: state.scale.get(program, 1)])


def _children(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return list(psutil.Process(pid).children(recursive=True))
    return []


def _until_ready(home: Home, state: State, candidate: Candidate) -> None:
    """Wait until the program is ready; raise `NotUsed` that says what is wrong if it does not get so."""
    program, end = candidate.program, time.monotonic() + STARTS
    first = [process.pid for process in control.processes(state, program) if process.pid]
    while reasons := readiness.failing(state, [program]):
        if found := candidate.trouble():
            raise NotUsed(found)
        if died(home.path, program, first):
            raise NotUsed(candidate.at(candidate.stack(), _("Its process ended as soon as it was started.")))
        if candidate.begun.exists():
            end = min(end, time.monotonic() + READY)
        if time.monotonic() > end:
            line, _said = candidate.where(first[0]) if first else (None, "")
            raise NotUsed(
                candidate.at(
                    line, _("It is not ready after {ready:g} s: {reasons}.", ready=READY, reasons=reasons[program])
                )
            )
        time.sleep(0.05)


def _read(program: str, file: Path) -> str:
    if program not in REPLACEABLE:
        raise StackError(
            _("Only {known} can be your own, and not {program}.", known=", ".join(REPLACEABLE), program=program)
        )
    try:
        if file.stat().st_size > LARGEST:
            raise StackError(_("{file} is too large for a program.", file=file))
        return file.read_text("utf-8")
    except OSError as error:
        raise StackError(_("{file} can't be read: {strerror}.", file=file, strerror=error.strerror)) from None
    except UnicodeDecodeError:
        raise StackError(_("{file} is no text in UTF-8.", file=file)) from None


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        whole = node.module == "orderlab"
        return [f"orderlab.{alias.name}" for alias in node.names] if whole else [node.module]
    return []


def _write(home: Home, program: str, entry: dict[str, Any]) -> None:
    """Change how the supervisor starts a program."""
    file = home.path / "programs.json"
    table = json.loads(file.read_text("utf-8"))
    table[program] |= entry
    write_private(file, json.dumps(table, indent=1))


def _end(running: subprocess.Popen[bytes]) -> None:
    for child in _children(running.pid):
        with contextlib.suppress(psutil.Error):
            child.kill()
    running.kill()
    running.wait()
