"""The model: Ciw's queue, customer by customer; the mean that theory gives; nothing lost when things go wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from statistics import fmean

import ciw
import pytest

from orderlab import gateway
from orderlab.order import PAYMENT_TOKENS
from orderlab.simulation import model, theory
from orderlab.simulation.arrivals import Constant, Poisson, Trace
from orderlab.simulation.calibration import Draw, NothingMeasured, calibrate, constant, exponential
from orderlab.simulation.checks import InvalidScenario
from orderlab.simulation.model import Layout, simulate
from orderlab.simulation.scenario import Again, Scenario
from orderlab.simulation.troubles import BrokerOutage, SlowGateway, WorkerCrash

STEPS = ["5", "6", "7", "8", "9", "10", "12", "13", "14", "15", "16", "17", "18", "19", "18a", "18b"]
QUICK = {label: constant(0.001) for label in STEPS}


def in_turn(seconds: list[float]) -> Draw:
    """These, one after the other."""
    left = iter(seconds)
    return lambda _: next(left)


def ciw_times(offsets: list[float], service: list[list[float]], servers: list[int]) -> list[float]:
    """What each customer takes in all at Ciw, with these very arrivals and service times, station after station."""
    n = len(servers)
    gaps = [offsets[0], *(b - a for a, b in pairwise(offsets)), 1e9]
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Sequential(gaps), *[None] * (n - 1)],
        service_distributions=[ciw.dists.Sequential(each) for each in service],
        number_of_servers=servers,
        routing=[[float(to == at + 1) for to in range(n)] for at in range(n)],
    )
    run = ciw.Simulation(network)
    run.simulate_until_max_customers(len(offsets), method="Finish")
    ends: dict[int, float] = {}
    for record in run.get_all_records():
        ends[record.id_number] = max(ends.get(record.id_number, 0.0), record.exit_date)
    return [ends[nth + 1] - at for nth, at in enumerate(offsets)]


@pytest.mark.parametrize("problem", ["M/M/3", "M/D/1", "tandem"])
def test_the_model_is_the_queue_that_ciw_simulates_customer_by_customer(problem: str) -> None:
    chance, n = Random(3), 2000
    offsets = list(Poisson(2.1 if problem == "M/M/3" else 0.7).offsets(1e6, chance))[:n]
    one = [1.0] * n if problem == "M/D/1" else [exponential(1)(chance) for _ in range(n)]
    two = [exponential(1)(chance) for _ in range(n)]
    servers = 3 if problem == "M/M/3" else 1
    times = {"15": in_turn(list(one))}
    layout = Layout(workers=servers, worker_concurrency=1)
    expected = ciw_times(offsets, [one], [servers])
    if problem == "tandem":  # the API has one hand, and answers with the publish (9)
        times["8"] = in_turn(list(two))
        layout = Layout(api_concurrency=1, worker_concurrency=1)
        expected = ciw_times(offsets, [two, one], [1, 1])
    run = simulate(Scenario(Trace(offsets), offsets[-1] + 1), times, layout)
    seen = [row["time_to_settle"] for row in run.orders]
    assert seen == pytest.approx(expected)


def test_the_model_has_the_mean_that_theory_gives() -> None:
    scenario = Scenario(Poisson(2.1), 10_000)
    run = simulate(scenario, {"15": exponential(1)}, Layout(workers=3, worker_concurrency=1), sample_every=1000)
    rows = list(run.orders)
    service = fmean(e["ended_at"] - e["started_at"] for e in run.events if e["label"] == "15")
    answer = theory.mmc(len(rows) / scenario.duration, service, 3)
    assert fmean(row["time_to_settle"] or 0 for row in rows) == pytest.approx(answer.time, rel=0.05)


def test_the_same_seed_is_the_same_run() -> None:
    scenario = Scenario(Poisson(20), 10, seed=3, troubles=[WorkerCrash(5)])
    times = {label: exponential(0.01) for label in STEPS}
    assert list(simulate(scenario, times).events) == list(simulate(scenario, times).events)


def test_whatever_goes_wrong_each_order_is_settled_and_told_of() -> None:
    scenario = Scenario(
        Poisson(30),
        40,
        products={"MOUSE": 20, "LAST-THREE": 1},
        payment_tokens={"tok_ok": 8, "tok_declined": 1, "tok_slow": 1},
        duplicates=Again(0.1, 0.01),
        troubles=[WorkerCrash(10), SlowGateway(15, 5, 0.5), BrokerOutage(25, 5), WorkerCrash(26)],
    )
    times = {**QUICK, "15": exponential(0.1), "17": constant(0.02), "18": constant(0.02)}
    run = simulate(scenario, times, Layout(workers=2, worker_concurrency=4))
    rows, events = list(run.orders), list(run.events)
    assert all(row["status"] in {"CONFIRMED", "REJECTED"} and row["notified_at"] is not None for row in rows)
    assert max(row["attempts"] for row in rows) > 1
    paid = [e["order_id"] for e in events if (e["label"], e["outcome"]) == ("15", "ok")]
    assert sorted(paid) == sorted(row["order_id"] for row in rows if row["status"] == "CONFIRMED")
    items = {send.order.order_id: send.order.items for send in scenario.orders()}
    held = [i.quantity for key in paid for i in items[key] if i.sku == "LAST-THREE"]
    assert sum(held) <= 3
    assert {e["outcome"] for e in events} >= {"deferred", "redelivered", "already_done", "duplicate", "declined"}


def test_a_crash_costs_what_was_in_hand_its_time_and_a_second_delivery() -> None:
    times = {"15": constant(4.0)}
    scenario = Scenario(Trace([0.0]), 10, troubles=[WorkerCrash(1, restart=2)])
    (row,) = simulate(scenario, times).orders
    assert (row["attempts"], row["settled_at"]) == (2, 7.0)


def test_an_outage_of_the_broker_holds_an_order_until_the_relay_sends_it() -> None:
    scenario = Scenario(Trace([1.0]), 10, troubles=[BrokerOutage(0.5, 5)])
    (row,) = simulate(scenario, {}).orders
    assert row["answered_at"] == 1.0
    assert row["settled_at"] == 6.0  # the first sweep that finds the broker back


def test_a_prefetch_above_the_concurrency_leaves_orders_with_a_busy_worker() -> None:
    scenario = Scenario(Constant(4), 1)
    greedy = simulate(scenario, {"15": constant(10)}, Layout(worker_concurrency=1, prefetch=4), sample_every=0.9)
    fair = simulate(scenario, {"15": constant(10)}, Layout(worker_concurrency=1), sample_every=0.9)
    depths = [
        next((d["ready"], d["unacked"]) for d in run.depths if d["queue"] == "orders.created.worker" and d["at"] > 0.8)
        for run in (greedy, fair)
    ]
    assert depths == [(0, 4), (3, 1)]


def test_the_tables_are_dataframes_when_asked() -> None:
    run = simulate(Scenario(Constant(2), 3), QUICK)
    assert list(run.orders.frame().columns) == list(run.orders.columns)
    assert len(run.events.frame()) == 6 * len(STEPS)
    assert set(run.depths.frame()["queue"]) == {q for q in run.depths.frame()["queue"].unique() if "." in q}


def test_a_calibration_counts_what_lies_between_two_steps_and_needs_something_measured() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        {"label": label, "started_at": start + timedelta(seconds=a), "ended_at": start + timedelta(seconds=b)}
        for label, a, b in (("12", 0, 1), ("13", 2, 3))
    ]
    assert calibrate(rows).mean("13") == 1
    assert calibrate({**row, "order_id": "x", "attempt": 1} for row in rows).mean("13") == 2
    with pytest.raises(NothingMeasured):
        calibrate([])


def test_the_gateway_takes_what_the_labs_gateway_takes() -> None:
    assert model.FIRST_PAUSE == gateway.FIRST_PAUSE
    assert model.gateway_takes(PAYMENT_TOKENS["tok_slow"]) == 2.0
    assert model.gateway_takes(PAYMENT_TOKENS["tok_gateway_error"]) == pytest.approx(0.05 + 0.1)


def test_what_cannot_be_modelled_is_refused() -> None:
    with pytest.raises(InvalidScenario, match="no worker 3"):
        simulate(Scenario(Constant(1), 1, troubles=[WorkerCrash(0, which=3)]), {})
    with pytest.raises(InvalidScenario, match="a label"):
        simulate(Scenario(Constant(1), 1), {"99": constant(1)})
    with pytest.raises(InvalidScenario, match="workers"):
        Layout(workers=0)


def test_stock_comes_back_when_a_payment_is_declined_and_when_a_crash_undoes_the_reservation() -> None:
    three = {"products": {"LAST-THREE": 1}, "quantities": {3: 1}}
    tokens = {"tok_ok": 1, "tok_declined": 1}
    rows = list(simulate(Scenario(Constant(1), 20, payment_tokens=tokens, **three), QUICK).orders)
    reasons = [row["rejection_reason"] for row in rows]
    assert reasons[0] == "payment_declined"  # or this shows nothing: take another seed
    assert reasons.count(None) == 1
    crash = Scenario(Trace([0.0]), 10, troubles=[WorkerCrash(1)], **three)
    (row,) = simulate(crash, {"14": constant(4)}).orders
    assert (row["status"], row["attempts"]) == ("CONFIRMED", 2)
