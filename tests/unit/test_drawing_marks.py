"""What a drawing says of an arrow beside how it ended: the current one, ghosts, differences."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from orderlab.drawing.drawing import Drawing, sequence_svg, sequence_text
from orderlab.drawing.marks import Mark
from orderlab.drawing.rows import Run, observed
from orderlab.drawing.svg import WIDE, svg
from orderlab.drawing.words import ENGLISH, LANGUAGES
from orderlab.sequence import CONSUME_ORDER_CREATED, ORDER_ID_FREE, STEPS
from tests.sample_events import event, happy

SVG = "{http://www.w3.org/2000/svg}"


def arrows(drawn: str) -> dict[str, ET.Element]:
    """The drawing's arrows by their labels."""
    return {g.attrib["data-step"]: g for g in ET.fromstring(drawn).iter(f"{SVG}g") if "data-step" in g.attrib}


def says(arrow: ET.Element) -> str:
    return " ".join("".join(text.itertext()) for text in arrow.iter(f"{SVG}text"))


@pytest.mark.parametrize("compact", [False, True])
def test_the_current_arrow_is_lit_by_a_word_and_a_thicker_line_and_the_later_ones_are_dimmed(compact: bool) -> None:
    drawn = arrows(sequence_svg(happy(), lit=8, compact=compact))
    assert [label for label, g in drawn.items() if g.get("data-mark") == "lit"] == ["9"]
    assert [label for label, g in drawn.items() if "opacity" in g.attrib] == [str(n) for n in range(10, 20)]
    assert "now" in says(drawn["9"])
    widths = {label: float(g.find(f"{SVG}path").attrib["stroke-width"]) for label, g in drawn.items()}  # type: ignore[union-attr]
    assert all(widths["9"] > width for label, width in widths.items() if label != "9")


def test_the_text_says_which_arrow_is_the_current_one_and_which_come_later() -> None:
    lines = sequence_text(happy(), times=False, lit=8).splitlines()
    assert [n for n, line in enumerate(lines, start=1) if line.endswith("◀ now")] == [9]
    assert [n for n, line in enumerate(lines, start=1) if line.endswith("◀ later")] == list(range(10, 20))


def test_of_two_deliveries_the_one_that_is_meant_is_lit() -> None:
    events = [event(CONSUME_ORDER_CREATED, 0), event(CONSUME_ORDER_CREATED, 9, "redelivered", attempt=2)]
    assert sequence_text(events, lit=0, times=False).splitlines()[0].endswith("◀ now")
    assert sequence_text(events, lit=-1, times=False).splitlines()[-1].endswith("[redelivered] ◀ now")


def test_a_lit_arrow_is_not_folded_away_with_requests_that_went_alike() -> None:
    events = [*happy(), *(event(ORDER_ID_FREE, 900 + n, "duplicate", trace=t) for n, t in enumerate("bcd"))]
    assert sequence_text(events, lit=20).count("◀ now") == 1


def test_an_arrow_that_is_not_there_can_not_be_lit() -> None:
    with pytest.raises(IndexError):
        sequence_svg(happy(), lit=19)


@pytest.mark.parametrize("compact", [False, True])
def test_a_missing_arrow_is_a_ghost_in_its_place_dashed_hollow_and_called_missing(compact: bool) -> None:
    events = [e for e in happy() if e["step"] not in (9, 15)]
    drawn = arrows(sequence_svg(events, missing=[9, "process_payment"], compact=compact))
    assert list(drawn) == [str(n) for n in range(1, 20)]
    for label in ("9", "15"):
        assert "stroke-dasharray" in drawn[label].find(f"{SVG}path").attrib  # type: ignore[union-attr]
        badges = [drawn[which].findall(f"{SVG}rect")[-1] for which in (label, "8")]
        assert badges[0].get("fill") != badges[1].get("fill")
        assert "missing" in says(drawn[label])
        assert "data-outcome" not in drawn[label].attrib
        assert not [t for t in drawn[label].iter(f"{SVG}text") if t.get("class") == "time"]


