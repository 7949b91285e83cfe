"""The sequence diagram: what it shows of a run, as SVG and as text."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest

from orderlab.drawing import drawing
from orderlab.drawing.rows import clock
from orderlab.drawing.svg import STROKES, WIDE
from orderlab.drawing.words import LANGUAGES
from orderlab.sequence import (
    ACK_MESSAGE,
    CHECK_INVENTORY,
    CONSUME_ORDER_CREATED,
    NOTIFY,
    ORDER_ID_FREE,
    OTHER_STEPS,
    PROCESS_PAYMENT,
    PUBLISH_ORDER_CREATED,
    REJECT_ORDER,
    RELEASE_INVENTORY,
    STEPS,
    WEBHOOK_CUSTOMER,
    WEBHOOK_FAILED,
    WEBHOOK_OPERATIONS,
    Lane,
    Outcome,
)
from tests.sample_events import event, happy

SVG = "{http://www.w3.org/2000/svg}"


def groups(svg: str) -> list[ET.Element]:
    return [g for g in ET.fromstring(svg).iter(f"{SVG}g") if "data-step" in g.attrib]


def texts(element: ET.Element) -> Iterator[str]:
    return ("".join(text.itertext()) for text in element.iter(f"{SVG}text"))


def everything(svg: str) -> list[str]:
    return list(texts(ET.fromstring(svg)))


def test_a_happy_run_shows_nineteen_numbered_arrows_in_their_order() -> None:
    assert [g.get("data-step") for g in groups(drawing.sequence_svg(happy()))] == [str(n) for n in range(1, 20)]
    assert [line.split()[2] for line in drawing.sequence_text(happy()).splitlines()[:19]] == [
        str(n) for n in range(1, 20)
    ]


@pytest.mark.parametrize("compact", [False, True])
def test_the_lanes_stand_in_the_diagram_s_order(compact: bool) -> None:
    svg = ET.fromstring(drawing.sequence_svg([], compact=compact))
    names = LANGUAGES["en"].short_lanes if compact else LANGUAGES["en"].lanes
    heads = [t for t in svg.iter(f"{SVG}text") if t.text in names.values()]
    assert [t.text for t in heads] == [names[lane] for lane in Lane]
    xs = [float(t.attrib["x"]) for t in heads]
    assert xs == sorted(xs)


def test_every_arrow_goes_from_its_lane_to_its_lane() -> None:
    for step, group in zip(STEPS, groups(drawing.sequence_svg(happy())), strict=True):
        start, end = WIDE.x(step.source), WIDE.x(step.target)
        line, head = list(group.iter(f"{SVG}path"))[:2]
        assert _x(line) == start, step
        assert abs(_x(head) - end) < 20, step


def _x(path: ET.Element) -> float:
    """Where a path begins."""
    return float(re.match(r"M([\d.]+)", path.attrib["d"])[1])  # type: ignore[index]


def test_a_step_that_stays_in_its_lane_is_a_loop_and_18_is_two_messages() -> None:
    by_step = {g.get("data-step"): g for g in groups(drawing.sequence_svg(happy()))}
    assert all("q" in by_step[n].find(f"{SVG}path").attrib["d"] for n in ("13", "15"))  # type: ignore[union-attr]
    assert len(by_step[str(NOTIFY.number)].findall(f"{SVG}path")) == 2 * len(by_step["17"].findall(f"{SVG}path"))


def test_times_count_from_the_first_arrow_whatever_stands_first() -> None:
    events = [event(CHECK_INVENTORY, 1012.5), event(CONSUME_ORDER_CREATED, 1000)]
    svg = ET.fromstring(drawing.sequence_svg(events))
    assert [t.text for t in svg.iter(f"{SVG}text") if t.get("class") == "time"] == ["12.5 ms", "0.0 ms"]


@pytest.mark.parametrize(
    ("seconds", "reads"),
    [
        (0, "0.0 ms"),
        (0.0032, "3.2 ms"),
        (0.99996, "1.000 s"),
        (1.25, "1.250 s"),
        (59.9996, "1:00.000"),
        (125.125, "2:05.125"),
    ],
)
def test_a_clock_reads_in_the_unit_a_person_would_use(seconds: float, reads: str) -> None:
    assert clock(seconds) == reads


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.OK])
def test_an_outcome_is_told_by_words_and_by_the_line_not_by_colour_alone(outcome: Outcome, language: str) -> None:
    events = [event(CONSUME_ORDER_CREATED, 0), event(CONSUME_ORDER_CREATED, 5, outcome)]
    ok, other = groups(drawing.sequence_svg(events, language=language))
    word = LANGUAGES[language].outcomes[outcome]
    assert word in " ".join(texts(other))
    assert word in drawing.sequence_text(events, language=language)
    assert "stroke-dasharray" in other.find(f"{SVG}path").attrib  # type: ignore[union-attr]
    assert "stroke-dasharray" not in ok.find(f"{SVG}path").attrib  # type: ignore[union-attr]


def test_white_text_can_be_read_on_every_colour() -> None:
    def light(channel: int) -> float:
        part = channel / 255
        return part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4

    for stroke in STROKES.values():
        red, green, blue = (light(int(stroke.colour[n : n + 2], 16)) for n in (1, 3, 5))
        assert 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05) >= 4.5, stroke


def test_an_arrow_that_ended_otherwise_does_not_say_that_all_was_well() -> None:
    said = drawing.sequence_text([event(ORDER_ID_FREE, 0, "conflict")])
    assert "conflict" in said
    assert "does not exist" not in said


def test_a_redelivery_stands_under_a_band_of_its_own() -> None:
    events = [event(CONSUME_ORDER_CREATED, 0), event(CONSUME_ORDER_CREATED, 5000, "redelivered", attempt=2)]
    assert "delivery 2" in everything(drawing.sequence_svg(events))
    assert drawing.sequence_text(events, times=False).splitlines()[1] == "--- delivery 2 ---"
    assert "entrega 2" in drawing.sequence_text(events, language="es")


def test_a_second_post_stands_under_a_band_of_its_own() -> None:
    events = [*happy(), event(ORDER_ID_FREE, 900, "duplicate", trace="b")]
    assert "POST again" in everything(drawing.sequence_svg(events))


def test_requests_that_went_alike_are_folded_into_one() -> None:
    retries = [event(ORDER_ID_FREE, 900 + n, "duplicate", trace=t) for n, t in enumerate("bcd")]
    events = [*happy(), *retries, event(ORDER_ID_FREE, 990, "conflict", trace="e")]
    bands = [line for line in drawing.sequence_text(events).splitlines() if line.startswith("---")]
    assert bands == ["--- POST again · 3 alike ---", "--- POST again ---"]
    assert len(groups(drawing.sequence_svg(events))) == 19 + 2


def test_what_is_recorded_beyond_the_nineteen_is_drawn_with_its_letter() -> None:
    events = [
        event(PROCESS_PAYMENT, 0, "declined"),
        event(RELEASE_INVENTORY, 1),
        event(REJECT_ORDER, 2, "rejected"),
        event(WEBHOOK_OPERATIONS, 3),
        event(WEBHOOK_CUSTOMER, 4, "failed", name=WEBHOOK_FAILED),
        event(ACK_MESSAGE, 5),
    ]
    svg = drawing.sequence_svg(events)
    assert [g.get("data-step") for g in groups(svg)] == ["15", "15c", "16", "18a", "18b", "19"]
    assert "UPDATE REJECTED" in svg
    assert "given up" in drawing.sequence_text(events)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_note_on_arrow_5_stands_wherever_5_is_drawn_and_nowhere_else(language: str) -> None:
    note = LANGUAGES[language].note_on_5
    for draw in (drawing.sequence_svg, drawing.sequence_text):
        assert draw([event(STEPS[4], 0)], language=language).count("*") == 2 + (draw is drawing.sequence_svg) * 2
        assert "*" not in draw([event(PUBLISH_ORDER_CREATED, 0)], language=language)
    assert note in drawing.sequence_text(happy(), language=language)
    assert note in " ".join(everything(drawing.sequence_svg(happy(), language=language)))
    assert note in " ".join(everything(drawing.sequence_svg(happy(), language=language, compact=True)))


def test_the_same_events_give_the_same_bytes_in_another_process() -> None:
    code = (
        "import json, sys; from orderlab.drawing.drawing import sequence_svg;"
        "sys.stdout.buffer.write(sequence_svg(json.load(sys.stdin), title='ws').encode())"
    )
    again = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(happy()).encode(), capture_output=True, check=True
    )
    assert again.stdout.decode() == drawing.sequence_svg(happy(), title="ws")


def test_text_without_times_is_the_same_for_a_slower_run() -> None:
    slower = [event(step, 77.0 * step.number) for step in STEPS]
    assert drawing.sequence_text(slower, times=False) == drawing.sequence_text(happy(), times=False)
    assert drawing.sequence_text(slower) != drawing.sequence_text(happy())


def test_a_title_is_text_whatever_it_holds() -> None:
    svg = drawing.sequence_svg(happy(), title='<script>&"\x00\x1b ña')
    assert '<script>&" ña' in everything(svg)


def test_the_drawing_needs_nothing_from_elsewhere() -> None:
    svg = drawing.sequence_svg(happy(), title="ws")
    assert "<style" not in svg
    assert "style=" not in svg
    assert "href" not in svg
    assert "url(" not in svg
    assert svg.count("http") == 1  # the name of SVG itself


def test_the_expected_diagram_has_nineteen_arrows_and_no_times() -> None:
    svg = drawing.expected_svg()
    assert len(groups(svg)) == 19
    assert 'class="time"' not in svg
    assert len(drawing.expected_text().splitlines()) == 20  # and the note


def test_every_step_says_something_in_spanish_that_is_not_left_in_english() -> None:
    spanish = LANGUAGES["es"]
    left = {s.label for s in (*STEPS, *OTHER_STEPS) if spanish.says(s) == s.says}
    assert left == {"2", "4", "10", "14", "16"}  # HTTP and SQL


def test_a_notebook_that_is_not_trusted_gets_an_image_and_its_text() -> None:
    shown = drawing.Drawing.of(happy(), title="ws")._repr_mimebundle_()
    assert set(shown) == {"text/html", "text/plain"}
    image = ET.fromstring(shown["text/html"].replace('">', '"/>'))
    assert image.tag == "img"
    assert image.attrib["src"].startswith("data:image/svg+xml;base64,")
    assert "Publish OrderCreated" in image.attrib["alt"]


def test_drawing_loads_neither_pandas_nor_the_notebook_side() -> None:
    code = (
        "import sys, orderlab.drawing.drawing;"
        "print(sorted({'pandas', 'matplotlib', 'IPython', 'nameko', 'eventlet', 'httpx'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
