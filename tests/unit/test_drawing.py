"""The sequence diagram: what it shows of a run, as SVG and as text."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator

import pytest

from orderlab.drawing import drawing
from orderlab.drawing.colours import HOLLOW, INK, MUTED, ON_COLOUR, PAPER, STROKES
from orderlab.drawing.rows import clock
from orderlab.drawing.shapes import breadth
from orderlab.drawing.svg import WIDE
from orderlab.drawing.timeline import Timeline
from orderlab.drawing.words import LANGUAGES
from orderlab.sequence import (
    ACK_MESSAGE,
    CONSUME_ORDER_CREATED,
    NOTIFY,
    ORDER_ID_FREE,
    OTHER_STEPS,
    PROCESS_PAYMENT,
    PUBLISH_ORDER_CREATED,
    REJECT_ORDER,
    RELEASE_INVENTORY,
    SHOW_CONFIRMATION,
    STEPS,
    WEBHOOK_CUSTOMER,
    WEBHOOK_FAILED,
    WEBHOOK_OPERATIONS,
    Lane,
    Outcome,
)
from tests.sample_events import Event, event, happy

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
    speak = LANGUAGES["en"]
    names = [[speak.short_lanes[lane]] if compact else speak.heads[lane] for lane in Lane]
    heads = [t for t in svg.iter(f"{SVG}text") if t.text in {name for lines in names for name in lines}]
    assert [t.text for t in heads] == [name for lines in names for name in lines]
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
    events = [event(SHOW_CONFIRMATION, 1012.5), event(CONSUME_ORDER_CREATED, 1000)]
    svg = ET.fromstring(drawing.sequence_svg(events))
    assert [t.text for t in svg.iter(f"{SVG}text") if t.get("class") == "time"] == ["12.5 ms", "0.0 ms"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_times_that_go_back_from_row_to_row_are_explained_where_they_are_seen(language: str) -> None:
    back = [event(SHOW_CONFIRMATION, 1012.5), event(CONSUME_ORDER_CREATED, 1000)]
    note = LANGUAGES[language].note_on_times
    assert note in " ".join(everything(drawing.sequence_svg(back, language=language)))
    assert note in drawing.sequence_text(back, language=language)
    assert note not in drawing.sequence_text(back, language=language, times=False)
    assert note not in drawing.sequence_text(happy()[:11], language=language), "one request goes on in one order"


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


def contrast(one: str, other: str) -> float:
    """How well two colours can be told apart, as WCAG reckons it."""

    def light(channel: int) -> float:
        part = channel / 255
        return part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4

    def luminance(colour: str) -> float:
        red, green, blue = (light(int(colour[n : n + 2], 16)) for n in (1, 3, 5))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def test_white_text_can_be_read_on_every_colour() -> None:
    assert all(contrast("#ffffff", stroke.colour) >= 4.5 for stroke in STROKES.values())


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
    assert svg.count("<style") == 1  # what becomes of its colours where it is dark
    assert "style=" not in svg
    assert "@import" not in svg
    assert "href" not in svg
    assert "url(" not in svg
    assert svg.count("http") == 1  # the name of SVG itself


@pytest.mark.parametrize("draw", [drawing.sequence_svg, lambda events: Timeline(events, "ws").svg])
def test_every_word_of_a_drawing_can_be_read_at_its_own_size(draw: Callable[[list[Event]], str]) -> None:
    sizes = [float(text.attrib["font-size"]) for text in ET.fromstring(draw(happy())).iter(f"{SVG}text")]
    assert min(sizes) >= 14


def test_a_drawing_keeps_its_size_in_a_notebook_so_that_it_grows_with_the_page() -> None:
    html = drawing.Drawing.of(happy())._repr_mimebundle_()["text/html"]
    assert "max-width:none" in html
    assert "max-width: 100%" not in html


def test_a_large_drawing_is_the_same_but_larger() -> None:
    shown = drawing.Drawing.of(happy())
    (small, large) = (ET.fromstring(each.svg).attrib for each in (shown, shown.large()))
    assert float(large["width"]) >= 1.5 * float(small["width"])
    assert large["viewBox"] == small["viewBox"]
    assert shown.large().text == shown.text


def test_every_colour_has_another_for_the_dark_that_can_be_read_there() -> None:
    sheet = ET.fromstring(drawing.sequence_svg(happy())).findtext(f"{SVG}style") or ""
    assert sheet.startswith("@media (prefers-color-scheme:dark)")
    dark = dict(re.findall(r'\[fill="(#\w+)"\]\{fill:(#\w+)\}', sheet))
    for stroke in STROKES.values():
        assert contrast(dark[stroke.colour], dark[PAPER]) >= 4.5, stroke
        assert contrast(dark[ON_COLOUR], dark[stroke.colour]) >= 4.5, stroke
    assert contrast(dark[INK], dark[PAPER]) >= 7
    assert contrast(dark[MUTED], dark[PAPER]) >= 4.5


def test_no_two_kinds_of_line_look_alike_and_the_legend_names_those_that_are_there() -> None:
    kinds = [*dict.fromkeys(STROKES.values()), *HOLLOW.values()]
    assert len({(stroke.dash, stroke.colour) for stroke in kinds}) == len(kinds)
    dashes = [stroke.dash for stroke in dict.fromkeys(STROKES.values())]
    assert len(set(dashes)) == len(dashes)
    events = [event(CONSUME_ORDER_CREATED, 0), event(CONSUME_ORDER_CREATED, 5, "redelivered", attempt=2)]
    legend = [g.get("data-legend") for g in ET.fromstring(drawing.sequence_svg(events)).iter(f"{SVG}g")]
    assert [name for name in legend if name] == ["well", "again"]
    assert "data-legend" not in drawing.sequence_svg(happy()), "nothing to tell apart"


@pytest.mark.parametrize("compact", [False, True])
def test_no_word_lies_across_a_lane_s_line(compact: bool) -> None:
    """Words stand left of the lanes; where the drawing is narrow, on paper that interrupts the lines."""
    for group in groups(drawing.sequence_svg(happy(), compact=compact)):
        words = next(iter(group.iter(f"{SVG}text")))
        if compact:
            paper = group.find(f"{SVG}rect")
            assert paper is not None
            top = float(paper.attrib["y"])
            assert top < float(words.attrib["y"]) < top + float(paper.attrib["height"])
        else:
            right = float(words.attrib["x"]) + breadth(words.text or "", float(words.attrib["font-size"]))
            assert right < WIDE.x(Lane.USER) - 16


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
    image = ET.fromstring(shown["text/html"].partition("<style>")[0].replace('">', '"/>'))
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


def copied_by_the_relay() -> list[dict[str, object]]:
    """The API killed after 9, the first copy consumed and acked; then the relay publishes a second one."""
    relayed = {**event(PUBLISH_ORDER_CREATED, 2500), "data": {"by": "relay", "copies": ["b"]}}
    told = {"published_by": "relay", "copy": "b", "broker_delivery": 1}
    copy = {**event(CONSUME_ORDER_CREATED, 2510, "second_copy", attempt=2), "data": told}
    first = happy()
    return [*first[:8], relayed, *first[9:], copy, event(ACK_MESSAGE, 2520, attempt=2)]


def test_a_second_copy_is_no_redelivery_and_says_who_published_it() -> None:
    text = drawing.sequence_text(copied_by_the_relay(), times=False)
    assert "--- delivery 2: a second copy of the message ---" in text.splitlines()
    assert "[second copy · published by relay]" in text
    assert "redelivered" not in text


def test_what_the_relay_published_stands_behind_the_first_delivery_and_before_its_own() -> None:
    lines = drawing.sequence_text(copied_by_the_relay(), times=False).splitlines()
    (at,) = (n for n, line in enumerate(lines) if "by the relay" in line)
    assert "ACK message" in lines[at - 2]
    assert lines[at - 1] == "--- the relay publishes what the outbox still holds ---"
    assert lines[at + 1] == "--- delivery 2: a second copy of the message ---"
