"""Where orderlab's processes spend their time, by what they do: py-spy looks at each while orders are placed.

`python -m bench.profile --clients 16`. Wants py-spy (`pip install py-spy`). What it counts is time in which a process
runs or waits for a core, in its own code or in the kernel on its behalf; looking costs a core a part of its time.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import systems
from bench.measure import measure

PROGRAMS = ("orders-api", "worker", "notifier", "portal")

DOES = {
    "statements": ("services/connections.py", "psycopg", "aiosql", "store.py"),
    "broker": ("services/publishing.py", "amqp/", "kombu/", "orderlab/messages.py"),
    "HTTP": (
        "eventlet/wsgi.py",
        "werkzeug/",
        "http/",
        "email/",
        "posting.py",
        "urllib3",
        "waitress",
        "flask",
        "webhooks",
    ),
    "journal and gates": ("orderlab/journal.py", "orderlab/gates.py"),
    "JSON, signatures": ("json/", "jwt/", "hmac", "standardwebhooks", "cloudevents"),
    "waiting for the next": (
        "hubs/poll.py",
        "hubs/epolls.py",
        "wasyncore.py",
        "threading.py",
        "Connection.wait (psycopg",
    ),
    "Nameko, eventlet": ("nameko/", "eventlet/", "greenlet", "tenacity"),
}
"""What a process does, told by the innermost frame whose file is one of these; "waiting" by the last frame alone."""


def what(stack: list[str]) -> str:
    """What a process was at."""
    if any(file in stack[-1] for file in DOES["waiting for the next"]):
        return "waiting for the next"
    for frame in reversed(stack):
        for does, files in DOES.items():
            if does not in ("waiting for the next", "Nameko, eventlet") and any(file in frame for file in files):
                return does
    return "Nameko, eventlet" if any(file in stack[-1] for file in DOES["Nameko, eventlet"]) else "the rest"


def shares(raw: Path) -> Counter[str]:
    """How much of a process's time went where, from what py-spy has written; all together 1."""
    counted: Counter[str] = Counter()
    for line in raw.read_text().splitlines():
        stack, _, samples = line.rpartition(" ")
        counted[what(stack.split(";"))] += int(samples)  # type: ignore[assignment]
    counted.pop("waiting for the next")  # threads that idle are seen, too
    all_of_it = sum(counted.values())
    return Counter({does: n / all_of_it for does, n in counted.items()})  # type: ignore[misc]


def main() -> None:
    """Measure once without py-spy and once with it; print milliseconds an order, and their shares."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--clients", type=int, default=16)
    arguments.add_argument("--orders", type=int, default=800)
    options = arguments.parse_args()
    spy = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if spy is None:
        sys.exit("There is no py-spy here: pip install py-spy")
    with tempfile.TemporaryDirectory() as folder, systems.orderlab(Path(folder) / "lab") as system:
        measure(system, 300, 16, 1)  # warms up
        figures, pids = measure(system, options.orders, options.clients, 1), system.processes()
        words = [spy, "record", "--nonblocking", "--rate", "200", "--format", "raw", "--duration", "3600"]
        looking = [
            subprocess.Popen(
                [*words, "--pid", str(pids[name][0]), "--output", f"{folder}/{name}"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for name in PROGRAMS
        ]
        time.sleep(1)  # it attaches
        measure(system, options.orders, options.clients, 1)
        for each in looking:
            each.send_signal(signal.SIGINT)
            each.wait()
        found = {name: shares(Path(folder) / name) for name in PROGRAMS}
    table = Table("", *PROGRAMS, title=f"processor time, ms an order, {options.clients} clients")
    for does in (*DOES, "the rest"):
        if does != "waiting for the next":
            table.add_row(does, *(f"{found[name][does] * figures[f'cpu {name}']:.2f}" for name in PROGRAMS))
    table.add_row("all", *(f"{figures[f'cpu {name}']:.2f}" for name in PROGRAMS), style="bold")
    Console().print(table)


if __name__ == "__main__":
    main()