def test_a_ghost_s_line_in_the_text_has_a_dashed_arrow_and_says_missing() -> None:
    lines = sequence_text(happy()[:8], times=False, missing=[9]).splitlines()
    assert lines[8] == "  9  Orders API  ⇢ RabbitMQ     Publish OrderCreated ◀ missing"
    assert "⇢" not in "".join(lines[:8])


def test_an_order_of_which_nothing_is_known_is_all_ghosts() -> None:
    assert sequence_text([], missing=[step.number for step in STEPS]).count("◀ missing") == 19


def test_a_ghost_stands_in_the_first_run_not_in_a_later_delivery() -> None:
    events = [*happy()[:12], event(CONSUME_ORDER_CREATED, 900, "redelivered", attempt=2)]
    lines = sequence_text(events, times=False, missing=[13]).splitlines()
    assert lines.index("--- delivery 2 ---") == 13
    assert lines[12].endswith("◀ missing")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("mark", [mark for mark in Mark if mark is not Mark.ABSENT])
def test_every_mark_is_told_by_a_word_in_each_language(mark: Mark, language: str) -> None:
    speak = LANGUAGES[language]
    (run,) = observed(happy()[:1], speak)
    marked = Run((replace(run.arrows[0], mark=mark),))
    assert speak.marks[mark] in says(arrows(svg([marked], speak, "", WIDE, ""))["1"])


def test_an_absent_arrow_leaves_its_place_empty() -> None:
    (run,) = observed(happy()[:2], ENGLISH)
    absent = Run((replace(run.arrows[0], mark=Mark.ABSENT), run.arrows[1]))
    drawn, whole = svg([absent], ENGLISH, "", WIDE, ""), svg([run], ENGLISH, "", WIDE, "")
    assert list(arrows(drawn)) == ["2"]
    assert ET.fromstring(drawn).attrib["height"] == ET.fromstring(whole).attrib["height"]
    assert arrows(drawn)["2"].find(f"{SVG}path").attrib == arrows(whole)["2"].find(f"{SVG}path").attrib  # type: ignore[union-attr]


def test_what_the_relay_did_is_told_of() -> None:
    by_relay = {**event(STEPS[8], 0), "data": {"by": "relay"}}
    assert sequence_text([by_relay], times=False).endswith("Publish OrderCreated [by the relay]")


@pytest.mark.parametrize(("fault", "word"), [("drop", "dropped"), ("duplicate", "twice")])
def test_an_arrow_that_a_fault_swallowed_or_repeated_says_so(fault: str, word: str) -> None:
    assert sequence_text([{**event(STEPS[8], 0), "data": {"fault": fault}}], times=False).endswith(f"[{word}]")


def test_a_difference_is_set_off_by_a_bar_at_its_row_too() -> None:
    (run,) = observed(happy()[:2], ENGLISH)
    plain = svg([run], ENGLISH, "", WIDE, "")
    for mark in (Mark.ONLY_HERE, Mark.DIFFERS, Mark.LIT):
        marked = Run((replace(run.arrows[0], mark=mark), run.arrows[1]))
        assert svg([marked], ENGLISH, "", WIDE, "").count("<rect") == plain.count("<rect") + 2


def test_a_step_that_still_goes_on_can_be_drawn() -> None:
    going_on = {**happy()[3], "ended_at": None}
    assert "POST /orders" in sequence_text([*happy()[:3], going_on], lit=-1)


def test_marks_give_the_same_bytes_every_time_and_none_changes_nothing() -> None:
    marked = [sequence_svg(happy()[:9], lit=-1, missing=[10, 11]) for _ in range(2)]
    assert marked[0] == marked[1]
    assert sequence_svg(happy(), lit=None, missing=()) == sequence_svg(happy())


def test_a_notebook_s_drawing_takes_the_marks_too() -> None:
    shown = Drawing.of(happy()[:9], lit=-1, missing=[10])
    assert "◀ now" in shown.text
    assert "◀ missing" in str(shown)
    assert 'data-mark="lit"' in shown.svg
    assert 'data-mark="missing"' in shown.svg
