"""What an order may be, and which way it may move."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderlab.errors import HTTP_STATUS, InvalidOrder, OrderlabError
from orderlab.order import REJECTION_REASONS, TRANSITIONS, Item, NewOrder, Status, is_order_id

GOOD = {
    "order_id": "ws-001",
    "customer": {"name": "Ada", "email": "ada@example.com"},
    "items": [{"sku": "KEYBOARD", "quantity": 3}],
    "payment_token": "tok_ok",
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON | st.fixed_dictionaries({}, optional=dict.fromkeys((*GOOD, "design"), JSON)))
def test_whatever_comes_is_an_order_or_a_list_of_wrong_fields(body: object) -> None:
    try:
        NewOrder.from_json(body)
        problems = None
    except InvalidOrder as error:
        problems = error.problems
    assert problems is None or all(problem.problem for problem in problems)


def test_content_that_reads_the_same_is_the_same_request_however_it_was_written() -> None:
    turned = {name: GOOD[name] for name in reversed(GOOD)}
    assert NewOrder.from_json(GOOD).content() == NewOrder.from_json(turned).content()
    assert NewOrder.from_json({**GOOD, "design": {}}).content() == NewOrder.from_json(GOOD).content()


@given(
    st.lists(
        st.tuples(st.decimals(0, 10_000, places=2, allow_nan=False), st.integers(1, 1000)), min_size=1, max_size=50
    )
)
def test_a_total_is_exact(lines: list[tuple[Decimal, int]]) -> None:
    order = NewOrder("x", "Ada", "a@b", tuple(Item(f"S{n}", q) for n, (_, q) in enumerate(lines)), "tok_ok")
    prices = {f"S{n}": price for n, (price, _) in enumerate(lines)}
    cents = sum(int(price * 100) * quantity for price, quantity in lines)
    assert order.total(prices) * 100 == cents


def test_a_price_that_is_not_in_the_catalogue_names_the_item() -> None:
    with pytest.raises(InvalidOrder) as caught:
        NewOrder.from_json(GOOD).total({})
    assert caught.value.problems[0].field == "items[0].sku"


@pytest.mark.parametrize(
    ("text", "is_one"), [("a", True), ("a.b_c-d", True), ("-a", False), ("a\n", False), ("ä", False)]
)
def test_an_order_id_is_plain_ascii(text: str, is_one: bool) -> None:
    assert is_order_id(text) is is_one


def test_confirmed_and_rejected_are_final_and_each_rejection_is_a_legal_move() -> None:
    assert {status for status, after in TRANSITIONS.items() if not after} == {Status.CONFIRMED, Status.REJECTED}
    assert all(Status.REJECTED in TRANSITIONS[before] for before in REJECTION_REASONS.values())


def test_the_database_refuses_exactly_the_moves_that_the_code_does_not_know() -> None:
    schema = files("orderlab").joinpath("schema.sql").read_text()
    declared = re.findall(r"\('([A-Z_]+)', +'([A-Z_]+)'\)", schema)
    assert set(declared) == {(before, after) for before, afters in TRANSITIONS.items() for after in afters}


def test_an_order_survives_json() -> None:
    assert NewOrder.from_json(json.loads(json.dumps({"order_id": "ws-001", **NewOrder.from_json(GOOD).content()}))) == (
        NewOrder.from_json(GOOD)
    )


def test_every_error_says_what_happened_and_ends_its_sentence() -> None:
    for error in HTTP_STATUS:
        if error is InvalidOrder:
            continue
        assert issubclass(error, OrderlabError)
        assert error().detail == error.__doc__
        assert error().detail.endswith(".")
