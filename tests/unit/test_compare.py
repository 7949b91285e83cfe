"""Orders side by side: which rows they share, and what is marked as missing, unrecorded or different."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from orderlab.drawing.beside import Side, aligned, expected_labels, side_by_side_text
from orderlab.drawing.marks import Mark
from orderlab.drawing.rows import Arrow, Band
from orderlab.drawing.sides import side_by_side_svg
from orderlab.drawing.words import ENGLISH, LANGUAGES
from orderlab.faults.model import ImpossibleFault, chance
from orderlab.faults.script import Planned, crash, drop, fate
from orderlab.lab.compare import Comparison, _order_id
from orderlab.sequence import (
    ACK_MESSAGE,
    CONFIRM_ORDER,
    CONSUME_ORDER_CREATED,
    NOTIFY,
    ORDER_ID_FREE,
    PROCESS_PAYMENT,
    RESERVE_INVENTORY,
    STEPS,
    WEBHOOK_CUSTOMER,
    WEBHOOK_OPERATIONS,
)
from tests.sample_events import NOON, Event, event, happy

SVG = "{http://www.w3.org/2000/svg}"
ALL = expected_labels(set())


def whole() -> list[Event]:
    return [*happy(), event(WEBHOOK_OPERATIONS, 191), event(WEBHOOK_CUSTOMER, 192)]


def killed(step: int, process: str, side: str = "before", unwritten: Sequence[Event] = ()) -> dict[str, Any]:
    """A crash at a gate, 5 ms before `happy` begins the step, or after; with what the process had in memory alone."""
    at = NOON + timedelta(milliseconds=10 * step + (-5 if side == "before" else 5))
    hit = {"kind": "crash", "step": str(step), "side": side, "attempt": 1, "process": process}
    return {**hit, "at": at.isoformat(), "unwritten": list(unwritten)}


def lost() -> Side:
    """As drawn, the API killed between 8 and 9; the portal asks again."""
    again = [event(ORDER_ID_FREE, 900, "duplicate"), event(STEPS[9], 910), event(STEPS[10], 920)]
    return Side("as-drawn", [*happy()[:8], *again], [killed(9, "orders-api")], {"verdict": "lost"}, ALL)


def saved() -> Side:
    again = event(ORDER_ID_FREE, 900, "duplicate")
    return Side("default", [*whole(), again], [killed(9, "orders-api")], {"verdict": "correct"}, ALL)


def twice(design: str, outcome: str) -> Side:
    """The worker killed between 15 and 16, and the message delivered again."""
    second = [
        event(CONSUME_ORDER_CREATED, 900, "redelivered", attempt=2),
        event(RESERVE_INVENTORY, 901, outcome, attempt=2),
        event(PROCESS_PAYMENT, 902, outcome, attempt=2),
        event(CONFIRM_ORDER, 903, attempt=2),
        event(STEPS[16], 904, attempt=2),
        event(NOTIFY, 905, attempt=2),
        event(WEBHOOK_OPERATIONS, 906),  # what the notifier records knows of no delivery
        event(WEBHOOK_CUSTOMER, 907),
        event(ACK_MESSAGE, 908, attempt=2),
    ]
    unwritten = [event(PROCESS_PAYMENT, 150)]
    return Side(
        design, [*happy()[:14], *second], [killed(16, "worker", "before", unwritten)], {"charges": outcome}, ALL
    )


def of_side(drawn: ET.Element, n: int) -> list[ET.Element]:
    """What is drawn of one side."""
    return [group for group in drawn.iter(f"{SVG}g") if group.get("data-side") == str(n)]


def column(sides: list[Side], n: int) -> list[tuple[str, Mark | None] | str | None]:
    """One side's rows, briefly."""
    cells = [row.cells[n] for row in aligned(sides, ENGLISH)]
    return [cell.text if isinstance(cell, Band) else cell and (cell.step.label, cell.mark) for cell in cells]


def test_two_orders_that_went_alike_share_their_rows_and_nothing_is_marked() -> None:
    rows = aligned([Side("a", whole(), lacks=ALL), Side("b", whole(), lacks=ALL)], ENGLISH)
    assert len(rows) == 21
    assert all(isinstance(cell, Arrow) and cell.mark is None for row in rows for cell in row.cells)


