"""Finding the running lab from a notebook, and saying so when there is none."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from orderlab import Lab
from orderlab.access import attach
from orderlab.access.attach import NoLab
from orderlab.errors import LabError


class _Alive(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health/live" else 404)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture
def api_url() -> Iterator[str]:
    """Something that answers as a live API does."""
    server = HTTPServer(("127.0.0.1", 0), _Alive)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No lab in the environment, none above this folder, none in the project's."""
    for name in ("ORDERLAB_HOME", "ORDERLAB_API_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(attach, "default_home", lambda: tmp_path / "nothing")


def a_home(folder: Path, api_url: str) -> Path:
    folder.mkdir(exist_ok=True)
    state = {
        "api_url": api_url,
        "portal_url": "http://127.0.0.1:2",
        "amqp_url": "amqp://lab:amqp-password@127.0.0.1:3//",
        "database_url": "postgresql://owner:database-password@127.0.0.1:4/orderlab",
    }
    (folder / "lab.json").write_text(json.dumps(state))
    return folder


def test_without_a_lab_one_line_says_how_to_get_one() -> None:
    with pytest.raises(NoLab, match=r"\./lab up") as caught:
        Lab()
    assert caught.value._render_traceback_() == [f"NoLab: {caught.value}"]
    assert "\n" not in str(caught.value)


def test_a_lab_that_does_not_answer_is_no_lab(tmp_path: Path, api_url: str) -> None:
    gone = api_url.rpartition(":")[0] + ":1"
    with pytest.raises(NoLab, match=r"does not answer at .*\./lab up"):
        Lab(a_home(tmp_path / "lab", gone))


def test_the_home_that_is_given_is_taken(tmp_path: Path, api_url: str) -> None:
    assert Lab(a_home(tmp_path / "lab", api_url)).api_url == api_url


def test_orderlab_home_is_taken_before_what_lies_above(
    tmp_path: Path, api_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_home(tmp_path / ".orderlab", "http://127.0.0.1:1")
    home = a_home(tmp_path / "lab", api_url)
    monkeypatch.setattr(attach, "default_home", lambda: home)  # what it says with ORDERLAB_HOME set
    monkeypatch.setenv("ORDERLAB_HOME", str(home))
    assert Lab().api_url == api_url


def test_a_lab_is_found_from_here_upward(tmp_path: Path, api_url: str) -> None:
    a_home(tmp_path / ".orderlab", api_url)
    assert Lab().api_url == api_url


def test_a_lab_in_containers_is_found_by_its_address(api_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERLAB_API_URL", api_url)
    assert Lab().api_url == api_url


def test_a_lab_in_containers_is_not_emptied_from_a_notebook(api_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERLAB_API_URL", api_url)
    with pytest.raises(LabError, match="can't be emptied"):
        Lab().reset()


def test_resetting_empties_the_lab_that_it_is_attached_to(
    tmp_path: Path, api_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    emptied: list[Path] = []
    monkeypatch.setattr("orderlab.stack.reset", emptied.append)
    home = a_home(tmp_path / "lab", api_url)
    with pytest.raises(LabError, match="everything=True"):
        Lab(home).reset()
    assert emptied == []
    Lab(home).reset(everything=True)
    assert emptied == [home]


def test_a_lab_shows_no_secret(tmp_path: Path, api_url: str) -> None:
    lab = Lab(a_home(tmp_path / "lab", api_url))
    secret = json.loads((tmp_path / "lab/secrets.json").read_text())["jwt"]
    shown = f"{lab!r} {lab} {lab._lab!r} {vars(lab)}"
    assert [word for word in (secret, "amqp-password", "database-password") if word in shown] == []


def test_a_kernel_gets_neither_the_services_side_nor_what_it_does_not_use_yet() -> None:
    code = (
        "import sys; from orderlab import Lab; Lab;"
        "print(sorted({'eventlet', 'nameko', 'pandas', 'matplotlib'} & {m.split('.')[0] for m in sys.modules}))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
