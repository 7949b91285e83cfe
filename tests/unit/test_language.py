"""The one catalogue of texts: complete, compiled, true to its values; and who speaks which language when."""

from __future__ import annotations

import ast
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from babel.messages.mofile import read_mo

from orderlab import language
from orderlab.errors import BrokerAway, UnknownOrder
from orderlab.language import Said, _, gather, ngettext, using
from orderlab.verdicts.rules import Evidence
from orderlab.verdicts.verdict import Verdict

PACKAGE = Path(gather.__file__).parents[1]

VALUE = re.compile(r"\{(\w*)(?:![rsa])?(?::[^{}]*)?\}|%\((\w+)\)s")


def _id(message: Any) -> Any:
    return tuple(message.id) if isinstance(message.id, list | tuple) else message.id


def ids(catalog: Any) -> set[Any]:
    return {_id(message) for message in catalog if message.id}


def test_every_text_has_its_spanish_and_the_compiled_file_is_current() -> None:
    catalog = gather.spanish()
    assert ids(catalog) == ids(gather.gathered()), "run: python -m orderlab.language.gather"
    assert gather.untranslated(catalog) == []
    with gather.MO.open("rb") as file:
        compiled = {_id(message): tuple(message.string) for message in read_mo(file) if message.id}
    assert compiled == {_id(message): tuple(message.string) for message in catalog if message.id}


def test_a_translation_keeps_the_places_where_values_go() -> None:
    for message in gather.spanish():
        if message.id:
            english = message.id if isinstance(message.id, str) else message.id[1]
            spanish = message.string if isinstance(message.string, str) else message.string[1]
            assert sorted(VALUE.findall(english)) == sorted(VALUE.findall(spanish)), english


def test_every_error_tells_in_the_language_that_is_spoken_where_it_is_raised() -> None:
    with using("es"):
        error = UnknownOrder()
        assert str(error) == "No hay ningún pedido con este id."
    assert str(error) == "No hay ningún pedido con este id.", "it may be shown later, by somebody who knows no language"
    assert error._render_traceback_() == ["UnknownOrder: No hay ningún pedido con este id."]
    assert str(BrokerAway()).startswith("RabbitMQ can't be reached")


def test_a_verdict_keeps_to_the_language_it_was_given_in_and_its_findings_are_data() -> None:
    evidence = Evidence("ws-1", told=True)
    with using("es"):
        spanish = Verdict.of(evidence)
    english = Verdict.of(evidence)
    assert str(spanish) == ("ws-1 (no existe): perdido\n  perdido: el pedido: a alguien se le confirmó, y no existe")
    assert str(english).startswith("ws-1 (not there): lost\n  lost: the order: somebody was told of it")
    assert spanish == english, "the word and what was found are the same data"


def test_a_text_that_is_said_later_is_english_as_data_and_spanish_when_shown() -> None:
    said = Said("{what} is still in the outbox", what=Said("the notification of {audience}", audience="customer"))
    assert said == "the notification of customer is still in the outbox"
    with using("es"):
        assert _(said) == "el aviso a customer sigue en el outbox"


def test_numbers_choose_their_form() -> None:
    with using("es"):
        assert [ngettext("{n} message", "{n} messages", n) for n in (1, 2)] == ["1 mensaje", "2 mensajes"]


def test_two_threads_speak_two_languages_at_once() -> None:
    met, heard = threading.Barrier(2), dict[str, str]()

    def speak(wanted: str) -> None:
        with using(wanted):
            met.wait()
            heard[wanted] = _("the lab")

    threads = [threading.Thread(target=speak, args=(wanted,)) for wanted in ("en", "es")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {"en": "the lab", "es": "el laboratorio"}


@pytest.mark.parametrize(
    ("environment", "spoken"),
    [
        ({}, "en"),
        ({"LANG": "es_ES.UTF-8"}, "es"),
        ({"LANG": "es_MX.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "es_AR"}, "es"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "es_ES.UTF-8", "ORDERLAB_LANGUAGE": "en"}, "en"),
        ({"LC_ALL": "C", "ORDERLAB_LANGUAGE": "es"}, "es"),
        ({"LC_ALL": "", "LANG": "es_ES"}, "es"),
    ],
)
def test_a_terminal_says_its_language_by_its_environment(environment: dict[str, str], spoken: str) -> None:
    assert language.of_terminal(environment) == spoken


# Sentences that nobody reads but programs, developers and logs: statements, markup, names of files, the log.
_NOT_FOR_PEOPLE = re.compile(
    r"""<|SELECT|CREATE\ TABLE|^module\ '|offset\ points|center\ left|^bold|in\ hand$|-kernel|listeners\.|Inst\ |
    realm=|:\ still\ here|retry:|Bearer|^Note\ over|^note\ over|orderlab\ schema|orderlab\ run\ capsule
    |Markdown\ Preview
    |^(crash|rabbitmq|no-|[0-9])[a-z0-9c+\ -]*$
    |^(button|consumer)\ of|^it\ was\ released$|^payment\ tokens$|^sequenceDiagram|wait\ timeout\ expired""",
    re.VERBOSE,
)
_OF_DEVELOPERS = (
    "language/gather.py",  # its own words are for whoever translates
    "matrix/docs.py",
    "drawing/docs.py",
    "stack/checks.py",
    "services/openapi.py",  # contracts, read by programs
    "services/asyncapi.py",
    "services/__main__.py",  # programs that nobody starts by hand: their words are in logs
    "services/connections.py",
    "services/notifier.py",
    "services/posting.py",
    "services/worker.py",
    "services/web.py",
    "services/green.py",
    "portal/__main__.py",
    "portal/webhooks.py",
    "setup.py",
    "health.py",
    "simulation/theory.py",
    "order.py",  # what the payment tokens do, for the contract
    "faults/keeper.py",  # why a halt was released: a column of a table
    "stepping/course.py",
    "stepping/watch.py",
)


def unmarked(file: Path) -> list[str]:
    """Texts of several words in no call that marks them, and that are no docstrings."""
    tree = ast.parse(file.read_text("utf-8"))
    seen: set[int] = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            seen |= {id(s.value) for s in body if isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant)}
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ("_", "N_", "Said", "ngettext") or called.startswith(("log.", "logging.", "re.")):
                seen |= {id(each) for each in ast.walk(node)}
        if isinstance(node, ast.keyword) and node.arg in ("help", "metavar"):
            seen.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            seen |= {id(value) for value in node.values if isinstance(value, ast.Constant)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and id(node) not in seen:
            text = "".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in seen:
            text = node.value
        else:
            continue
        if re.search(r"[a-z]{2,} [a-z]{2,}|^[A-Z][a-z]+ [a-z]", text) and not _NOT_FOR_PEOPLE.search(text):
            found.append(f"{file.relative_to(PACKAGE)}:{node.lineno}: {text}")
    return found


def test_a_text_that_a_person_reads_is_marked_for_translation() -> None:
    files = [f for f in sorted(PACKAGE.rglob("*.py")) if f.relative_to(PACKAGE).as_posix() not in _OF_DEVELOPERS]
    assert [text for file in files for text in unmarked(file)] == []
