"""This checkout beside another commit of it, in one run: confirmed orders a second, by turns. Prints the ratio.

`python -m bench.against HEAD~1`: the other commit is set up in a folder of its own, by its own `./lab`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from bench.orders import through_the_api, until_confirmed, with_clients
from orderlab.stack import State


@contextmanager
def checkout(revision: str, folder: Path) -> Iterator[State]:
    """A lab of this commit, brought up in `folder`."""
    folder.mkdir()
    archive = subprocess.run(["git", "archive", revision], check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ORDERLAB_")}

    def lab(*words: str) -> str:
        command = [str(folder / "lab"), *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout

    lab("up", "--no-jupyter")
    try:
        told: dict[str, Any] = json.loads(lab("status", "--json"))
        yield State(api_url=told["api_url"], database_url=told["database_url"], amqp_url=told["amqp_url"])
    finally:
        lab("down")


def confirmed_a_second(state: State, orders: int, clients: int) -> float:
    """One measurement."""
    run = f"a{uuid.uuid4().hex[:8]}"
    with psycopg.connect(state.database_url, autocommit=True, row_factory=dict_row) as database:
        began = time.perf_counter()
        with_clients(clients, orders, through_the_api(state), run)
        until_confirmed(database, run, orders)
        return orders / (time.perf_counter() - began)


def main() -> None:
    """Measure both by turns, each beginning as often as the other."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("revision", help="the commit to compare with")
    arguments.add_argument("--commit", default="HEAD", help="the commit that is compared, unless it is the last one")
    arguments.add_argument("--orders", type=int, default=800)
    arguments.add_argument("--rounds", type=int, default=6)
    arguments.add_argument("--clients", type=int, default=16)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as labs:
        states = {
            name: labs.enter_context(checkout(name, Path(folder) / str(n)))
            for n, name in enumerate((options.revision, options.commit))
        }
        measured: dict[str, list[float]] = {name: [] for name in states}
        for n in range(options.rounds + 1):
            for name in list(states)[:: 1 if n % 2 else -1]:
                speed = confirmed_a_second(states[name], options.orders, options.clients)
                if n:  # the first round warms up
                    measured[name].append(speed)
    for name, speeds in measured.items():
        told = " ".join(f"{speed:.0f}" for speed in speeds)
        print(f"{name:>12}: median {statistics.median(speeds):.0f} orders/s ({told})")
    ratio = statistics.median(measured[options.commit]) / statistics.median(measured[options.revision])
    print(f"ratio {options.commit} / {options.revision}: {ratio:.2f}")


if __name__ == "__main__":
    main()
