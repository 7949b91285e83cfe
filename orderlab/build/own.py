"""Runs a program of a student's own: `python -m orderlab.services own worker COPY FILE FOLDER [--try]`.

COPY is what is run, FILE what its author calls it, FOLDER where it is written down what went wrong with it. With
`--try` it is only looked at, without any server. It is bounded, so that an honest mistake does no harm: its memory, its
processes, the lab's own files. That is no prison: who wants to get out gets out.
"""

from __future__ import annotations

import faulthandler
import gc
import inspect
import json
import linecache
import os
import re
import resource
import signal
import sys
import types
from pathlib import Path
from typing import Any

import greenlet
from nameko.timer import Timer

from orderlab import topology
from orderlab.build.entry import Entrypoint, NotAStep, WrongEntrypoint
from orderlab.errors import OrderlabError
from orderlab.language import _
from orderlab.services.running import serve

MEMORY = 1024**3
"""Bytes of address space; the lab's own worker takes less than a tenth."""
MORE_PROCESSES = 512
"""As many more than its user has when it starts (root is not counted by the system)."""

MODULE = "your_program"
BEGUN, TROUBLE, STACK, WHERE = "begun", "trouble.json", "stack.txt", "where.json"
"""In the folder: that the file is being imported, what was raised last, where Python is, where each method is."""

_FORKS = (
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.system",
    "os.exec",
    "os.spawn",
    "subprocess.Popen",
    "pty.spawn",
)
_PASSWORD = re.compile(r"(://[^:/@\s]+:)[^@\s]+@")


class Unfit(OrderlabError):
    """This can't be run as that program. `line` is where, if that is known."""

    def __init__(self, detail: str, line: int | None = None) -> None:
        super().__init__(detail)
        self.line = line


class Bounds(OrderlabError):
    """A program of your own is one process, and the lab's own files are not for it."""


class Own:
    """One file, run as one program."""

    def __init__(self, program: str, copy: Path, file: str, folder: Path) -> None:
        self.program, self.file, self.folder = program, file, folder
        self._source = copy.read_text("utf-8")
        self._lines = self._source.splitlines()
        linecache.cache[file] = (len(self._source), None, [line + "\n" for line in self._lines], file)

    def load(self) -> type:
        """Run the file, and find its service; raise `Unfit` where it is none for this program."""
        module = types.ModuleType(MODULE)
        module.__file__ = self.file
        sys.modules[MODULE] = module
        exec(compile(self._source, self.file, "exec"), vars(module))
        found = [
            each
            for each in vars(module).values()
            if isinstance(each, type) and each.__module__ == MODULE and _entrypoints(each)
        ]
        if not found:
            raise Unfit(_("No class in it has an entrypoint. A service has a method under @deliver(…) or @timer(…)."))
        if len(found) > 1:
            names = " and ".join(each.__name__ for each in found)
            raise Unfit(_("It has more than one service: {names}. Leave one.", names=names), self._line_of(found[-1]))
        self._check(found[0])
        return found[0]

    def _check(self, service: type) -> None:
        name = getattr(service, "name", None)
        if name != self.program:
            raise Unfit(
                _("Its name is {name!r}. Say: name = {program!r}", name=name, program=self.program),
                self._line_of(service),
            )
        methods = _entrypoints(service)
        taken = {e.queue.name: line for line, each in methods for e in each if isinstance(e, Entrypoint)}
        wanted = {
            "worker": [topology.WORKER_QUEUE.name],
            "notifier": [queue.name for queue in topology.NOTIFICATIONS.values()],
            "relay": [],
        }[self.program]
        for queue, line in taken.items():
            if queue not in wanted:
                takes = " and ".join(wanted) or _("no queue, it has a @timer")
                raise Unfit(
                    _(
                        "It takes {queue}, and the {program} takes {takes}.",
                        queue=queue,
                        program=self.program,
                        takes=takes,
                    ),
                    line,
                )
        if missing := [queue for queue in wanted if queue not in taken]:
            raise Unfit(_("It does not take {known}.", known=" and ".join(missing)), self._line_of(service))
        if self.program == "relay" and not any(isinstance(e, Timer) for _, each in methods for e in each):
            raise Unfit(_("A relay has a method under @timer(interval=1)."), self._line_of(service))

    def _line_of(self, service: type) -> int:
        """The line where a class begins."""
        begins = re.compile(rf"\s*class {service.__name__}\b")
        return next((n for n, line in enumerate(self._lines, 1) if begins.match(line)), 1)

    def blame(self, error: BaseException) -> dict[str, Any]:
        """What went wrong, at which line of the file: the innermost that is the author's."""
        line = getattr(error, "line", None) if isinstance(error, Unfit) else None
        if isinstance(error, SyntaxError) and error.filename == self.file:
            line = error.lineno
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self.file:
                line = trace.tb_lineno
            trace = trace.tb_next
        return {
            "line": line,
            "text": self._lines[line - 1].strip() if line and line <= len(self._lines) else "",
            "error": _PASSWORD.sub(r"\1…@", _said(error))[:400],
        }

    def tell(self, error: BaseException, order_id: str = "") -> None:
        """Write down what went wrong, for whoever has asked for this program."""
        told = json.dumps({**self.blame(error), "order_id": order_id, "pid": os.getpid()})
        part = self.folder / f".{TROUBLE}"
        part.write_text(told, "utf-8")
        part.replace(self.folder / TROUBLE)

    def where(self) -> list[int]:
        """The lines at which the file's methods wait."""
        lines = list[int]()
        for each in gc.get_objects():
            if isinstance(each, greenlet.greenlet) and each.gr_frame is not None:
                frame, found = each.gr_frame, 0
                while frame is not None:
                    if frame.f_code.co_filename == self.file and not found:
                        found = frame.f_lineno
                    frame = frame.f_back
                lines += [found] if found else []
        return lines


