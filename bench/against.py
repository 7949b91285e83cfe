"""This checkout's last commit beside another one, by turns in one run: every figure, and which have moved.

`python -m bench.against HEAD~1`: both commits are set up in folders of their own, each by its own `./lab`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.measure import Figures, measure
from bench.noise import FEWEST, middle, moved
from bench.orders import by_turns, numbers
from bench.systems import System, through


@contextmanager
def checkout(name: str, revision: str, folder: Path) -> Iterator[System]:
    """A lab of this commit, in a work tree of its own at `folder`, measured by the tools of this checkout."""
    subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(folder), revision], check=True)
    environment = {word: value for word, value in os.environ.items() if not word.startswith("ORDERLAB_")}

    def lab(*words: str) -> str:
        command = [str(folder / "lab"), *words]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout

    try:
        lab("up", "--no-jupyter")
        try:
            told = json.loads(lab("status", "--json"))
            pids = {program: each["pids"] for program, each in told["services"].items() if each["pids"]}
            yield System(name, told["database_url"], lambda: pids, lambda: lab("reset"), through(told["api_url"]))
        finally:
            lab("down")
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(folder)], check=True)


def comparison(title: str, before: list[Figures], after: list[Figures]) -> Table:
    """Each figure's median and middle half in both, the ratio of the medians, and whether it has moved."""
    table = Table("", "before", "after", "after / before", "", title=title)
    for name in before[0]:
        if not all(name in each for each in (*before, *after)):
            continue  # a program that only one of the two has
        series = [[each[name] for each in rounds] for rounds in (before, after)]
        told = ["{:.2f} ({:.2f} to {:.2f})".format(statistics.median(each), *middle(each)) for each in series]
        was, is_now = (statistics.median(each) for each in series)
        ratio = f"{is_now / was:.2f}" if was else ""
        word = "" if not moved(*series) else "better" if (is_now > was) == name.endswith("/s") else "WORSE"
        table.add_row(name, *told, ratio, word, style="bold" if word else "")
    return table


def main() -> None:
    """Measure both by turns, each beginning as often as the other."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("revision", help="the commit to compare with")
    arguments.add_argument("--commit", default="HEAD", help="the commit that is compared, unless it is the last one")
    arguments.add_argument("--clients", type=numbers, default=[1, 16], help="how many at once, such as 1,16")
    arguments.add_argument("--products", type=numbers, default=[1, 3], help="in each order, such as 1,3")
    arguments.add_argument("--rounds", type=int, default=6, help=f"how often each is measured, {FEWEST} at least")
    arguments.add_argument("--orders", type=int, default=800, help="in each measurement; a third with one client")
    options = arguments.parse_args()
    if options.rounds < FEWEST:
        arguments.error(f"noise is seen in {FEWEST} rounds at least")
    console = Console(width=max(Console().width, 110))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as labs:
        pair = (("before", options.revision), ("after", options.commit))
        found = [labs.enter_context(checkout(name, revision, Path(folder) / name)) for name, revision in pair]
        for system in found:
            measure(system, 300, 16, 1)  # warms up
        for products in options.products:
            for clients in options.clients:
                orders = options.orders if clients > 1 else max(options.orders // 3, 1)
                measured = by_turns(found, orders, clients, products, options.rounds)
                title = f"{options.revision} → {options.commit}: {clients} clients, orders of {products} products"
                console.print(comparison(title, measured["before"], measured["after"]))


if __name__ == "__main__":
    main()