def test_what_never_came_is_a_ghost_beside_what_came_only_there() -> None:
    sides = [lost(), saved()]
    ghosts = [cell[0] for cell in column(sides, 0) if isinstance(cell, tuple) and cell[1] is Mark.MISSING]
    assert ghosts == ["9", "12", "13", "14", "15", "16", "17", "18", "18a", "18b", "19"]
    assert [cell[0] for cell in column(sides, 1) if isinstance(cell, tuple) and cell[1] is Mark.ONLY_HERE] == ghosts


def test_a_fault_stands_where_it_hit_and_what_was_asked_again_behind_it() -> None:
    brief = column([lost(), saved()], 0)
    at = brief.index("✗ crash before 9: orders-api")
    assert brief[at - 1 : at + 3] == [("8", None), brief[at], ("7", None), ("9", Mark.MISSING)]


def test_two_orders_that_both_lack_an_arrow_both_show_its_ghost() -> None:
    assert column([lost(), lost()], 0) == column([lost(), lost()], 1)
    assert ("9", Mark.MISSING) in column([lost(), lost()], 0)


def test_how_often_somebody_asked_again_makes_no_difference() -> None:
    patient = lost()
    knocks = [event(STEPS[n], 700 + n, trace="b") for n in range(6)] + [
        event(ORDER_ID_FREE, 890, "duplicate", trace="b")
    ]
    impatient = Side(patient.name, [*patient.events, *knocks], patient.firings, patient.results, patient.lacks)
    sides = [impatient, patient]
    assert column(sides, 0) == column(sides, 1)


def test_a_redelivery_has_a_band_and_its_arrows_differ_where_they_ended_otherwise() -> None:
    sides = [twice("as-drawn", "ok"), twice("default", "already_done")]
    brief = column(sides, 1)
    second = brief[brief.index("delivery 2") + 1 :]
    assert second[:4] == [("12", None), ("14", Mark.DIFFERS), ("15", Mark.DIFFERS), ("16", None)]
    assert [cell[0] for cell in second[-3:] if isinstance(cell, tuple)] == ["18a", "18b", "19"]


def test_a_charge_whose_record_died_with_the_worker_is_told_of() -> None:
    brief = column([twice("as-drawn", "ok"), twice("default", "already_done")], 0)
    assert brief[brief.index("✗ crash before 16: worker") - 1] == ("15", Mark.UNRECORDED)
    assert ("15", Mark.MISSING) not in brief


def test_a_publication_whose_record_died_with_the_api_stands_before_that_of_the_relay() -> None:
    by_relay = {**event(STEPS[8], 2500), "data": {"by": "relay"}}
    events = [*(e for e in whole() if e["step"] != 9), by_relay, event(ORDER_ID_FREE, 900, "duplicate")]
    brief = column([Side("default", events, [killed(9, "orders-api", "after", [happy()[8]])], lacks=ALL)], 0)
    at = brief.index("✗ crash after 9: orders-api")
    assert brief[at - 1 : at + 3] == [("9", Mark.UNRECORDED), brief[at], ("7", None), ("9", None)]


def test_a_delivery_that_only_one_side_had_leaves_the_other_s_places_empty() -> None:
    sides = [Side("a", whole(), lacks=ALL), twice("b", "ok")]
    brief = column(sides, 0)
    at = column(sides, 1).index("delivery 2")
    assert brief[at] is None
    drawn = ET.fromstring(side_by_side_svg(sides, aligned(sides, ENGLISH), ENGLISH, ""))
    said = ["".join(text for group in of_side(drawn, n) for text in group.itertext()) for n in (0, 1)]
    assert "delivery 2" not in said[0]
    assert "delivery 2" in said[1]


def test_each_side_s_arrow_is_level_with_the_other_s() -> None:
    sides = [lost(), saved()]
    drawn = ET.fromstring(side_by_side_svg(sides, aligned(sides, ENGLISH), ENGLISH, ""))
    levels = [
        [(g.get("data-step"), re.findall(r"M[\d.]+ ([\d.]+)", ET.tostring(g, "unicode"))[0]) for g in arrows]
        for arrows in (
            [g for group in of_side(drawn, n) for g in group.iter(f"{SVG}g") if "data-step" in g.attrib] for n in (0, 1)
        )
    ]
    assert len(levels[0]) > 9
    assert levels[0] == levels[1]


