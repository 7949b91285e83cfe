"""When a figure of the benchmark counts as moved, and what it is made of."""

from __future__ import annotations

import random

import pytest

from bench.load import SKUS, order_of
from bench.measure import figures, medians
from bench.noise import moved


def test_a_shift_beyond_the_noise_is_seen_in_both_directions() -> None:
    before, after = [100.0, 103, 98, 101, 99, 102], [90.0, 93, 88, 91, 89, 92]
    assert moved(before, after)
    assert moved(after, before)


def test_noise_alone_moves_a_figure_no_more_often_than_the_rule_says() -> None:
    chance = random.Random(1)
    series = [([chance.gauss(100, 5) for _ in range(6)], [chance.gauss(100, 5) for _ in range(6)]) for _ in range(2000)]
    assert sum(moved(*each) for each in series) / len(series) < 1 / 32


def test_one_round_that_disagrees_leaves_a_figure_where_it_was() -> None:
    assert not moved([100.0, 100, 100, 100, 100, 80], [90.0, 90, 90, 90, 90, 90])


def test_a_few_rounds_say_too_little_about_noise() -> None:
    with pytest.raises(ValueError, match="5 rounds at least"):
        moved([1.0, 1.1], [2.0, 2.1])


def test_a_figure_is_what_clients_and_database_say() -> None:
    placed = [("a", 10.0, 10.01, 0), ("b", 10.5, 10.52, 2)]
    found = figures(placed, {"a": (10.1, 10.2), "b": (12.0, 12.5)}, {"worker": 0.02, "postgresql": 0.01})
    assert found["confirmed/s"] == pytest.approx(2 / 2.0)
    assert found["accepted/s"] == pytest.approx(2 / 0.52)
    assert found["201 p50"] == pytest.approx(15)
    assert found["webhooks p99"] == pytest.approx(2000)
    assert found["cpu worker"] == pytest.approx(10)
    assert found["cpu"] == pytest.approx(15)
    assert found["5xx"] == 2


def test_a_median_is_of_the_figures_that_every_round_has() -> None:
    assert medians([{"a": 1.0, "b": 1}, {"a": 2.0}, {"a": 9.0, "b": 3}]) == {"a": 2.0}


def test_orders_of_three_products_name_them_in_every_order_of_lines() -> None:
    seen = {tuple(item["sku"] for item in order_of("r", n, 3)["items"]) for n in range(24)}
    assert len(seen) == 24
    assert {sku for each in seen for sku in each} == set(SKUS)
