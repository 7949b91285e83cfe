"""The commands of docker-compose.yml, run with the environment it gives them, on real servers; only the engine lacks.

Names and ports of containers become addresses here, and the database is one of its own in the lab's server.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import conninfo, sql

from orderlab.setup import passwords
from orderlab.stack import docker
from tests import compose
from tests.support import PATIENCE, RunningLab

DATABASE = "containers"
SERVERS = ("postgresql", "rabbitmq")
CONSUMERS = ("worker", "notifier")  # of the lab: they would take the containers' messages, for the queues are shared


@dataclass
class Containers:
    """The compose file's services with addresses that hold here, and the folder they run in."""

    services: Mapping[str, dict[str, Any]]
    folder: Path

    def start(self, name: str, command: list[str] | None = None, **options: Any) -> subprocess.Popen[str]:
        """Start a command with exactly the environment that its service is given."""
        words = command or self.services[name]["command"]
        kept = {known: os.environ[known] for known in ("PATH", "LANG", "PYTHONPATH") if known in os.environ}
        kept["HOME"] = str(self.folder)
        environment = kept | {variable: str(value) for variable, value in self.services[name]["environment"].items()}
        words = [sys.executable if word == "python" else word for word in words]
        return subprocess.Popen(words, cwd=self.folder, env=environment, text=True, **options)

    def run(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, in a service's environment."""
        started = self.start(name, list(command) or None, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = started.communicate(timeout=PATIENCE)
        return subprocess.CompletedProcess(started.args, started.returncode, out, err)

    def healthy(self, name: str) -> subprocess.CompletedProcess[str]:
        """The service's own health check."""
        return self.run(name, *self.services[name]["healthcheck"]["test"][1:])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def containers(lab: RunningLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """The services of the file, none of them started yet."""
    folder = tmp_path_factory.mktemp("containers")
    database = conninfo.conninfo_to_dict(lab.database_url)
    ports = {name: free_port() for name in ("orders-api:8000", "portal:8080", "8888")}
    there = {
        "@postgresql:5432/orderlab": f"@127.0.0.1:{database['port']}/{DATABASE}",
        "//orderlab_": f"//{DATABASE}_",
        "rabbitmq:5672": lab.amqp_url.rpartition("@")[2].rstrip("/"),
        "orders-api:8000": f"127.0.0.1:{ports['orders-api:8000']}",
        "0.0.0.0:8000": f"127.0.0.1:{ports['orders-api:8000']}",
        "portal:8080": f"127.0.0.1:{ports['portal:8080']}",
        "0.0.0.0:8080": f"127.0.0.1:{ports['portal:8080']}",
        "127.0.0.1:8080": f"127.0.0.1:{ports['portal:8080']}",
        "8888": str(ports["8888"]),
        "--ip=0.0.0.0": "--allow-root",  # JupyterLab listens on the loopback address unless told
        "/data/": f"{folder}/",
    }
    pattern = re.compile("|".join(map(re.escape, sorted(there, key=len, reverse=True))))

    def moved(thing: Any) -> Any:
        if isinstance(thing, dict):
            return {name: moved(value) for name, value in thing.items()}
        if isinstance(thing, list):
            return [moved(value) for value in thing]
        return pattern.sub(lambda found: there[found[0]], thing) if isinstance(thing, str) else thing

    services = moved(compose.services(docker.environment(lab.secrets)))
    with psycopg.connect(lab.database_url, autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        for name in CONSUMERS:
            lab.stop(name)
        try:
            yield Containers(services, folder)
        finally:
            owner.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(DATABASE)))
            roles = owner.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE %s", (f"{DATABASE}_%",)).fetchall()
            for (role,) in roles:
                owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
            for name in CONSUMERS:
                lab.revive(name)


@pytest.fixture(scope="module")
def up(containers: Containers) -> Iterator[Containers]:
    """Everything started in the file's order, each when what it needs is healthy, as Compose does it."""
    running = []
    try:
        for name in compose.started_in_order(containers.services):
            if name in SERVERS:
                continue
            if "healthcheck" not in containers.services[name]:
                ended = containers.run(name)
                assert ended.returncode == 0, ended.stderr
                continue
            with (containers.folder / f"{name}.log").open("w") as log:
                running.append(containers.start(name, stdout=log, stderr=subprocess.STDOUT))
            end = time.monotonic() + PATIENCE
            while (asked := containers.healthy(name)).returncode:
                said = (containers.folder / f"{name}.log").read_text()
                assert running[-1].poll() is None, said
                assert time.monotonic() < end, f"{asked.stderr}\n{said}"
        yield containers
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(timeout=20)


def test_before_anything_runs_no_health_check_says_yes(containers: Containers) -> None:
    checked = [
        name for name, service in containers.services.items() if name not in SERVERS and "healthcheck" in service
    ]
    assert len(checked) == 6
    assert [name for name in checked if containers.healthy(name).returncode == 0] == []


def test_setup_says_in_one_line_which_password_is_missing(containers: Containers) -> None:
    told = dict(containers.services["setup"]["environment"])
    del told["ORDERLAB_WORKER_PASSWORD"]
    ended = Containers({"setup": {**containers.services["setup"], "environment": told}}, containers.folder).run("setup")
    assert ended.returncode != 0
    assert ended.stderr.startswith("orderlab setup: Set ORDERLAB_WORKER_PASSWORD in the environment")
    assert ended.stderr.count("\n") == 1


def test_setup_takes_a_password_from_a_file(tmp_path: Path, containers: Containers) -> None:
    told = dict(containers.services["setup"]["environment"])
    (tmp_path / "secret").write_text("from a file\n")
    del told["ORDERLAB_WORKER_PASSWORD"]
    assert passwords({**told, "ORDERLAB_WORKER_PASSWORD_FILE": str(tmp_path / "secret")})["worker"] == "from a file"


def test_everything_starts_in_order_and_lab_in_a_notebook_finds_it_and_sends_an_order_through(up: Containers) -> None:
    code = (
        "from orderlab import Lab\n"
        "lab = Lab()\n"
        "with lab.tap('orders.created') as tap:\n"
        "    order_id = lab.create_order()['order_id']\n"
        "    print(lab.wait(order_id)['status'], len(lab.journal(order_id)), len(lab.table('payments', order_id)),\n"
        "          len(tap.messages(order_id)), lab.post_order(token=lab.forge(expires_in=-60)).status)\n"
    )
    ended = up.run("jupyter", "python", "-c", code)
    assert ended.stdout.split() == ["CONFIRMED", "21", "1", "1", "401"], ended.stderr


def test_the_demo_runs_inside_the_notebooks_container(up: Containers) -> None:
    ended = up.run("jupyter", "python", "-m", "orderlab.cli", "demo")
    assert ended.returncode == 0, ended.stderr
    assert "ack_message" in ended.stdout or "ACK" in ended.stdout


def test_the_portal_receives_the_webhooks_and_has_no_right_to_any_order(up: Containers) -> None:
    address = up.services["jupyter"]["environment"]["ORDERLAB_PORTAL_URL"]
    assert httpx.get(f"{address}/inbox", trust_env=False).text.count("order.confirmed") >= 2
    url = up.services["portal"]["environment"]["ORDERLAB_DATABASE_URL"]
    with psycopg.connect(url) as portal, pytest.raises(psycopg.errors.InsufficientPrivilege):
        portal.execute("SELECT 1 FROM orders")


def test_jupyterlab_lets_in_who_has_the_token_and_nobody_else(up: Containers) -> None:
    told = up.services["jupyter"]["environment"]
    contents = f"http://127.0.0.1:{told['JUPYTER_PORT']}/api/contents"
    assert httpx.get(contents, trust_env=False).status_code == 403
    token = {"Authorization": f"token {told['JUPYTER_TOKEN']}"}
    assert httpx.get(contents, headers=token, trust_env=False).status_code == 200


def test_setup_can_run_again_on_servers_that_are_in_use(up: Containers) -> None:
    assert up.run("setup").returncode == 0
    assert [name for name in ("orders-api", "relay") if up.healthy(name).returncode] == []
