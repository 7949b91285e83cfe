"""Drawings for Mermaid and PlantUML: a strict reading of their lines. The real parsers took the same texts by hand."""

from __future__ import annotations

import re

import pytest

from orderlab.drawing.drawing import Drawing
from orderlab.sequence import CONSUME_ORDER_CREATED, POST_ORDER, STEPS, Lane
from tests.sample_events import event, happy

TRICKY = 'a;b #1 <b>bold</b> 50% & "x" \\n **x** __y__ --z-- //w// [[link]] $v ~'

_NAME = "(?:user|portal|orders_api|rabbitmq|worker|postgresql)"
_PLAIN = r"(?:[^#;<>&%\\\n]|#\d+;)+"  # nothing that has a meaning of its own
MERMAID = re.compile(
    rf"title {_PLAIN}|participant {_NAME} as {_PLAIN}|{_NAME}(?:->>|-->>|-x){_NAME}: {_PLAIN}"
    rf"|Note over user,postgresql: {_PLAIN}"
)
_CREOLE = (
    r"(?![*#])(?:[^~<>\[\]\\$%&'=|\n*/_\"-]|<U\+[0-9A-F]{4}>|\*(?!\*)|/(?!/)|_(?!_)|\"(?!\")|-(?!-))+"  # nothing twice
)
PLANTUML = re.compile(
    rf'title {_CREOLE}|participant "[^"]+" as {_NAME}|{_NAME} (?:->|-->|->x) {_NAME} : {_CREOLE}'
    rf"|== {_CREOLE} ==|note over user, postgresql : {_CREOLE}"
)


def drawings() -> list[Drawing]:
    odd = [
        *happy()[:9],
        event(POST_ORDER, 300, "failed", trace="b"),
        event(CONSUME_ORDER_CREATED, 400, "redelivered", attempt=2),
    ]
    return [
        Drawing.of(happy(), title="ws-1 · CONFIRMED"),
        *(Drawing.of(odd, title=TRICKY, language=language, lit=-1, missing=[10, "15c"]) for language in ("en", "es")),
        Drawing.expected(),
        Drawing.of([]),
    ]


@pytest.mark.parametrize("drawing", drawings())
def test_every_line_for_mermaid_is_one_that_it_knows(drawing: Drawing) -> None:
    first, *lines = drawing.mermaid().splitlines()
    assert first == "sequenceDiagram"
    assert [line for line in lines if not MERMAID.fullmatch(line.strip())] == []


@pytest.mark.parametrize("drawing", drawings())
def test_every_line_for_plantuml_is_one_that_it_knows(drawing: Drawing) -> None:
    first, *lines, last = drawing.plantuml().splitlines()
    assert (first, last) == ("@startuml", "@enduml")
    assert [line for line in lines if not PLANTUML.fullmatch(line)] == []


def test_the_exported_drawing_has_each_arrow_of_the_text_between_the_same_lanes() -> None:
    drawing = Drawing.of(happy())
    arrows = [(step.source.replace("-", "_"), step.target.replace("-", "_"), step.label) for step in STEPS]
    assert re.findall(r"(\w+)->>(\w+): (\w+) ", drawing.mermaid()) == arrows
    assert re.findall(r"(\w+) -> (\w+) : (\w+) ", drawing.plantuml()) == arrows
    assert drawing.mermaid().count("participant") == drawing.plantuml().count("participant") == len(Lane)


def test_a_ghost_is_dashed_a_failure_crossed_and_a_second_delivery_has_a_line_of_its_own() -> None:
    drawing = drawings()[1]
    assert "orders_api-->>portal: 10 201 Created ◀ missing" in drawing.mermaid()
    assert "portal-xorders_api: 4 POST /orders (Bearer token) [failed]" in drawing.mermaid()
    assert "Note over user,postgresql: delivery 2" in drawing.mermaid()
    assert "rabbitmq->>worker: 12 Consume message [redelivered] ◀ now" in drawing.mermaid()
    assert "orders_api --> portal : 10 201 Created ◀ missing" in drawing.plantuml()
    assert "portal ->x orders_api : 4 POST /orders (Bearer token) <U+005B>failed<U+005D>" in drawing.plantuml()
    assert "== delivery 2 ==" in drawing.plantuml()
