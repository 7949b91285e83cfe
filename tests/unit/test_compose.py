"""docker-compose.yml and the Dockerfile against the code that they run, and against a real Compose."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from orderlab import schema
from orderlab.cli import main
from orderlab.settings import Settings
from orderlab.setup import password_variable
from orderlab.stack import Home, State, docker, postgres, programs, rabbitmq
from orderlab.stack.home import SERVICES
from tests import compose

DOCKERFILE = (compose.ROOT / "Dockerfile").read_text()
SERVERS = ("postgresql", "rabbitmq")
ROLES = (*SERVICES, "portal")


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return Home(tmp_path_factory.mktemp("lab")).secrets()


@pytest.fixture(scope="module")
def services(secrets: dict[str, str]) -> dict[str, dict[str, Any]]:
    return compose.services(docker.environment(secrets))


@pytest.fixture(scope="module")
def ours(services: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: service for name, service in services.items() if name not in SERVERS}


def a_compose() -> list[str]:
    """A Compose implementation that is installed here."""
    if shutil.which("docker") and not subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        return ["docker", "compose"]
    if found := shutil.which("docker-compose"):
        return [found]
    missing = "no Compose here: install the package docker-compose, or Docker's compose plugin"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


def config(environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """What a real Compose makes of the file with this `.env`."""
    file = folder / ".env"
    file.write_text("".join(f"{name}={value}\n" for name, value in environment.items()))
    command = [*a_compose(), "--env-file", str(file), "--file", str(compose.FILE), "config"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ORDERLAB_")}
    return subprocess.run(command, env=clean, capture_output=True, text=True, check=False)


def test_a_real_compose_takes_the_file_and_reads_it_as_these_tests_do(secrets: dict[str, str], tmp_path: Path) -> None:
    environment = docker.environment(secrets)
    ended = config(environment, tmp_path)
    assert ended.returncode == 0, ended.stderr
    seen = {
        name: service.get("environment") or {} for name, service in yaml.safe_load(ended.stdout)["services"].items()
    }
    read = compose.services(environment)
    assert seen == {name: service.get("environment", {}) for name, service in read.items()}


def test_without_the_generated_secrets_compose_says_how_to_get_them(tmp_path: Path) -> None:
    ended = config({}, tmp_path)
    assert ended.returncode != 0
    assert "./lab up --docker" in ended.stderr


def test_every_variable_is_one_that_up_writes_or_has_a_default_and_every_secret_is_used(
    secrets: dict[str, str],
) -> None:
    read = dict(sorted(compose.variables(), key=lambda found: found[1] is None))
    written = set(docker.environment(secrets))
    assert written <= set(read)
    ports = {name: int(default) for name, default in read.items() if name not in written and default}
    assert {name for name in read if name not in written} == set(ports)
    assert {name: ports[name] for name in docker.PORTS} == docker.PORTS


def test_the_file_itself_holds_no_secret() -> None:
    told = re.findall(r"^ +(\w*(?:PASS|PASSWORD|SECRET|TOKEN)\w*): (.*)$", compose.FILE.read_text(), re.MULTILINE)
    assert len(told) > 10
    assert [name for name, value in told if not value.startswith("${ORDERLAB_")] == []
    assert re.findall(r"://\w+:(?!\$\{ORDERLAB_)[^@\s]*@", compose.FILE.read_text()) == []


def test_every_command_runs_a_module_that_exists(ours: dict[str, dict[str, Any]]) -> None:
    checks = [service["healthcheck"]["test"][1:] for service in ours.values() if "healthcheck" in service]
    for command in [*(service["command"] for service in ours.values()), *checks]:
        assert command[:2] == ["python", "-m"]
        assert importlib.util.find_spec(command[2]), command
    run = {service["command"][3] for service in ours.values() if service["command"][2] == "orderlab.services"}
    assert run == set(SERVICES)


def test_each_program_is_told_what_it_is_told_without_containers(
    ours: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    state = State(
        database_url=postgres.url(5432, "p"),
        amqp_url=rabbitmq.url(5672, "p"),
        ports=dict.fromkeys(("orders-api", "portal"), 1),
    )
    apart = {programs.MARK, programs.TEST_RUN}
    expected = {
        program.name: {name for name in program.environment if name.startswith("ORDERLAB_")} - apart
        for program in programs.services(Home(tmp_path), state)
    }
    told = {name: set(ours[name]["environment"]) for name in expected}
    assert told == expected


def test_every_setting_exists(ours: dict[str, dict[str, Any]]) -> None:
    known = {f"ORDERLAB_{name.upper()}" for name in Settings.__dataclass_fields__}
    known |= set(map(password_variable, ROLES))
    told = {variable for service in ours.values() for variable in service["environment"]}
    assert {variable for variable in told if not variable.startswith("JUPYTER_")} <= known


def test_each_program_signs_in_as_its_own_role_and_the_owner_only_where_the_lab_is_looked_into(
    ours: dict[str, dict[str, Any]], secrets: dict[str, str]
) -> None:
    owner = f"postgresql://orderlab:{secrets['owner']}@postgresql:5432/orderlab"
    urls = {name: service["environment"].get("ORDERLAB_DATABASE_URL") for name, service in ours.items()}
    assert {name for name, url in urls.items() if url == owner} == {"setup", "jupyter"}
    for name in ROLES:
        assert urls[name] == schema.role_url(owner, name, secrets[f"database:{name}"])
        assert ours["setup"]["environment"][password_variable(name)] == secrets[f"database:{name}"]


def test_ports_are_published_on_the_loopback_address_alone(services: dict[str, dict[str, Any]]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert len(published) == 4
    assert [port for port in published if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)] == []


def test_images_are_pinned_by_an_exact_version_and_ours_is_never_pulled(services: dict[str, dict[str, Any]]) -> None:
    pulled = [services[name]["image"] for name in SERVERS] + re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert [image for image in pulled if not re.fullmatch(r"\w+:\d+\.\d+(\.\d+)?-[a-z-]+", image)] == []
    built = [name for name, service in services.items() if "build" in service]
    assert built == ["setup"]
    assert {
        (service["image"], service["pull_policy"]) for name, service in services.items() if name not in SERVERS
    } == {("orderlab:local", "never")}


def test_everything_is_healthy_before_what_needs_it_starts_and_comes_back_by_itself(
    services: dict[str, dict[str, Any]],
) -> None:
    assert {name for name, service in services.items() if "healthcheck" not in service} == {"setup"}
    assert {name for name, service in services.items() if service["restart"] != "unless-stopped"} == {"setup"}
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            ends = "service_completed_successfully" if needed == "setup" else "service_healthy"
            assert how == {"condition": ends}, f"{name} waits for {needed}"
    assert compose.started_in_order(services)[:3] == ["postgresql", "rabbitmq", "setup"]


def test_what_must_last_is_in_a_named_volume(services: dict[str, dict[str, Any]]) -> None:
    declared = yaml.safe_load(compose.FILE.read_text())["volumes"]
    mounted = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    assert mounted == set(declared)
    inbox = services["portal"]["environment"]["ORDERLAB_PORTAL_DATA"]
    assert [inbox.startswith(volume.split(":")[1]) for volume in services["portal"]["volumes"]] == [True]


def test_our_programs_run_without_privileges(ours: dict[str, dict[str, Any]]) -> None:
    for service in ours.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    users = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)
    assert users == ["1000"]
    assert "--uid 1000" in DOCKERFILE


def test_the_image_holds_what_the_lock_file_names_by_its_hashes() -> None:
    installs = re.findall(r"pip install ([^\\\n]+)", DOCKERFILE)
    assert installs[0].split()[-2:] == ["--requirement", "requirements.lock"]
    assert "--require-hashes" in installs[0]
    assert all("--no-deps" in words for words in installs)


def test_what_the_image_copies_exists_and_reaches_the_builder_while_secrets_do_not() -> None:
    patterns = [line for line in (compose.ROOT / ".dockerignore").read_text().splitlines() if line[:1] not in ("", "#")]
    assert patterns[0] == "*"
    let_in = {pattern.strip("!/") for pattern in patterns if pattern.startswith("!")}
    sources: set[str] = set()
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE):
        words = [word for word in line.split() if not word.startswith("--")]
        sources |= set(words[:-1])
    assert [source for source in sources if not (compose.ROOT / source).exists()] == []
    assert sources == let_in
    assert [name for name in (".env", ".git", ".orderlab") if any(fnmatch(name, pattern) for pattern in let_in)] == []


def test_up_in_containers_writes_the_secrets_sends_an_order_and_prints_where_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(docker, "ENVIRONMENT", tmp_path / ".env")
    monkeypatch.setattr(docker, "_need_an_engine", lambda: None)
    monkeypatch.setattr(docker, "_compose", lambda *words: asked.append(words) or 0)
    monkeypatch.setenv("ORDERLAB_HOME", str(tmp_path / "lab"))
    (tmp_path / ".env").write_text("# mine\nORDERLAB_PORTAL_PORT=9090\nORDERLAB_JUPYTER_TOKEN=known\n")

    said = CliRunner().invoke(main, ["up", "--docker"])
    assert said.exit_code == 0, said.output
    assert [words[0] for words in asked] == ["up", "exec"]
    assert asked[1][2:] == ("jupyter", "orderlab", "demo")
    assert "http://127.0.0.1:9090" in said.output
    assert "http://127.0.0.1:8888/lab/tree/START.md?token=known" in said.output

    written = (tmp_path / ".env").read_text()
    assert written.startswith("# mine\nORDERLAB_PORTAL_PORT=9090\nORDERLAB_JUPYTER_TOKEN=known\n")
    assert "ORDERLAB_JWT_SECRET=" in written
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert written.split("ORDERLAB_JWT_SECRET=")[1].splitlines()[0] not in said.output
