"""Code of a student's own for a notebook: a program in place of the lab's, and its score."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orderlab import stack
from orderlab.access.attach import Attached
from orderlab.access.tables import connected
from orderlab.calls.kinds import label_of
from orderlab.errors import LabError
from orderlab.faults import arming
from orderlab.language import _
from orderlab.order import Status
from orderlab.stack import own
from orderlab.stack.candidate import Candidate, NotUsed, Trouble

if TYPE_CHECKING:
    from orderlab.drawing.score import Score
    from orderlab.lab.lab import Lab
    from orderlab.verdicts.judge import Judge

PROGRAMS = own.REPLACEABLE
"""What can be your own."""
AS_IT_IS = ""
"""Leaves a program as it is."""
PROBE = 5.0
"""Seconds without news of the probe order, if it is not at its end, after which it does not get on."""
LONGEST = 15.0
"""Seconds for which it is watched at most."""
QUIET = 2.5
"""Seconds without an ack after which none is coming."""


@dataclass(frozen=True, repr=False)
class Used:
    """What came of `lab.use`: who is in use now, and what became of one order that was sent through it."""

    program: str
    file: str | None  # None: the lab's own
    said: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.said)

    __repr__ = __str__


def use(lab: Lab, home: Path, asked: Mapping[str, str | Path | None]) -> Used:
    """Run files as these programs, or put the lab's own back where there is none; raise `NotUsed`, which says why."""
    wanted = {program: file for program, file in asked.items() if file != AS_IT_IS}
    if not wanted:
        raise LabError(_('Say what to use: lab.use(worker="my_worker.py"), or None for the lab\'s own.'))
    used = [_use(lab, home, program, file) for program, file in wanted.items()]
    if len(used) == 1:
        return used[0]
    return Used(", ".join(wanted), None, tuple(line for each in used for line in each.said))


def _use(lab: Lab, home: Path, program: str, file: str | Path | None) -> Used:
    if file is None:
        there = own.put_back(home, program)
        said = (
            _("The lab's own {program} is back.", program=program)
            if there
            else _("The lab's own {program} is in use.", program=program)
        )
        return Used(program, None, (said,))
    path = Path(file).absolute()
    try:
        candidate = own.look_at(home, program, path)
        own.put(home, candidate)
        came = Probe(lab, home, candidate).run()
    except NotUsed as error:
        was = own.put_back(home, program)
        raise error.told(
            _("The lab's own {program} is back.", program=program)
            if was
            else _("The lab's own {program} goes on.", program=program)
        ) from None
    except BaseException:  # Ctrl-C too: what was not seen to work does not stay
        own.put_back(home, program)
        raise
    return Used(program, str(path), (_("{name} is the {program} now.", name=path.name, program=program), *came))


def score(
    lab: Attached,
    home: Path,
    judge: Judge,
    worker: str | Path,
    kind: str,
    steps: Iterable[int | str],
    side: str | None,
    fresh: bool,
) -> Score:
    """Judge a worker of one's own in squares of a matrix; a line is printed for each lot of orders."""
    from orderlab.matrix import command
    from orderlab.matrix import own as matrix
    from orderlab.matrix.stages import YOURS
    from orderlab.stepping.replayed import replayed

    file = Path(worker).absolute()
    cells = command.chosen(kind, [label_of(step) for step in steps], [YOURS], side)
    known = judge.every_order()
    results = matrix.run(home, file, kind, cells, known, fresh=fresh, say=lambda line: print(line, flush=True))
    return matrix.score(file.name, results, lambda order_id: replayed(lab, order_id))


class Probe:
    """One order that is sent through a program of one's own: what becomes of it, in a sentence or two."""

    def __init__(self, lab: Lab, home: Path, candidate: Candidate) -> None:
        self._lab, self._home, self._candidate, self._program = lab, home, candidate, candidate.program
        self._pids = stack.pids(home, self._program)
        self._order_id = f"probe-{secrets.token_hex(3)}"

    def run(self) -> list[str]:
        """What is to be told; raise `NotUsed` where a line does not let go."""
        with connected(self._lab._lab.database_url) as connection:
            fault = None
            if self._program == "relay":  # which has nothing to do unless somebody has not published
                owner = connection.info.backend_pid
                fault = arming.arm(connection, "drop", 9, "before", order_id=self._order_id, owner=owner)
            try:
                last = self._lab._last
                self._lab.create_order(self._order_id)
                self._lab._last = last  # this one is not the person's
                return self._watch()
            finally:
                if fault is not None:
                    arming.clear(connection, fault)

    def _watch(self) -> list[str]:
        before, changed = "", time.monotonic()
        end = changed + LONGEST
        told: Mapping[str, Any] = {}
        while time.monotonic() < min(end, changed + PROBE):
            found = self._candidate.trouble()
            if found and found.order_id == self._order_id:
                return self._raised(found)
            if own.died(self._home, self._program, self._pids):
                line = self._candidate.stack()
                raise NotUsed(self._candidate.at(line, _("Its process ended with the probe order in hand.")))
            told = self._lab._reading.events(self._order_id)
            if (now := f"{told['status']} {len(told['events'])}") != before:
                before, changed = now, time.monotonic()
            if came := self._came(told, time.monotonic() - changed > QUIET):
                return came
            time.sleep(0.1)
        return self._hangs(told)

    def _came(self, told: Mapping[str, Any], quiet: bool) -> list[str]:
        """What there is to tell of it; nothing as long as it may get on."""
        there = {event["label"]: event for event in told["events"]}
        status, settled = told["status"], Status(told["status"]).final
        if self._program == "notifier":
            done = {"18a", "18b"} <= set(there)
            return [_("The probe order's webhooks were delivered (18a, 18b).")] if done else []
        if self._program == "relay":
            by = any(e["label"] == "9" and e["data"].get("by") == "relay" for e in told["events"])
            return (
                [_("The probe order's message, which nobody else has published, was published by it (9).")]
                if by
                else []
            )
        acked = "19" in there
        if settled and acked:
            first = there["19"]["started_at"] < there["16"]["started_at"] if "16" in there else False
            early = _(
                "The probe order's message was acknowledged (19) before the work was done (16): a crash in "
                "between loses the order."
            )
            return (
                [early]
                if first
                else [_("The probe order is {status}, and its message acknowledged (19).", status=status)]
            )
        if settled and quiet:
            return [
                _(
                    "The probe order is {status}, but its message was never acknowledged (19): RabbitMQ keeps it, "
                    "and delivers it again when your worker is restarted.",
                    status=status,
                ),
            ]
        if acked and quiet:
            return [
                _(
                    "The probe order's message is acknowledged (19), and the order is {status}: nobody goes on with "
                    "it.",
                    status=status,
                )
            ]
        return []

    def _raised(self, found: Trouble) -> list[str]:
        return [
            _("The probe order's message met an error. {found}", found=found),
            _("It is tried 10 times, then it is dead (orders.dead)."),
        ]

    def _hangs(self, told: Mapping[str, Any]) -> list[str]:
        line, _said = self._candidate.where(self._pids[0])
        last = max(told["events"], key=lambda event: str(event["started_at"]))["label"] if told["events"] else "none"
        if line is None:
            return [
                _(
                    "The probe order is {status} after {probe:g} s, and its last step was {last}.",
                    status=told["status"],
                    probe=PROBE,
                    last=last,
                )
            ]
        said = _("The probe order does not get on: after {probe:g} s this line has not let go.", probe=PROBE)
        raise NotUsed(self._candidate.at(line, said))
