"""orderlab beside the peer and the bare bound, by turns in one run: rates, latencies, processor time, and the ratios.

`--systems`, `--clients`, `--products` and `--rounds` run a part of it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import systems
from bench.measure import Figures, measure, medians
from bench.systems import System

SYSTEMS = ("bare", "peer", "orderlab")
LATENCIES = ("201 p50", "201 p99", "confirmed p50", "confirmed p99", "webhooks p50", "webhooks p99")
PROGRAMS = ("postgresql", "rabbitmq", "orders-api", "worker", "notifier", "relay", "portal")


@contextmanager
def running(names: list[str], folder: Path) -> Iterator[list[System]]:
    """These systems, orderlab on servers of its own, the others on servers alike."""
    with ExitStack() as all_of_them:
        enter, found = all_of_them.enter_context, []
        if set(names) - {"orderlab"}:
            state = enter(systems.servers(folder / "servers"))
            for name, start in (("peer", systems.peer), ("bare", systems.bare_bound)):
                if name in names:
                    found.append(enter(start(folder / "servers", state)))
        if "orderlab" in names:
            found.append(enter(systems.orderlab(folder / "orderlab")))
        yield sorted(found, key=lambda system: SYSTEMS.index(system.name))


def by_turns(found: list[System], orders: int, clients: int, products: int, rounds: int) -> dict[str, list[Figures]]:
    """Each system's figures, one measurement per round; the one that was first is last in the next round."""
    measured: dict[str, list[Figures]] = defaultdict(list)
    for n in range(rounds):
        for system in found[:: 1 if n % 2 else -1]:
            measured[system.name].append(measure(system, orders, clients, products))
    return measured


def rates(clients: int, products: int, told: Mapping[str, Figures]) -> Table:
    """Rates and latencies, and orderlab's as a share of the others'."""
    title = f"{clients} client{'s' * (clients > 1)}, orders of {products} product{'s' * (products > 1)}"
    table = Table("", "confirmed/s", "accepted/s", *(f"{name} ms" for name in LATENCIES), "5xx", title=title)
    for name, figures in told.items():
        fast = [f"{figures[each]:.0f}" for each in ("confirmed/s", "accepted/s")]
        table.add_row(name, *fast, *(f"{figures[each]:.1f}" for each in LATENCIES), f"{figures['5xx']:.0f}")
    for name in told:
        if name != "orderlab" and "orderlab" in told:
            ours, theirs = told["orderlab"], told[name]
            shares = [f"{ours[each] / theirs[each]:.2f}" for each in ("confirmed/s", "accepted/s", *LATENCIES)]
            table.add_row(f"orderlab / {name}", *shares, style="bold")
    return table


def processor_time(told: Mapping[str, Figures]) -> Table:
    """Milliseconds of processor time an order, by process."""
    table = Table("", *PROGRAMS, "all", title="processor time, ms an order")
    for name, figures in told.items():
        spent = [figures.get(f"cpu {program}") for program in PROGRAMS]
        table.add_row(name, *("" if each is None else f"{each:.2f}" for each in spent), f"{figures['cpu']:.2f}")
    return table


def numbers(text: str) -> list[int]:
    """`1,16` as numbers."""
    return [int(word) for word in text.split(",")]


def main() -> None:
    """Run it and print two tables a number of clients and of products."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--systems", default=",".join(SYSTEMS), help="which of bare, peer, orderlab")
    arguments.add_argument("--clients", type=numbers, default=[1, 4, 16, 64], help="how many at once, such as 1,16")
    arguments.add_argument("--products", type=numbers, default=[1, 3], help="in each order, such as 1,3")
    arguments.add_argument("--rounds", type=int, default=5, help="how often each is measured; the median counts")
    arguments.add_argument("--orders", type=int, default=1000, help="in each measurement; a third with one client")
    arguments.add_argument("--json", type=Path, help="a file for every figure of every round")
    options = arguments.parse_args()
    names = options.systems.split(",")
    if unknown := set(names) - set(SYSTEMS):
        arguments.error(f"no such system: {', '.join(unknown)}")
    console, every = Console(width=max(Console().width, 150)), []
    with tempfile.TemporaryDirectory() as folder, running(names, Path(folder)) as found:
        for system in found:
            measure(system, 300, 16, 1)  # warms up
        for products in options.products:
            for clients in options.clients:
                orders = options.orders if clients > 1 else max(options.orders // 3, 1)
                measured = by_turns(found, orders, clients, products, options.rounds)
                told = {system.name: medians(measured[system.name]) for system in found}
                console.print(rates(clients, products, told), processor_time(told))
                every.append({"clients": clients, "products": products, "orders": orders, "rounds": measured})
    if options.json:
        options.json.write_text(json.dumps({"at": datetime.now(UTC).isoformat(), "cells": every}, indent=1))


if __name__ == "__main__":
    main()
