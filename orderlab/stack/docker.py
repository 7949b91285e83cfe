"""The same lab in containers, where it is asked for: `docker compose` with secrets of its own."""

from __future__ import annotations

import secrets
import shutil
import subprocess

from orderlab.language import _
from orderlab.setup import password_variable
from orderlab.stack import jupyter
from orderlab.stack.home import ROOT, Home, StackError, write_private
from orderlab.stack.lifecycle import Status

ENVIRONMENT = ROOT / ".env"
"""What Compose fills docker-compose.yml from: secrets, made once, and ports where a person sets them."""

PORTS = {
    "ORDERLAB_API_PORT": 8000,
    "ORDERLAB_PORTAL_PORT": 8080,
    "ORDERLAB_JUPYTER_PORT": 8888,
    "ORDERLAB_RABBITMQ_UI_PORT": 15672,
}
"""Where docker-compose.yml publishes on the loopback address unless `.env` says otherwise."""


def up(home: Home) -> Status:
    """Build, start and wait for health; raise `StackError` in one line where there is no engine."""
    _need_an_engine()
    write_environment(home)
    # Here, not under the lab: the person sees what Compose says while it builds.
    if _compose("up", "--detach", "--build", "--wait"):
        raise StackError(_("Docker Compose could not bring the lab up: see what it says above (docker compose logs)."))
    return addresses()


def demo() -> None:
    """Send one order through and print its steps, from inside: the notebooks' container knows every address."""
    if _compose("exec", "-T", "jupyter", "orderlab", "demo"):
        raise StackError(_("The order did not come through: see what it says above (docker compose logs)."))


def down() -> None:
    """Stop and remove the containers; the volumes stay."""
    _need_an_engine()
    if _compose("down"):
        raise StackError(_("Docker Compose could not bring the lab down: see what it says above."))


def addresses() -> Status:
    """Where a person opens what is in the containers."""
    told = _read()
    api, portal, notebooks, management = (int(told.get(name) or port) for name, port in PORTS.items())
    return Status(
        ready=True,
        api_url=f"http://127.0.0.1:{api}",
        portal_url=f"http://127.0.0.1:{portal}",
        management_url=f"http://127.0.0.1:{management}",
        jupyter_url=jupyter.url(notebooks, told["ORDERLAB_JUPYTER_TOKEN"]),
        amqp_url="",
        database_url="",
        services={},
        started=True,
    )


def write_environment(home: Home) -> None:
    """Write `.env` (mode 0600), or what it lacks; what stands there stays."""
    told = _read()
    lacking = {name: value for name, value in environment(home.secrets()).items() if name not in told}
    if lacking:
        kept = ENVIRONMENT.read_text() if ENVIRONMENT.exists() else ""
        lines = [*kept.splitlines(), *(f"{name}={value}" for name, value in lacking.items())]
        write_private(ENVIRONMENT, "\n".join(lines) + "\n")


def environment(lab: dict[str, str]) -> dict[str, str]:
    """Every secret that docker-compose.yml reads."""
    return {
        "ORDERLAB_JWT_SECRET": lab["jwt"],
        "ORDERLAB_WEBHOOK_SECRET": lab["webhook"],
        "ORDERLAB_PORTAL_SECRET": lab["portal"],
        "ORDERLAB_OWNER_PASSWORD": lab["owner"],
        "ORDERLAB_RABBITMQ_PASSWORD": lab["rabbitmq"],
        "ORDERLAB_JUPYTER_TOKEN": secrets.token_hex(24),
        **{
            password_variable(name.removeprefix("database:")): secret
            for name, secret in lab.items()
            if name.startswith("database:")
        },
    }


def _read() -> dict[str, str]:
    lines = ENVIRONMENT.read_text().splitlines() if ENVIRONMENT.exists() else []
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def _compose(*words: str) -> int:
    return subprocess.run(["docker", "compose", *words], cwd=ROOT, check=False).returncode


def _need_an_engine() -> None:
    instead = _("or run ./lab without --docker")
    if not shutil.which("docker"):
        raise StackError(_("There is no Docker here. Install Docker Engine or Desktop, {instead}.", instead=instead))
    if not _works("docker", "info"):
        raise StackError(_("No Docker engine answers. Start Docker, {instead}.", instead=instead))
    if not _works("docker", "compose", "version"):
        raise StackError(_("This Docker has no Compose. Install its compose plugin, {instead}.", instead=instead))


def _works(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
