"""`./lab` as a person uses it: a lab of its own, brought up, looked at, broken and brought down."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from orderlab import stack
from orderlab.sequence import STEPS
from orderlab.stack import ports, readiness, strays
from orderlab.stack.programs import MARK

PATIENCE = 60.0


class Command:
    """The `orderlab` command on one lab."""

    def __init__(self, home: Path) -> None:
        self.home = home
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ORDERLAB_")}
        run = {name: os.environ[name] for name in ("ORDERLAB_TEST_RUN",) if name in os.environ}
        self.environment = kept | run | {"ORDERLAB_HOME": str(home), "ORDERLAB_LANGUAGE": "en"}

    def start(self, *words: str, **more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", "-m", "orderlab.cli", *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=self.environment | more, stdout=pipe, stderr=pipe, text=True)

    def __call__(self, *words: str, status: int = 0, **more: str) -> str:
        """What it says, stderr last; its exit status must be `status`."""
        running = self.start(*words, **more)
        out, err = running.communicate(timeout=180)
        assert running.returncode == status, out + err
        return out + err

    def json(self, *words: str, status: int = 0) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self(*words, "--json", status=status))
        return told

    def processes(self) -> list[psutil.Process]:
        """Everything of this lab that runs."""
        return strays.find(MARK, str(self.home))

    def command_lines(self) -> list[str]:
        """How everything of this lab was started."""
        return [" ".join(line) for line in self.each(lambda process: process.cmdline())]

    def listening(self) -> set[str]:
        """The addresses at which anything of this lab waits for connections."""
        sockets = self.each(lambda process: process.net_connections("tcp"))
        return {one.laddr.ip for mine in sockets for one in mine if one.status == psutil.CONN_LISTEN}

    def each(self, look: Callable[[psutil.Process], Any]) -> list[Any]:
        """What each of its processes shows; one that ends while it is looked at shows nothing."""
        shown = []
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                shown.append(look(process))
        return shown

    def pids(self) -> dict[str, list[int]]:
        return {name: service["pids"] for name, service in self.json("status")["services"].items()}


def until(true: Callable[[], Any], what: str) -> Any:
    """What `true` gives, as soon as it gives something."""
    end = time.monotonic() + PATIENCE
    while not (found := true()):
        assert time.monotonic() < end, f"{what} did not happen in {PATIENCE:g} s"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """A lab that is up, JupyterLab too, in a folder whose path has a space and is long."""
    home = tmp_path_factory.mktemp("a lab") / ("long " * 30).strip()
    command = Command(home)
    try:
        said = command("up")
        assert_nineteen_steps(said)
        yield command
    finally:
        stack.down(home)
    assert command.processes() == []


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Command]:
    """A second lab, down."""
    command = Command(tmp_path / "other")
    try:
        yield command
    finally:
        stack.down(command.home)


def assert_nineteen_steps(drawing: str) -> None:
    first = [line.split()[0] for line in drawing.splitlines() if line.strip()]
    numbers = [word for word in first if word.isdecimal()]
    assert numbers == [str(step.number) for step in STEPS]


def test_a_second_up_changes_nothing_that_runs(lab: Command) -> None:
    before = lab.pids()
    said = lab("up")
    assert lab.pids() == before
    assert lab.json("status")["portal_url"] in said
    assert "One order" not in said


def test_rabbitmq_s_own_page_lets_in_whoever_reads_the_file_that_is_named_and_the_password_is_not_printed(
    lab: Command,
) -> None:
    said = lab("status")
    url = lab.json("status")["management_url"]
    password = json.loads((lab.home / "secrets.json").read_text())["rabbitmq"]
    assert f"RabbitMQ    {url}\n" in said
    assert f'user orderlab, password: "rabbitmq" in {lab.home / "secrets.json"}' in said
    assert password not in said
    told = httpx.get(f"{url}/api/queues", auth=("orderlab", password)).raise_for_status().json()
    assert {queue["name"] for queue in told} >= {"orders.created.worker", "orders.dead"}
    assert httpx.get(f"{url}/api/queues", auth=("orderlab", "guess")).status_code == 401


def test_status_tells_every_address_and_each_answers(lab: Command) -> None:
    told = lab.json("status")
    assert set(told) == {
        "ready",
        "api_url",
        "portal_url",
        "management_url",
        "jupyter_url",
        "amqp_url",
        "database_url",
        "services",
    }
    assert told["ready"] is True
    assert httpx.get(f"{told['api_url']}/health/ready").is_success
    assert httpx.get(told["portal_url"], follow_redirects=True).is_success
    with psycopg.connect(told["database_url"]) as owner:
        row = owner.execute("SELECT pg_get_userbyid(relowner) = current_user FROM pg_class WHERE relname = 'orders'")
        assert row.fetchone() == (True,)
    for name in ("postgresql", "rabbitmq", "orders-api", "worker", "notifier", "relay", "portal", "jupyter"):
        service = told["services"][name]
        assert service["state"] == "RUNNING"
        assert all(psutil.pid_exists(pid) for pid in service["pids"])


def test_jupyterlab_opens_with_its_token_and_not_without(lab: Command) -> None:
    url = httpx.URL(lab.json("status")["jupyter_url"])
    contents = url.copy_with(path="/api/contents/en")
    assert httpx.get(contents).is_success
    assert httpx.get(contents.copy_with(query=None)).status_code == 403
    assert httpx.get(url, follow_redirects=True).is_success
    assert httpx.get(url.copy_with(path="/api/contents/no/such/file")).status_code == 404  # which it logs


def test_demo_sends_an_order_through_the_nineteen_steps(lab: Command) -> None:
    assert_nineteen_steps(lab("demo"))
    told = lab.json("demo")
    assert told["order"]["status"] == "CONFIRMED"
    steps = [event for event in told["events"] if not event["part"]]
    assert [event["step"] for event in steps] == [step.number for step in STEPS]
    for event in told["events"]:
        assert {"step", "name", "outcome", "lane", "attempt", "started_at", "ended_at"} <= set(event)


def test_everything_listens_on_this_machine_alone(lab: Command) -> None:
    addresses = lab.listening()
    assert addresses <= {"127.0.0.1", "::1"}
    assert "127.0.0.1" in addresses


def test_no_secret_is_in_a_log_or_on_a_command_line(lab: Command) -> None:
    secrets = stack.Home(lab.home).secrets().values()
    logs = [file.read_text(errors="replace") for file in stack.Home(lab.home).logs.iterdir()]
    lines = lab.command_lines()
    assert sum(map(len, logs)) > 0
    assert [secret for secret in secrets for text in (*logs, *lines) if secret in text] == []


def test_nobody_else_can_read_the_labs_folder(lab: Command) -> None:
    assert lab.home.stat().st_mode & 0o077 == 0


def test_logs_shows_one_programs_words(lab: Command) -> None:
    assert "starting services: worker" in lab("logs", "worker")
    said = lab("logs", "nobody", status=1)
    assert said.startswith("lab: There is no log of nobody yet.")


@pytest.mark.parametrize(
    "program", ["postgresql", "rabbitmq", "orders-api", "worker", "notifier", "relay", "portal", "jupyter"]
)
def test_what_is_killed_comes_back_by_itself(lab: Command, program: str) -> None:
    [before] = stack.kill(lab.home, program)
    stack.start(lab.home, program)
    [after] = stack.pids(lab.home, program)
    assert after != before
    assert lab.json("demo")["order"]["status"] == "CONFIRMED"


def test_a_program_that_was_stopped_stays_away_until_up_brings_it_back(lab: Command) -> None:
    before = lab.pids()
    stack.stop(lab.home, "relay")
    told = lab.json("status", status=1)
    assert told["ready"] is False
    assert told["services"]["relay"] == {"pids": [], "state": "STOPPED"}
    lab("up")
    after = lab.pids()
    assert after.pop("relay") != before.pop("relay")
    assert after == before


def test_a_service_is_scaled_up_and_down(lab: Command) -> None:
    [first] = lab.pids()["worker"]
    lab("scale", "worker=3")
    assert len(lab.pids()["worker"]) == 3
    lab("scale", "worker=1")
    assert lab.pids()["worker"] == [first]
    assert "worker, notifier, relay can be scaled" in lab("scale", "portal=2", status=1)
    assert "Choose from 1 to" in lab("scale", "worker=99", status=1)
    assert "./lab scale worker=3" in lab("scale", "worker", status=2)


def test_several_services_are_scaled_at_once_the_one_with_a_port_too(lab: Command) -> None:
    lab("scale", "orders-api=2", "relay=2")
    try:
        pids = lab.pids()
        assert [len(pids[name]) for name in ("orders-api", "relay")] == [2, 2]
        port = stack.attached(lab.home).ports["orders-api"]
        assert all(ports.listens(pid, port) for pid in pids["orders-api"])
        assert lab.json("demo")["order"]["status"] == "CONFIRMED"
    finally:
        lab("scale", "orders-api=1", "relay=1")


@pytest.mark.parametrize("program", ["relay", "orders-api", "rabbitmq"])
def test_a_frozen_program_is_shown_as_frozen_and_up_thaws_it(lab: Command, program: str) -> None:
    before = lab.pids()
    stack.send(lab.home, program, signal.SIGSTOP)
    told = lab.json("status", status=1)
    assert told["services"][program] == {"pids": before[program], "state": "FROZEN"}
    assert "SIGSTOP" in lab("status", status=1)
    lab("up")
    assert lab.pids() == before
    assert lab.json("status")["ready"] is True


def test_another_labs_answer_is_not_taken_for_ones_own(lab: Command) -> None:
    mine = stack.attached(lab.home)
    named = ["orders-api", "portal", "jupyter"]
    assert readiness.failing(mine, named) == {}
    other = replace(mine, lab="another", jupyter_url=str(httpx.URL(mine.jupyter_url or "").copy_with(query=b"token=x")))
    assert set(readiness.failing(other, named)) == set(named)
    elsewhere = replace(mine, ports=mine.ports | {"orders-api": mine.ports["portal"]})
    assert "does not listen" in readiness.failing(elsewhere, ["orders-api"])["orders-api"]


@pytest.mark.parametrize("program", ["rabbitmq", "postgresql"])
def test_what_needs_a_server_that_is_stopped_says_so_in_one_line(lab: Command, program: str) -> None:
    stack.stop(lab.home, program)
    try:
        commands = [("reset",), *([("dead",), ("dead", "resend", "--all")] if program == "rabbitmq" else [])]
        for words in commands:
            said = lab(*words, status=1)
            assert said.startswith("lab: ")
            assert "./lab up" in said
            assert len(said.splitlines()) == 1
        assert lab.json("status", status=1)["services"]["worker"]["state"] == (
            "NOT READY" if program == "rabbitmq" else "RUNNING"
        )
    finally:
        lab("up")


def test_down_can_spare_jupyterlab_and_up_finds_it(lab: Command) -> None:
    [notebooks] = lab.pids()["jupyter"]
    assert "goes on with its kernels" in lab("down", "--keep-jupyter")
    told = lab.json("status", status=1)
    assert told["services"]["jupyter"] == {"pids": [notebooks], "state": "RUNNING"}
    assert told["services"]["postgresql"] == {"pids": [], "state": "STOPPED"}
    assert not [line for line in lab.command_lines() if "epmd" in line]
    assert "API" not in lab("status", status=1)
    assert_nineteen_steps(lab("up"))
    assert lab.pids()["jupyter"] == [notebooks]
    assert lab.json("status")["ready"] is True


def test_notebooks_are_worked_on_in_a_folder_of_their_own_that_says_where_this_lab_is(lab: Command) -> None:
    told = lab.json("status")
    page = (lab.home / "work/START.md").read_text()
    assert f"<{told['portal_url']}>" in page
    assert f"<{told['management_url']}>" in page
    assert "(en/01_one_order.ipynb)" in page
    assert httpx.URL(told["jupyter_url"]).path == "/lab/tree/START.md"
    (lab.home / "work/en/01_one_order.ipynb").write_text("mine")
    assert "Left as you have changed them: en/01_one_order.ipynb." in lab("notebooks")
    assert "Left" not in lab("notebooks", "--fresh")


def test_reset_empties_and_restocks(lab: Command) -> None:
    told = lab.json("demo")
    lab("reset")
    status = lab.json("status")
    with psycopg.connect(status["database_url"]) as owner:
        row = owner.execute("SELECT (SELECT count(*) FROM orders), (SELECT sum(reserved) FROM products)").fetchone()
    assert row == (0, 0)
    portal = httpx.get(f"{status['portal_url']}/inbox", follow_redirects=True)
    assert portal.is_success
    assert told["order"]["order_id"] not in portal.text


def test_dead_messages_are_listed_and_unknown_ones_refused(lab: Command) -> None:
    assert "No dead messages." in lab("dead")
    assert lab("dead", "show", "nothing", status=1).startswith("lab: There is no dead message nothing.")
    assert lab("dead", "resend", "nothing", status=1).startswith("lab: There is no dead message nothing")
    assert "say --all" in lab("dead", "resend", status=2)


def test_servers_that_exist_are_used_each_on_its_own(lab: Command, other: Command) -> None:
    told = lab.json("status")
    with psycopg.connect(told["database_url"], autocommit=True) as owner:
        owner.execute("CREATE DATABASE elsewhere")
    elsewhere = psycopg.conninfo.make_conninfo(told["database_url"], dbname="elsewhere")
    parts = psycopg.conninfo.conninfo_to_dict(elsewhere)
    url = "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(**parts)
    try:
        said = other("up", "--no-jupyter", ORDERLAB_DATABASE_URL=url)
        assert_nineteen_steps(said)
        mine = other.json("status")
        assert mine["database_url"] == url
        assert mine["jupyter_url"] is None
        assert "postgresql" not in mine["services"]
        assert "rabbitmq" in mine["services"]
        assert other.json("demo")["order"]["order_id"].startswith("ws-")
        other("down")
    finally:
        with psycopg.connect(told["database_url"], autocommit=True) as owner:
            owner.execute("DROP DATABASE elsewhere WITH (FORCE)")


def test_a_server_that_does_not_answer_is_named_and_nothing_is_left(other: Command) -> None:
    nowhere = "postgresql://nobody:nothing@127.0.0.1:9/orderlab"
    said = other("up", "--no-jupyter", status=1, ORDERLAB_DATABASE_URL=nowhere, ORDERLAB_AMQP_URL="amqp://127.0.0.1:9")
    assert said.splitlines()[-1].startswith("lab: ")
    assert "does not answer" in said
    assert "nothing@" not in said
    assert other.processes() == []


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_up_leaves_nothing_running(other: Command, which: signal.Signals) -> None:
    running = other.start("up", "--no-jupyter")
    until(lambda: any("supervisor.supervisord" in line for line in other.command_lines()), "the supervisor's start")
    running.send_signal(which)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert err == "lab: interrupted.\n"
    assert other.processes() == []


def test_after_an_up_that_was_killed_the_next_one_repairs_and_down_takes_all(other: Command) -> None:
    running = other.start("up", "--no-jupyter")
    until(lambda: any("beam" in line for line in other.command_lines()), "RabbitMQ's start")
    running.kill()
    running.communicate()
    assert_nineteen_steps(other("demo", status=0) if other("up", "--no-jupyter") else "")
    other("down")
    assert other.processes() == []


def test_nothing_outlives_a_supervisor_that_was_killed_and_a_port_taken_meanwhile_is_told(other: Command) -> None:
    other("up", "--no-jupyter")
    state = stack.attached(other.home)
    os.kill(state.supervisor_pid, signal.SIGKILL)
    assert "The lab is not up" in other("status", status=1)
    other("down")
    assert other.processes() == []
    port = state.ports["portal"]
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        said = other("up", "--no-jupyter")
    now = stack.attached(other.home).ports["portal"]
    assert f"Port {port} is taken by another program: portal is at {now} now." in said
    assert now != port


def test_commands_say_when_the_lab_is_not_up(other: Command) -> None:
    assert "The lab is not up. Start it: ./lab up" in other("status", status=1)
    assert other.json("status", status=1)["ready"] is False
    for words in (("demo",), ("reset",), ("dead",), ("scale", "worker=2")):
        assert other(*words, status=1) == "lab: The lab is not up. Run ./lab up.\n"
    assert "The lab was not up." in other("down")


def test_up_in_containers_says_in_one_line_where_there_is_no_engine(other: Command) -> None:
    said = other("up", "--docker", status=1, DOCKER_HOST="tcp://127.0.0.1:9")
    assert said.startswith("lab: ")
    assert "Docker" in said
    assert len(said.splitlines()) == 1


def test_an_interrupted_test_run_leaves_nothing_running(other: Command, tmp_path: Path) -> None:
    (tmp_path / "test_endless.py").write_text(
        "import os, signal\n"
        "from pathlib import Path\n"
        "from orderlab import stack\n"
        "def test_endless():\n"
        "    stack.up(Path(os.environ['ORDERLAB_TEST_HOME']), jupyter=False)\n"
        f"    Path({str(tmp_path / 'is up')!r}).touch()\n"
        "    signal.pause()\n"
    )
    running = other.start("test", str(tmp_path / "test_endless.py"), ORDERLAB_TEST_HOME=str(other.home))
    until((tmp_path / "is up").exists, "the run's own lab")
    running.terminate()
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, out + err
    assert "1 passed" not in out
    assert other.processes() == []
