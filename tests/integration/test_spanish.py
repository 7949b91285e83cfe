"""A lab that speaks Spanish, on the real servers: what a person reads in it holds no English."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from html import unescape

import httpx
import psycopg
import pytest

from orderlab import Lab, crash, language
from orderlab.drawing.grid import Grid
from orderlab.errors import OrderlabError
from orderlab.verdicts.predictions import KINDS
from tests.support import RunningLab

# Words that only English has. "before", "after", "crash" and the like are arguments; they stand in quotes.
ENGLISH = re.compile(
    r"\b(the|and|is|are|was|were|it|its|of|this|that|there|what|which|who|with|without|from|to|by|at|on|not|or|be|"
    r"have|had|been|goes|comes|came|takes|nothing|nobody|order|message|messages|queue|before|"
    r"after|again|delivery|again|missing|later|now|charged|lost|stuck|correct|duplicated|given|must|number|step|steps|"
    r"whole|none|show|send|stop|list|only|for|each|them|usage|options|commands|exit)\b",
    re.IGNORECASE,
)
# What stays as it is in every language: what stands in quotes, commands, addresses, names of code and of lanes.
NAMES = re.compile(
    r"""'[^']*'|"[^"]*"|`[^`]*`|\./lab(?:\ [a-z]+)?(?:\ (?:list|show|resend))?|--[\w-]+|https?://\S+|/[\w./-]+
    |\w[\w-]*[_.(](?=\S)[\w.()…,='"*-]*|\w+(?:-\w+)+|\w+=\S+|[A-Z]{2,}|Order[A-Z]\w+|201\ Created
    |Orders\ API|Demo\ Portal""",
    re.VERBOSE,
)


def english(text: str) -> list[str]:
    """The lines with words that only English has."""
    plain = unescape(re.sub(r"<[^>]+>", " ", text))
    return [line for line in plain.splitlines() if ENGLISH.search(NAMES.sub(" ", line))]


@pytest.fixture
def spanish(lab: RunningLab) -> Iterator[Lab]:
    yield Lab(lab.home, language="es")
    language.default("en")


def test_the_words_that_only_english_has_are_found() -> None:
    assert english("There is no order 'ws-1'.") == ["There is no order 'ws-1'."]
    assert english("No hay ningún pedido 'the-order'. Mira ./lab status.") == []


def test_what_an_order_says_and_draws_is_spanish(spanish: Lab) -> None:
    order = spanish.create_order(items={"MOUSE": 2}).wait()
    for shown in (
        str(order),
        order.sequence().text,
        re.sub(r"data:[^\"]*", "", str(order.sequence()._repr_mimebundle_())),
        str(order.timeline()),
        str(order.verdict()),
        str(spanish.diagram()),
        str(spanish.login()).replace("orders-api", ""),
        str(spanish.faults),
    ):
        assert english(shown) == []


def test_a_comparison_of_what_broke_is_spanish(spanish: Lab) -> None:
    beside = spanish.compare(crash(15, "after"))
    assert "cobrado dos veces" in beside.text
    assert english(beside.text) == []
    assert beside.results["as-drawn"]["charges"] == "charged twice", "results are data, the same in every language"
    lost = spanish.create_order(design="as-drawn")
    assert english(str(spanish.verdict(lost))) == []


def test_what_is_lost_and_what_is_stuck_is_told_in_spanish(spanish: Lab) -> None:
    spanish.faults.drop(9, order_id="es-*")
    order = spanish.create_order(spanish.new_id("es"), design="as-drawn")
    verdict = str(spanish.verdict(order, patience=3))
    spanish.faults.clear()
    assert "perdido: OrderCreated" in verdict
    assert english(verdict) == []


def test_every_moment_of_an_order_that_is_stepped_through_is_spanish(spanish: Lab) -> None:
    run = spanish.step_through(design="as-drawn")
    for _arrow in range(6):
        assert english(str(run.next())) == []
    assert english(repr(run)) == []
    moment = run.finish()
    assert english(str(moment)) == []
    for seen in run.moments:
        assert english(str(seen)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_grid_is_spanish(kind: str) -> None:
    with language.using("es"):
        grid = Grid.expected(kind)
    assert english(grid.text) == []
    assert "previsto" in grid.text


CALLS: list[Callable[[Lab], object]] = [
    lambda lab: lab.order("none-such"),
    lambda lab: lab.create_order(items={"NOTHING": 1}),
    lambda lab: lab.create_order(items={"KEYBOARD": 0}),
    lambda lab: lab.create_order(payment_token="tok_no"),
    lambda lab: lab.create_order(order_id="not an id"),
    lambda lab: lab.verdict("none-such"),
    lambda lab: lab.table("nothing"),
    lambda lab: lab.tap("nothing"),
    lambda lab: lab.wait("none-such"),
    lambda lab: lab.step_through(design="as_drawn"),
    lambda lab: lab.matrix(),
    lambda lab: lab.reset(),
    lambda lab: lab.faults.crash(99),
    lambda lab: lab.faults.drop(6),
    lambda lab: lab.processes.kill("nobody"),
    lambda lab: lab.processes.kill("jupyter"),
    lambda lab: lab.help("nothing"),
    lambda lab: lab.create_order(itms=1),  # type: ignore[call-arg]
    lambda lab: lab.order(),  # type: ignore[call-arg]
    lambda lab: lab.order(7),
]


@pytest.mark.parametrize("call", CALLS)
def test_every_error_is_spanish(spanish: Lab, call: Callable[[Lab], object]) -> None:
    with pytest.raises(OrderlabError) as raised:
        call(spanish)
    (line,) = raised.value._render_traceback_()
    said = line.partition(": ")[2].partition(" Hay: ")[0]  # what there is, are names
    said = said.replace("missing a required argument", "")  # Python's own words
    assert english(said) == []


def test_two_labs_speak_two_languages_in_one_notebook(lab: RunningLab, spanish: Lab) -> None:
    other = Lab(lab.home, language="en")  # the latest one: what no lab says is English now
    order = spanish.create_order()
    assert "Comprobar inventario" in spanish.wait(order).sequence().text
    assert "Check inventory" in other.wait(order).sequence().text
    assert str(order).startswith("pedido ")
    assert str(other.order(order)).startswith("order ")
    assert str(spanish.verdict(order)).endswith(": correcto")
    assert str(other.verdict(order)).endswith(": correct")
    names = [set(each.catalogue()["name"]) for each in (spanish, other)]
    assert "Ratón inalámbrico" in names[0]
    assert "Wireless mouse" in names[1]


@pytest.mark.parametrize(
    ("wish", "spoken", "detail"),
    [
        ("es-MX,en;q=0.5", "es", "No hay ningún pedido con este id."),
        ("en", "en", "There is no order with this id."),
        ("de", "en", "There is no order with this id."),
        (None, "en", "There is no order with this id."),
    ],
)
def test_a_problem_is_told_in_the_language_that_is_asked_for(
    lab: RunningLab, wish: str | None, spoken: str, detail: str
) -> None:
    headers = {**lab.bearer, **({"Accept-Language": wish} if wish else {})}
    answer = httpx.get(f"{lab.api_url}/orders/none-such", headers=headers)
    assert answer.json()["detail"] == detail
    assert answer.json()["title"] == {"es": "No encontrado", "en": "Not Found"}[spoken]
    assert answer.headers["Content-Language"] == spoken
    assert "Accept-Language" in answer.headers["Vary"]
    nowhere = httpx.get(f"{lab.api_url}/nowhere", headers=headers)
    assert nowhere.headers["Content-Language"] == spoken
    wrong = httpx.post(f"{lab.api_url}/orders", json={"order_id": ""}, headers=headers)
    problems = "\n".join(each["problem"] for each in wrong.json()["errors"])
    assert bool(english(problems)) == (spoken == "en")


def test_what_is_stored_is_the_same_whoever_asked(lab: RunningLab, spanish: Lab) -> None:
    order = spanish.create_order(payment_token="tok_declined").wait()
    with psycopg.connect(lab.database_url) as connection:
        asked = "SELECT outcome, data::text FROM order_events WHERE order_id = %s"
        rows = connection.execute(asked, (order.order_id,)).fetchall()
    assert {outcome for outcome, _data in rows} >= {"ok", "declined", "rejected"}
    assert not any(re.search("rechazad|pedido", data) for _outcome, data in rows)


def in_terminal(lab: RunningLab, *words: str, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name not in ("ORDERLAB_LANGUAGE", "LC_ALL")}
    command = [sys.executable, "-P", "-m", "orderlab.cli", *words]
    ended = subprocess.run(
        command,
        env=kept | {"ORDERLAB_HOME": str(lab.home)} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return ended.stdout + ended.stderr


COMMANDS = ["up", "down", "status", "logs", "reset", "demo", "scale", "notebooks", "matrix", "dead"]


def test_the_command_speaks_the_terminals_language(lab: RunningLab) -> None:
    assert "Usage:" in in_terminal(lab, "--help", LANG="en_US.UTF-8")
    for words in (["--help"], *([name, "--help"] for name in COMMANDS), ["dead", "resend", "--help"]):
        said = in_terminal(lab, *words, LANG="es_ES.UTF-8")
        assert "Uso:" in said
        assert english(re.sub(r"^  [a-z]+ ", "", said, flags=re.MULTILINE)) == [], words
    for words in (
        ["status"],
        ["dead"],
        ["dead", "show", "x"],
        ["scale", "worker"],
        ["nothing"],
        ["demo"],
        ["logs", "x"],
    ):
        said = in_terminal(lab, *words, ORDERLAB_LANGUAGE="es")
        assert english(said) == [], words


def test_the_portals_pages_are_spanish(lab: RunningLab) -> None:
    order_id = lab.place()
    with httpx.Client(base_url=lab.portal_url) as browser:
        for path in ("/", "/inbox", f"/orders/{order_id}", "/orders/none-such", "/nowhere"):
            page = browser.get(path, params={"lang": "es"}).text
            page = re.sub(r"(?s)<(script|style).*?</\1>|<option value=\"en\".*?</option>|English|data:\S+", "", page)
            assert english(page) == [], path
