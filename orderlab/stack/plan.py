"""What a lab will consist of: its addresses, servers that exist or private ones, and how each program is run."""

from __future__ import annotations

import os

from orderlab.stack import jupyter, postgres, programs, rabbitmq, readiness, supervisor
from orderlab.stack.home import Home, State

_VARIABLES = {"postgresql": "ORDERLAB_DATABASE_URL", "rabbitmq": "ORDERLAB_AMQP_URL"}


def addresses(home: Home, chosen: dict[str, int], scale: dict[str, int]) -> State:
    """Those of servers that exist already, and ports of our own for the rest."""
    secrets = home.secrets()
    named = _named_servers()
    return State(
        lab=secrets["lab"],
        api_url=f"http://127.0.0.1:{chosen['orders-api']}",
        portal_url=f"http://127.0.0.1:{chosen['portal']}",
        management_url="" if "rabbitmq" in named else f"http://127.0.0.1:{chosen['management']}",
        amqp_url=named.get("rabbitmq") or rabbitmq.url(chosen["rabbitmq"], secrets["rabbitmq"]),
        database_url=named.get("postgresql") or postgres.url(chosen["postgresql"], secrets["owner"]),
        ports=chosen,
        scale=scale,
    )


def _named_servers() -> dict[str, str]:
    """The servers that the environment names, which are used as they are."""
    return {name: os.environ[variable] for name, variable in _VARIABLES.items() if os.environ.get(variable)}


def _private_servers(home: Home, state: State) -> list[programs.Program]:
    secrets = home.secrets()
    named = _named_servers()
    readiness.need_named(state, {name: _VARIABLES[name] for name in named})
    private = []
    if "postgresql" not in named:
        postgres.prepare(home, secrets["owner"])
        private.append(postgres.program(home, state.ports["postgresql"]))
    if "rabbitmq" not in named:
        private.append(rabbitmq.program(home, state.ports, secrets))
    return private


def write(home: Home, state: State) -> None:
    """Write all that the supervisor and its programs read; raise `StackError` where a server is not to be had."""
    private = _private_servers(home, state)
    services = programs.services(home, state)
    jupyter.prepare()
    notebooks = jupyter.program(home, state.ports["jupyter"], home.secrets()["jupyter"])
    state.programs = [program.name for program in (*private, *services)]
    state.control_url = supervisor.write(home, [*private, *services, notebooks], state.ports["supervisor"])


def add_jupyter(home: Home, state: State) -> None:
    """From now on JupyterLab belongs to this lab (it is in the supervisor's settings in any case)."""
    state.jupyter_url = jupyter.url(state.ports["jupyter"], home.secrets()["jupyter"])
    state.programs.append("jupyter")