def test_the_text_has_a_line_an_arrow_a_column_a_design_and_marks_what_differs() -> None:
    text = side_by_side_text([lost(), saved()], aligned([lost(), saved()], ENGLISH), ENGLISH)
    lines = text.splitlines()
    assert lines[0].split() == ["as-drawn", "default"]
    (nine,) = (line for line in lines if line.startswith("  9 "))
    assert nine.split()[-3:] == ["missing", "ok", "◀"]
    (eight,) = (line for line in lines if line.startswith("  8 "))
    assert eight.split()[-2:] == ["ok", "ok"]
    (verdict,) = (line for line in lines if line.startswith("verdict"))
    assert verdict.split() == ["verdict", "lost", "correct", "◀"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_comparison_has_no_times_in_its_text_and_the_same_bytes_every_time(language: str) -> None:
    speak = LANGUAGES[language]
    slower = Side("default", [{**e, **event(ACK_MESSAGE, 5000.0 + e["id"], trace="z"), **_what(e)} for e in whole()])
    quick = Side("default", whole())
    assert side_by_side_text([slower], aligned([slower], speak), speak) == side_by_side_text(
        [quick], aligned([quick], speak), speak
    )
    drawn = {side_by_side_svg([lost(), saved()], aligned([lost(), saved()], speak), speak, "") for _ in range(2)}
    assert len(drawn) == 1


def _what(e: Event) -> Event:
    return {name: e[name] for name in ("step", "part", "label", "name", "lane")}


def test_a_comparison_shows_in_a_notebook_that_is_not_trusted() -> None:
    shown = Comparison([lost(), saved()], {})._repr_mimebundle_()
    assert shown["text/html"].startswith('<img alt="')
    assert "◀" in shown["text/plain"]


def test_the_timelines_have_a_picture_and_the_same_text() -> None:
    comparison = Comparison([lost(), saved()], {})
    shown = comparison.timelines()._repr_mimebundle_()
    assert shown["text/html"].startswith('<img alt="')
    assert shown["text/plain"] == comparison.text
    texts = ["".join(text.itertext()) for text in ET.fromstring(comparison.timelines().svg).iter(f"{SVG}text")]
    assert [text for text in texts if text in ("as-drawn", "default")] == ["as-drawn", "default"]


def test_an_order_that_is_refused_lacks_only_what_its_refusal_should_have_come_to() -> None:
    assert {"14", "15"} & set(expected_labels({("13", "out_of_stock")})) == set()
    assert "15c" in expected_labels({("15", "declined")})
    assert "15c" not in ALL


def test_a_script_refuses_a_fault_that_can_not_fire_before_anything_runs() -> None:
    with pytest.raises(ImpossibleFault, match="can't be lost unseen"):
        drop(8)
    with pytest.raises(ImpossibleFault, match="no step"):
        crash(20)


def test_a_seed_decides_the_fate_of_every_order_of_its_script_alike() -> None:
    script = [Planned("crash", 16, probability=0.5, seed=7), Planned("fail", 9, probability=0.5, seed=8)]
    fates = {tuple(fate(script, _order_id(script, "ws"))) for _ in range(5)}
    assert fates == {tuple(fate(script, ""))}
    assert len(fates.pop()) == 8
    assert chance(7, "", "16", 1) != chance(8, "", "16", 1)


def test_the_relay_s_second_copy_stands_before_the_delivery_that_it_led_to() -> None:
    relayed = {**event(STEPS[8], 2500), "data": {"by": "relay", "copies": ["b"]}}
    told = {"published_by": "relay", "copy": "b", "broker_delivery": 1}
    copy = {**event(CONSUME_ORDER_CREATED, 2510, "second_copy", attempt=2), "data": told}
    events = [*(e for e in whole() if e["step"] != 9), relayed, copy, event(ACK_MESSAGE, 2520, attempt=2)]
    brief = column([Side("outbox", events, [killed(9, "orders-api", "after", [happy()[8]])], lacks=ALL)], 0)
    at = brief.index("delivery 2: a second copy of the message")
    assert brief[at - 2 : at + 2] == [("19", None), ("9", None), brief[at], ("12", None)]
