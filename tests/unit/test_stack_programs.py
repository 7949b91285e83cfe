"""How the lab's programs are run, and what each is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orderlab.bootstrap import broker
from orderlab.bootstrap.console import Unready
from orderlab.stack import Home, StackError, State, jupyter, postgres, programs, rabbitmq, supervisor

PORTS = {
    name: 20000 + number
    for number, name in enumerate(
        ["orders-api", "portal", "jupyter", "rabbitmq", "management", "postgresql", "erlang", "epmd", "supervisor"]
    )
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "my #1 lab; 100% 'mine'")
    home.make()
    return home


@pytest.fixture
def state(home: Home) -> State:
    secrets = home.secrets()
    return State(
        api_url="http://127.0.0.1:20000",
        portal_url="http://127.0.0.1:20001",
        amqp_url=rabbitmq.url(PORTS["rabbitmq"], secrets["rabbitmq"]),
        database_url=postgres.url(PORTS["postgresql"], secrets["owner"]),
        ports=PORTS,
    )


def told(home: Home, state: State) -> dict[str, set[str]]:
    """The ORDERLAB_ variables that each program gets."""
    return {
        program.name: {name for name in program.environment if name.startswith("ORDERLAB_")}
        - {programs.MARK, programs.TEST_RUN}
        for program in programs.services(home, state)
    }


def test_nobody_is_told_more_than_it_needs(home: Home, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERLAB_JWT_SECRET", "the person's own")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the person's own")
    assert told(home, state) == {
        "orders-api": {
            "ORDERLAB_DATABASE_URL",
            "ORDERLAB_AMQP_URL",
            "ORDERLAB_API_ADDRESS",
            "ORDERLAB_ALLOWED_HOSTS",
            "ORDERLAB_LAB",
            "ORDERLAB_JWT_SECRET",
            "ORDERLAB_DEMO_LOGIN",
        },
        "worker": {"ORDERLAB_DATABASE_URL", "ORDERLAB_AMQP_URL"},
        "notifier": {
            "ORDERLAB_DATABASE_URL",
            "ORDERLAB_AMQP_URL",
            "ORDERLAB_WEBHOOK_SECRET",
            "ORDERLAB_PORTAL_URL",
        },
        "relay": {"ORDERLAB_DATABASE_URL", "ORDERLAB_AMQP_URL"},
        "portal": {
            "ORDERLAB_API_URL",
            "ORDERLAB_LAB",
            "ORDERLAB_PORTAL_ADDRESS",
            "ORDERLAB_ALLOWED_HOSTS",
            "ORDERLAB_PORTAL_SECRET",
            "ORDERLAB_PORTAL_DATA",
            "ORDERLAB_DATABASE_URL",  # for its gates alone
            "ORDERLAB_WEBHOOK_SECRET",
        },
    }
    assert all("AWS_SECRET_ACCESS_KEY" not in program.environment for program in programs.services(home, state))


def test_each_service_signs_in_to_the_database_as_itself(home: Home, state: State) -> None:
    urls = {program.environment["ORDERLAB_DATABASE_URL"] for program in programs.services(home, state)}
    assert len(urls) == 5
    assert state.database_url not in urls


def test_no_secret_stands_on_a_command_line_or_in_the_supervisors_settings(home: Home, state: State) -> None:
    secrets = home.secrets()
    table = [
        *programs.services(home, state),
        postgres.program(home, PORTS["postgresql"]),
        jupyter.program(home, PORTS["jupyter"], secrets["jupyter"]),
    ]
    supervisor.write(home, table, PORTS["supervisor"])
    open_to_see = [" ".join(program.command) for program in table]
    open_to_see.append((home.path / "supervisord.conf").read_text())
    assert [secret for secret in secrets.values() for text in open_to_see if secret in text] == []


def test_what_holds_secrets_is_for_its_owner_alone(home: Home, state: State) -> None:
    supervisor.write(home, programs.services(home, state), PORTS["supervisor"])
    jupyter.program(home, PORTS["jupyter"], "a token")
    modes = {
        path.name: path.stat().st_mode & 0o777
        for path in home.path.rglob("*")
        if path.is_file() and path.suffix in (".json", ".conf")
    }
    assert "programs.json" in modes
    assert set(modes.values()) == {0o600}


def test_rabbitmq_keeps_to_this_machine_and_this_folder(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "find", lambda: broker.Broker(Path("/opt/rabbit/bin/rabbitmq-server")))
    environment = rabbitmq.program(home, PORTS, home.secrets()).environment
    assert "inet_dist_use_interface {127,0,0,1}" in environment["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"]
    assert environment["ERL_EPMD_ADDRESS"] == "127.0.0.1"
    settings = (home.path / "rabbitmq/rabbitmq.conf").read_text()
    assert f"listeners.tcp.local = 127.0.0.1:{PORTS['rabbitmq']}" in settings
    assert "management.tcp.ip = 127.0.0.1\n" in settings
    assert f"management.tcp.port = {PORTS['management']}\n" in settings
    assert (home.path / "rabbitmq/enabled_plugins").read_text() == "[rabbitmq_management].\n"
    places = [
        value
        for name, value in environment.items()
        if name.endswith(("_BASE", "_FILE", "_DIR", "_DUMP")) or name == "HOME"
    ]
    assert len(places) >= 8
    assert all(Path(place).is_relative_to(home.path) for place in places)


def test_where_no_rabbitmq_is_to_be_had_the_line_says_how_to_get_one_everywhere(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(broker, "installed", lambda: None)
    monkeypatch.setattr(broker.debian, "available", lambda: False)
    with pytest.raises(StackError) as raised:
        rabbitmq.program(home, PORTS, home.secrets())
    for word in ("brew install", "apt-get install", "WSL", "dnf install", "ORDERLAB_AMQP_URL"):
        assert word in raised.value.detail
    assert "\n" not in raised.value.detail


def test_a_rabbitmq_that_can_not_be_fetched_says_why(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise Unready("apt-get could not do it: E: Temporary failure resolving")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(broker, "installed", lambda: None)
    monkeypatch.setattr(broker.debian, "available", lambda: True)
    monkeypatch.setattr(broker.debian, "unpack", offline)
    with pytest.raises(StackError, match="Temporary failure resolving"):
        rabbitmq.program(home, PORTS, home.secrets())


def test_jupyterlab_listens_here_alone_with_its_token_in_a_private_file(home: Home) -> None:
    program = jupyter.program(home, PORTS["jupyter"], "the token")
    settings = json.loads((home.path / "jupyter/config/jupyter_lab_config.json").read_text())
    assert settings["ServerApp"]["ip"] == "127.0.0.1"
    assert settings["IdentityProvider"] == {"token": "the token"}
    assert program.environment["ORDERLAB_HOME"] == str(home.path)
    assert "the token" not in program.environment.values()
