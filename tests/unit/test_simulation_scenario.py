"""Scenarios: the same seed is the same orders; what can't be run is said in one line."""

from __future__ import annotations

import hashlib
import math
import pickle
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev

import pytest

from orderlab.order import NewOrder
from orderlab.simulation.arrivals import SHOP_DAY, Arrivals, Bursts, Constant, Day, Poisson, Trace
from orderlab.simulation.checks import InvalidScenario
from orderlab.simulation.scenario import Again, Scenario
from orderlab.simulation.troubles import BrokerOutage, SlowGateway, WorkerCrash

RICH = Scenario(
    Day(rate=5, length=60),
    120,
    seed=7,
    payment_tokens={"tok_ok": 8, "tok_declined": 1, "tok_slow": 1},
    duplicates=Again(0.1, 0.05),
    retries=Again(0.1, 1.0, times=2),
    troubles=[WorkerCrash(30), SlowGateway(40, 10, 0.5), BrokerOutage(60, 5)],
)
FINGERPRINT = "6d0f1bc229c88f62"


def fingerprint(scenario: Scenario) -> str:
    told = "\n".join(
        f"{send.offset:.6f} {send.number} {send.repeat} {send.order.order_id} {send.order.content()}"
        for send in scenario.orders("x")
    )
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def test_a_seed_gives_the_orders_that_it_gave_on_every_python_so_far() -> None:
    assert fingerprint(RICH) == FINGERPRINT


def test_another_seed_gives_others_and_a_scenario_survives_its_way_to_another_process() -> None:
    assert fingerprint(Scenario(Poisson(5), 60, seed=1)) != fingerprint(Scenario(Poisson(5), 60, seed=2))
    assert fingerprint(pickle.loads(pickle.dumps(RICH))) == FINGERPRINT


def test_another_mix_leaves_the_arrivals_as_they_were() -> None:
    one, other = Scenario(Poisson(5), 60), Scenario(Poisson(5), 60, lines={2: 1}, duplicates=Again(0.5, 1))
    assert list(one.offsets()) == list(other.offsets())
    assert [s.order.items for s in one.orders()] != [s.order.items for s in other.orders() if not s.repeat]


def test_each_order_is_one_that_the_api_takes() -> None:
    for send in RICH.orders():
        assert NewOrder.from_json({"order_id": send.order.order_id, **send.order.content()}) == send.order


def test_sends_come_in_the_order_of_their_offsets_and_repeats_are_the_same_request_later() -> None:
    sends = list(RICH.orders())
    assert [s.offset for s in sends] == sorted(s.offset for s in sends)
    first = {s.number: s for s in sends if not s.repeat}
    repeats = [s for s in sends if s.repeat]
    assert {round(s.offset - first[s.number].offset, 6) for s in repeats} == {0.05, 1.0, 2.0}
    assert all(s.order == first[s.number].order for s in repeats)
    assert first.keys() == set(range(1, len(first) + 1))


def test_baskets_hold_several_products_in_any_order_and_none_twice() -> None:
    baskets = [tuple(i.sku for i in send.order.items) for send in Scenario(Constant(50), 60, lines={2: 1}).orders()]
    assert all(len(set(basket)) == 2 for basket in baskets)
    assert {("KEYBOARD", "MOUSE"), ("MOUSE", "KEYBOARD")} <= set(baskets)
    alone = Scenario(Constant(1), 9, products={"MOUSE": 1}, lines={3: 1})
    assert all(len(send.order.items) == 1 for send in alone.orders())


def test_constant_arrivals_come_at_equal_gaps() -> None:
    assert list(Scenario(Constant(4), 1).offsets()) == [0, 0.25, 0.5, 0.75]


def test_poisson_arrivals_have_the_rate_that_was_asked_for_and_gaps_as_varied_as_their_mean() -> None:
    offsets = list(Scenario(Poisson(20), 2000).offsets())
    gaps = [b - a for a, b in pairwise(offsets)]
    assert len(offsets) == pytest.approx(40_000, abs=4 * math.sqrt(40_000))
    assert stdev(gaps) / fmean(gaps) == pytest.approx(1, abs=0.02)


