"""Every public call on a lab whose servers are all away, with all kinds of rubbish: an answer in one line, at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orderlab import Lab, Run
from orderlab.access.broker import Tap
from orderlab.calls import checking as calls
from orderlab.calls import kinds
from orderlab.calls.interrupts import Interrupted, held_back
from orderlab.drawing.grid import Grid
from orderlab.errors import LabError
from orderlab.faults import script
from orderlab.lab.compare import Comparison
from orderlab.lab.dead import Dead
from orderlab.lab.faults import Faults
from orderlab.lab.order import Order
from orderlab.lab.portal import Portal
from orderlab.lab.processes import Processes
from orderlab.order import DESIGNS
from orderlab.stepping.stepping import SteppingRun
from tests.every_call import in_one_line, instances, lab_of_nowhere, parameters, public_methods, required


class Broken:
    """What can't even be shown."""

    def __repr__(self) -> str:
        raise ValueError


RUBBISH = [
    *(
        True,
        -1,
        0,
        10**30,
        3.7,
        float("nan"),
        "",
        "rubbish",
        "nul\0",
        "\ud800",
        "two\nlines",
        b"bytes",
        [],
        [1],
        (),
        {},
    ),
    *({"KEYBOARD": "many"}, {1: 2}, {"order_id": 7}, object(), Broken(), len, Lab),
]


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lab:
    monkeypatch.chdir(tmp_path)  # some rubbish is a good name for a file
    return lab_of_nowhere(monkeypatch)


CLASSES = [Lab, Order, Dead, Faults, Processes, Portal, Run, SteppingRun, Tap, Grid, Comparison]


@pytest.mark.parametrize("cls", CLASSES)
def test_every_public_method_is_checked_and_keeps_its_signature(cls: type) -> None:
    for name, method in public_methods(cls).items():
        assert hasattr(method, "__wrapped__"), f"{cls.__name__}.{name} is not checked"
        assert method.__doc__, name
        hidden = [p.name for p in parameters(method) if p.kind is p.VAR_KEYWORD and name != "at_once"]
        assert not hidden, f"{cls.__name__}.{name} hides its keywords"


def test_rubbish_of_every_kind_in_every_argument_is_answered_in_one_line(lab: Lab) -> None:
    for instance in instances(lab):
        for name in public_methods(type(instance)):
            method = getattr(instance, name)
            for parameter in parameters(method):
                if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                    continue
                for rubbish in RUBBISH:
                    in_one_line(method, **{**required(method), parameter.name: rubbish})


def test_every_call_is_answered_in_one_line_while_every_server_is_away(lab: Lab) -> None:
    for instance in instances(lab):
        for name in public_methods(type(instance)):
            method = getattr(instance, name)
            in_one_line(method, **required(method))
            in_one_line(method, nonsense=1, **required(method))
            in_one_line(method, *range(40))
    in_one_line(lambda: repr(lab.faults))
    in_one_line(lambda: repr(lab.processes))


@pytest.mark.parametrize("plan", [script.crash, script.fail, script.drop, script.duplicate, script.delay])
def test_rubbish_in_a_script_is_answered_in_one_line(plan: Any) -> None:
    for parameter in parameters(plan):
        for rubbish in RUBBISH:
            in_one_line(plan, **{**required_of(plan), parameter.name: rubbish})


def required_of(plan: Any) -> dict[str, Any]:
    return {p.name: {"step": 9, "seconds": 1}[p.name] for p in parameters(plan) if p.default is p.empty}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda lab: lab.create_order(itms={"MOUSE": 1}),
            r"Lab\.create_order\(\) takes no 'itms'\. Did you mean 'items'\?",
        ),
        (lambda lab: lab.order(), r"Lab\.order\(\): missing a required argument: 'order_id'"),
        (lambda lab: lab.order(7), "order_id must be an order's id, or the order, and not 7"),
        (lambda lab: lab.step_through(design="as_drawn"), "There is no design 'as_drawn'. Did you mean 'as-drawn'"),
        (lambda lab: lab.predicted_matrix("crsh"), "Did you mean 'crash'"),
        (lambda lab: Grid("crash", {}).order_id("notfy"), "no step 'notfy'. Did you mean 'notify'"),
        (lambda lab: lab.compare(sku="BANANA"), r"takes no 'sku'.*It takes: script, designs, name, items"),
        (lambda lab: lab.table("order"), "Did you mean 'orders'"),
        (lambda lab: Run("ws-1").save("/nowhere/run.json"), "/nowhere/run.json can't be written: No such file"),
    ],
)
def test_what_was_probably_meant_is_named(lab: Lab, call: Callable[[Lab], Any], said: str) -> None:
    with pytest.raises(LabError, match=said):
        call(lab)


def test_an_order_does_where_its_id_is_wanted() -> None:
    for given in ("ws-1", Order({"order_id": "ws-1"}), Run("ws-1")):
        assert kinds.order_id(given) == "ws-1"


def test_an_interrupt_is_one_line_and_comes_only_where_the_work_lets_it() -> None:
    done = []
    with pytest.raises(Interrupted, match="stands") as caught:  # noqa: PT012, SIM117
        with held_back("It stands.") as look:
            os.kill(os.getpid(), signal.SIGINT)
            done.append("the rest of the arrow")
            look()
            done.append("never")
    assert done == ["the rest of the arrow"]
    assert caught.value._render_traceback_() == ["Interrupted: It stands."]
    assert isinstance(caught.value, KeyboardInterrupt)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_of_any_call_is_one_line() -> None:
    @calls.checked
    def wait() -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted) as caught:
        wait()
    assert len(caught.value._render_traceback_()) == 1


def test_a_kernel_shows_one_line_for_a_refusal_and_for_an_interrupt(capsys: pytest.CaptureFixture[str]) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance(colors="NoColor")
    shell.run_cell(
        "from orderlab.calls.checking import checked\nimport signal\n@checked\ndef stop(): signal.raise_signal(2)"
    )
    capsys.readouterr()
    for cell in ("stop()", "stop(1)"):
        shell.run_cell(cell)
        told = capsys.readouterr()
        assert len((told.out + told.err).strip().splitlines()) == 1, told


def test_a_run_from_a_file_names_back_for_an_arrow_that_was_shown() -> None:
    from tests.unit.test_lab_stepping import moments

    run = Run("ws-1", moments())
    run.until(4)
    with pytest.raises(LabError, match=r"2 has happened already\. run\.back\(2\) looks at it again"):
        run.until(2)
    assert run.until(4) is run.now
    run.back(2)
    assert run.until(3).arrows == ("3",)


def test_designs_are_all_taken_as_one_or_several() -> None:
    assert kinds.KINDS["designs"]("default") == ["default"]
    assert kinds.KINDS["designs"](tuple(DESIGNS)) == list(DESIGNS)
    with pytest.raises(kinds.Unfit):
        kinds.KINDS["designs"](["default", 3])
