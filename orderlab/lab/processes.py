"""`lab.processes`: kill, stop, freeze whole programs of the lab, servers too, and bring them back."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from orderlab import stack
from orderlab.access.attach import Attached
from orderlab.access.tables import connected
from orderlab.calls.checking import checked, public
from orderlab.errors import LabError
from orderlab.faults import arming
from orderlab.lab.faults import record
from orderlab.language import _
from orderlab.nearest import nearest
from orderlab.stack import StackError
from orderlab.stack.home import SERVICES

if TYPE_CHECKING:
    import pandas as pd

LISTENS = 20.0
"""Seconds in which the services find a server again that was away."""


@public
class Processes:
    """The lab's programs: postgresql, rabbitmq, the services, the portal. What is done to them is in the firings."""

    def __init__(self, lab: Attached) -> None:
        self._lab = lab

    def kill(self, name: str) -> None:
        """SIGKILL. The supervisor starts it again by itself; `start` waits until it is ready."""
        self._spare_jupyter("kill", name)
        self._record("kill", name)
        stack.kill(self._home, name)

    def stop(self, name: str) -> None:
        """Stop it in good order; it stays away until `start`."""
        self._spare_jupyter("stop", name)
        self._record("stop", name)
        stack.stop(self._home, name)

    def start(self, name: str) -> None:
        """Start it, or wait for it if it was killed; returns when it is ready, and of a server when the services that
        were left without it are back.
        """
        self._known(name)
        stack.start(self._home, name)
        if name in ("postgresql", "rabbitmq"):
            self._until_served()
        self._record("start", name)

    def freeze(self, name: str) -> None:
        """SIGSTOP: it is there, holds what it holds, and does nothing."""
        self._spare_jupyter("freeze", name)
        self._record("freeze", name)
        stack.send(self._home, name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """SIGCONT: it goes on where it was."""
        self._known(name)
        stack.send(self._home, name, signal.SIGCONT)
        self._record("thaw", name)

    def status(self) -> pd.DataFrame:
        """Each program's state and process ids."""
        import pandas as pd

        services = stack.status(self._home).services
        rows = [(name, service.state, service.pids) for name, service in services.items()]
        return pd.DataFrame(rows, columns=["process", "state", "pids"])

    @checked
    def __repr__(self) -> str:
        return self.status().to_string(index=False)

    @property
    def _home(self) -> Path:
        if self._lab.home is None:
            raise LabError(_("This lab's processes are kept elsewhere (containers?), so a notebook can't touch them."))
        return self._lab.home

    def _until_served(self) -> None:
        """Wait for every service that is wanted to be ready, and for its gates to listen."""
        services = stack.status(self._home).services
        running = [name for name in ("portal", *SERVICES) if name in services and services[name].state == "RUNNING"]
        for name in running:
            stack.start(self._home, name)
        end = time.monotonic() + LISTENS
        with connected(self._lab.database_url) as connection:
            while not set(running) <= set(arming.listening(connection)):
                if time.monotonic() > end:
                    raise LabError(
                        _(
                            "Not every service is back after {listens:g} s. `./lab status` says what runs.",
                            listens=LISTENS,
                        )
                    )
                time.sleep(0.05)

    def _known(self, name: str) -> None:
        programs = stack.attached(self._home).programs
        if name not in programs:
            raise StackError(
                _(
                    "There is no {name!r} in this lab.{hint} There are: {known}.",
                    name=name,
                    hint=nearest(name, programs),
                    known=", ".join(programs),
                )
            )

    @staticmethod
    def _spare_jupyter(verb: str, name: str) -> None:
        if name == "jupyter":
            raise LabError(
                _(
                    "JupyterLab keeps this notebook and its kernel, so from here it can't be told to {verb}: nobody "
                    "would be left to go on. In a terminal ./lab down ends it, and ./lab up brings it back.",
                    verb=verb,
                )
            )

    def _record(self, kind: str, name: str) -> None:
        self._known(name)
        with connected(self._lab.database_url) as connection:
            record(connection, kind, name)