def test_bursts_come_on_time_and_whole() -> None:
    offsets = list(Scenario(Bursts(every=10, size=50, within=2), 35).offsets())
    assert len(offsets) == 150
    assert {10 * (at // 10) for at in offsets} == {10, 20, 30}
    assert all(at % 10 <= 2 for at in offsets)


def test_a_day_has_its_rate_on_the_whole_and_its_curve_by_the_hour() -> None:
    offsets = list(Scenario(Day(rate=1), 86_400).offsets())
    assert len(offsets) == pytest.approx(86_400, abs=4 * math.sqrt(86_400))
    by_hour = [sum(hour * 3600 <= at < hour * 3600 + 3600 for at in offsets) for hour in range(24)]
    expected = [weight * 86_400 / sum(SHOP_DAY) for weight in SHOP_DAY]
    assert all(abs(n - mean) < 4 * math.sqrt(mean) for n, mean in zip(by_hour, expected, strict=True))


def test_a_trace_is_read_from_seconds_or_from_times(tmp_path: Path) -> None:
    seconds, times = tmp_path / "seconds.csv", tmp_path / "times.csv"
    seconds.write_text("who,offset\na,1.5\nb,0.5\n")
    times.write_text("placed\n2026-01-01T12:00:01+00:00\n2026-01-01T12:00:00+00:00\n2026-01-01T12:01:00+00:00\n")
    assert list(Scenario(Trace.from_csv(seconds), 10).offsets()) == [0.5, 1.5]
    assert list(Scenario(Trace.from_csv(str(times), column="placed"), 10).offsets()) == [0, 1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("offset\n1\nsoon\n", "line 3: 'soon' is neither"),
        ("offset\n1\n-2\n", "line 3 must be at least 0"),
        ("offset\n1\n2026-01-01\n", "mixes seconds and times"),
        ("when\n1\n", "no column 'offset'"),
        ("offset\n", "at least one"),
        ("", "It has: nothing"),
    ],
)
def test_a_trace_that_cannot_be_read_says_where(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "trace.csv").write_text(text)
    with pytest.raises(InvalidScenario, match=says) as refused:
        Trace.from_csv(tmp_path / "trace.csv")
    assert "\n" not in refused.value.detail


def test_a_trace_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidScenario, match="can't be read"):
        Trace.from_csv(tmp_path / "none.csv")


@pytest.mark.parametrize("arrivals", [Constant(3), Poisson(3), Bursts(2, 9, rate=1), Day(3, length=5), Trace([9, 1])])
def test_offsets_rise_and_end_before_the_scenario_does(arrivals: Arrivals) -> None:
    offsets = list(Scenario(arrivals, 7).offsets())
    assert offsets == sorted(offsets)
    assert offsets
    assert offsets[-1] < 7


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: Poisson(0), "rate must be more than 0"),
        (lambda: Poisson(math.nan), "must be a number"),
        (lambda: Bursts(1, 5, within=2), "at most 1"),
        (lambda: Day(1, curve=()), "curve"),
        (lambda: Day(1, curve=(0, 0)), "curve"),
        (lambda: Scenario(Poisson(1), -1), "duration"),
        (lambda: Scenario(3, 10), "arrivals must be"),
        (lambda: Scenario(Poisson(1), 10, payment_tokens={"tok_slov": 1}), "Did you mean 'tok_slow'"),
        (lambda: Scenario(Poisson(1), 10, lines={0: 1}), "at least 1"),
        (lambda: Scenario(Poisson(1), 10, quantities={1001: 1}), "1000 at most"),
        (lambda: Scenario(Poisson(1), 10, products={"MOUSE": 0}), "only weights of 0"),
        (lambda: Scenario(Poisson(1), 10, products={}), "weight"),
        (lambda: Scenario(Poisson(1), 10, duplicates=0.1), "Again"),
        (lambda: Scenario(Poisson(1), 10, troubles=["crash"]), "WorkerCrash"),
        (lambda: Scenario(Poisson(1), 10).orders("no good"), "can't begin an order's id"),
        (lambda: Again(2, 1), "share"),
        (lambda: BrokerOutage(0, 0), "lasts"),
        (lambda: WorkerCrash(1, which=-1), "which"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(wrong: object, says: str) -> None:
    with pytest.raises(InvalidScenario, match=says) as refused:
        wrong()  # type: ignore[operator]
    assert "\n" not in refused.value.detail
