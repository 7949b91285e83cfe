"""The one interface: the same keywords everywhere, an order that answers for itself, what shows when `lab` is typed."""

from __future__ import annotations

import inspect

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

import orderlab
from orderlab import Lab
from orderlab.errors import LabError
from orderlab.lab import topics
from orderlab.lab.faults import Faults
from orderlab.lab.order import Order
from orderlab.stepping.run import Run
from tests.every_call import lab_of_nowhere, public_methods

PLACES_ORDERS = (Lab.create_order, Lab.post_order, Lab.step_through, Lab.compare)


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Lab:
    return lab_of_nowhere(monkeypatch)


@pytest.mark.parametrize("call", PLACES_ORDERS, ids=lambda call: call.__name__)
def test_whatever_places_an_order_takes_the_same_keywords(call: object) -> None:
    taken = set(inspect.signature(call).parameters)  # type: ignore[arg-type]
    assert {"items", "payment_token", "customer"} <= taken
    assert taken & {"design", "designs"}


@pytest.mark.parametrize("cls", [Lab, Faults, Run], ids=lambda cls: cls.__name__)
def test_a_gate_is_a_step_and_a_side_and_a_delivery_an_attempt_everywhere(cls: type) -> None:
    for method in public_methods(cls).values():
        assert not {"when", "delivery", "gate", "sku_quantity"} & set(inspect.signature(method).parameters), method


def test_what_a_notebook_needs_is_imported_from_the_package_itself() -> None:
    for name in ("Lab", "Run", "crash", "drop", "duplicate", "delay", "fail"):
        assert name in dir(orderlab)
        assert callable(getattr(orderlab, name))


def test_every_public_name_of_a_lab_is_in_one_topic_and_each_topic_is_one_line() -> None:
    named = [name for names in topics.TOPICS.values() for name in names]
    public = {name for name in vars(Lab) if not name.startswith("_")} - {"help"}
    assert sorted(named) == sorted(public)
    assert len(topics.lines(Lab)) == len(topics.TOPICS) == 8
    assert all(len(line) < 100 for line in topics.lines(Lab))


def test_help_is_short_and_says_how_one_call_is_made(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.help()
    assert len(capsys.readouterr().out.splitlines()) <= 12
    lab.help("compare")
    assert capsys.readouterr().out.startswith("lab.compare(script=(), designs=('as-drawn', 'default')")
    with pytest.raises(LabError, match="Did you mean 'compare'"):
        lab.help("comapre")


def test_the_tab_key_offers_what_is_public_and_nothing_else(lab: Lab) -> None:
    shell = InteractiveShell.instance()
    shell.user_ns["the_lab"] = lab
    with provisionalcompleter():  # as a kernel asks
        names = {each.text.removeprefix(".") for each in shell.Completer.completions("the_lab.", len("the_lab."))}
    assert {"create_order", "faults", "last", "dead", "scale"} <= names
    assert not [name for name in names if name.startswith("_")]


def test_what_kills_for_minutes_or_empties_the_lab_wants_it_said(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"not brought up|everything=True"):
        lab.matrix("crash")
    with pytest.raises(LabError, match=r"not brought up|everything=True"):
        lab.reset()


def test_an_order_made_by_hand_says_that_nothing_is_recorded_of_it() -> None:
    with pytest.raises(LabError, match="made by hand"):
        Order({"order_id": "ws-1", "status": "RECEIVED"}).events()
    assert Order({"order_id": "ws-1", "status": "RECEIVED"}).status == "RECEIVED"


def test_frames_say_their_columns_and_units() -> None:
    for call in (Lab.orders, Lab.events, Lab.verdicts, Lab.catalogue, Faults.list, Faults.firings, Faults.halts):
        assert "Columns: " in (call.__doc__ or ""), call