def _entrypoints(service: type) -> list[tuple[int, set[Any]]]:
    """The entrypoints of a class's methods, each with the line at which the method begins."""
    return [
        (inspect.unwrap(method).__code__.co_firstlineno, found)
        for _, method in inspect.getmembers(service, inspect.isfunction)
        if (found := getattr(method, "nameko_entrypoints", None))
    ]


def _said(error: BaseException) -> str:
    """An error in a sentence, with what helps where its own words do not."""
    kind = type(error).__name__
    match error:
        case Unfit() | Bounds() | WrongEntrypoint() | NotAStep():
            return error.detail
        case OrderlabError():
            return f"{kind}: {error.detail}"
        case MemoryError():
            return _("{kind}: a program of your own has {gib} GiB of memory.", kind=kind, gib=MEMORY // 1024**3)
        case KeyError(args=[str(name)]) if name.startswith("ORDERLAB_"):
            return _(
                "{kind}: {name} is not told to this program. It has the address and the password of its own role.",
                kind=kind,
                name=name,
            )
        case SystemExit():
            return _("The program ends itself here.")
    return f"{kind}: {error}" if str(error) else kind


def bound(own: Own) -> None:
    """Bound memory, processes, and which files are read."""
    for which, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CORE, 0)):
        _limit(which, most)
    mine = sum(1 for each in Path("/proc").glob("[0-9]*") if _is_mine(each)) if Path("/proc/self").exists() else 0
    if mine:
        _limit(resource.RLIMIT_NPROC, mine + MORE_PROCESSES)
    private = str(own.folder.parents[1])

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _FORKS:
            raise Bounds(_("A program of your own is one process: it can't start another."))
        if event == "open" and isinstance(arguments[0], str):
            opened = arguments[0]
            if os.path.dirname(opened) == private or re.fullmatch(r"/proc/(?!self/)[^/]+/environ", opened):  # noqa: PTH120
                raise Bounds(_("The lab's own files are not for a program of yours."))

    def leave(status: int) -> None:
        raise Bounds(_("The program ends itself here."))

    sys.addaudithook(look)
    os._exit = leave  # type: ignore[assignment]


def _limit(which: int, most: int) -> None:
    try:
        resource.setrlimit(which, (most, most))
    except (ValueError, OSError):
        return  # this system does not keep it


def _is_mine(process: Path) -> bool:
    try:
        return process.stat().st_uid == os.getuid()
    except OSError:
        return False


def main(program: str, copy: str, file: str, folder: str, *words: str) -> int:
    """Run it to its end, or only look at it; 1 if it can't be run, with the reason in the folder."""
    own = Own(program, Path(copy), file, Path(folder))
    stack = (Path(folder) / STACK).open("w")
    faulthandler.enable(stack)
    faulthandler.register(signal.SIGUSR2, stack, all_threads=False)
    signal.signal(signal.SIGUSR1, lambda *_: _write_where(own))
    bound(own)
    try:
        (own.folder / BEGUN).touch()
        service = own.load()
        if "--try" in words:
            return 0
        Entrypoint.trouble = staticmethod(lambda order_id, error: own.tell(error, order_id))
        serve(service, program)
    except (SystemExit, KeyboardInterrupt) as end:
        if "--try" not in words and isinstance(end, KeyboardInterrupt):
            return 0
        own.tell(end)
        return 1
    except BaseException as error:
        own.tell(error)
        if "--try" not in words:
            raise
        return 1
    return 0


def _write_where(own: Own) -> None:
    (own.folder / WHERE).write_text(json.dumps(own.where()), "utf-8")
