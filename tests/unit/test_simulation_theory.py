"""The formulas: against each other, against values of their books' kind, and against Ciw, which knows none of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import fmean
from typing import Any

import ciw
import pytest

from orderlab.simulation import theory
from orderlab.simulation.theory import Answer, InvalidQueue, Overloaded

WARM_UP = 500


@pytest.mark.parametrize(
    ("arrivals", "service", "servers", "orders", "formula"),
    [
        (ciw.dists.Exponential(0.5), ciw.dists.Exponential(1), 1, 40_000, theory.mm1),
        (ciw.dists.Exponential(2.1), ciw.dists.Exponential(1), 3, 40_000, lambda rate, time: theory.mmc(rate, time, 3)),
        (
            ciw.dists.Exponential(0.7),
            ciw.dists.Deterministic(1),
            1,
            12_000,
            lambda rate, time: theory.mg1(rate, time, 0),
        ),
        (
            ciw.dists.Exponential(1.4),
            ciw.dists.Uniform(0, 2),
            2,
            12_000,
            lambda rate, time: theory.ggc_allen_cunneen(rate, time, 2, 1, 3**-0.5),
        ),
    ],
    ids=["M/M/1", "M/M/3", "M/D/1", "M/G/2"],
)
def test_a_formula_says_within_2_percent_what_a_simulation_sees(
    arrivals: Any, service: Any, servers: int, orders: int, formula: Callable[[float, float], Answer]
) -> None:
    ciw.seed(1)
    run = ciw.Simulation(
        ciw.create_network(
            arrival_distributions=[arrivals], service_distributions=[service], number_of_servers=[servers]
        )
    )
    run.simulate_until_max_customers(orders, method="Finish")
    records = sorted(run.get_all_records(), key=lambda r: r.arrival_date)[WARM_UP:]
    rate = (len(records) - 1) / (records[-1].arrival_date - records[0].arrival_date)
    seen = fmean(r.waiting_time + r.service_time for r in records)
    # The rate and the mean that the draws came to, not those that were asked for: the rest of the noise is small.
    assert seen == pytest.approx(formula(rate, fmean(r.service_time for r in records)).time, rel=0.02)


def test_the_hand_worked_cases() -> None:
    assert theory.mm1(0.5, 1) == Answer("M/M/1", 0.5, 1, 2, 0.5, 1)
    assert theory.erlang_c(2, 1) == pytest.approx(1 / 3)
    assert theory.mmc(1, 1, 2).wait == pytest.approx(1 / 3)
    assert theory.erlang_b(3, 2) == pytest.approx((8 / 6) / (1 + 2 + 2 + 8 / 6))
    assert theory.mg1(0.5, 1, 0).wait == pytest.approx(0.5)


def test_the_general_formulas_contain_the_special_ones() -> None:
    assert theory.mmc(0.7, 1, 1).wait == pytest.approx(theory.mm1(0.7, 1).wait)
    assert theory.mg1(0.7, 1, 1).wait == pytest.approx(theory.mm1(0.7, 1).wait)
    assert theory.ggc_allen_cunneen(3, 1, 4, 1, 1).wait == pytest.approx(theory.mmc(3, 1, 4).wait)
    assert theory.ggc_allen_cunneen(0.7, 1, 1, 1, 0.4).wait == pytest.approx(theory.mg1(0.7, 1, 0.4).wait)
    assert theory.gg1_kingman(0.7, 1, 0.5, 0.4).wait == pytest.approx(
        theory.ggc_allen_cunneen(0.7, 1, 1, 0.5, 0.4).wait
    )


def test_erlang_c_is_the_sum_that_the_book_gives() -> None:
    servers, offered = 12, 9.0
    last = offered**servers / math.factorial(servers) / (1 - offered / servers)
    book = last / (sum(offered**n / math.factorial(n) for n in range(servers)) + last)
    assert theory.erlang_c(servers, offered) == pytest.approx(book)


def test_a_thousand_servers_are_no_trouble() -> None:
    assert 0 < theory.mmc(19_000, 0.05, 1000).wait < 0.001


def test_littles_law_ties_numbers_to_times() -> None:
    answer = theory.mmc(2.1, 1, 3)
    assert answer.inside == pytest.approx(theory.little(2.1, answer.time))
    assert answer.inside - answer.waiting == pytest.approx(2.1)


def test_a_percentile_of_the_wait_is_where_its_tail_begins() -> None:
    at = theory.mmc_wait_percentile(2.1, 1, 3, 95)
    assert theory.erlang_c(3, 2.1) * math.exp(-(3 - 2.1) * at) == pytest.approx(0.05)
    assert theory.mmc_wait_percentile(0.1, 1, 3, 50) == 0


@pytest.mark.parametrize("formula", [theory.mm1, lambda a, s: theory.mmc(a, s, 2), lambda a, s: theory.mg1(a, s, 1)])
def test_a_queue_that_cannot_keep_up_has_no_mean(formula: Callable[[float, float], Answer]) -> None:
    with pytest.raises(Overloaded, match="utilisation of"):
        formula(4, 1)


def test_whoever_is_overloaded_hears_how_many_servers_it_takes() -> None:
    with pytest.raises(Overloaded, match="It takes 5 servers"):
        theory.mmc(4, 1, 4)
    assert theory.mmc(4, 1, 5).wait > 0


@pytest.mark.parametrize("wrong", [(0, 1, 1), (1, -1, 1), (1, math.nan, 1), (1, 1, 0), (math.inf, 1, 1)])
def test_what_is_no_queue_is_refused(wrong: tuple[float, float, int]) -> None:
    with pytest.raises(InvalidQueue):
        theory.mmc(*wrong)
    with pytest.raises(InvalidQueue):
        theory.mg1(0.5, 1, -1)
