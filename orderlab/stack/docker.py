"""The same lab in containers, where it is asked for: `docker compose` with secrets of its own."""

from __future__ import annotations

import secrets
import shutil
import subprocess

from orderlab.stack.home import ROOT, SERVICES, Home, StackError, write_private

ENVIRONMENT = ROOT / ".env"
"""What Compose fills docker-compose.yml from: secrets only, made once."""


def up(home: Home) -> None:
    """Build, start and wait for health; raise `StackError` in one line where there is no engine."""
    _need_an_engine()
    write_environment(home)
    # Here, not under the lab: the person sees what Compose says while it builds.
    if subprocess.run(["docker", "compose", "up", "--detach", "--build", "--wait"], cwd=ROOT, check=False).returncode:
        raise StackError("Docker Compose could not bring the lab up: see what it says above (docker compose logs).")


def down() -> None:
    """Stop and remove the containers; the volumes stay."""
    _need_an_engine()
    if subprocess.run(["docker", "compose", "down"], cwd=ROOT, check=False).returncode:
        raise StackError("Docker Compose could not bring the lab down: see what it says above.")


def write_environment(home: Home) -> None:
    """Write `.env` (mode 0600) the first time."""
    if not ENVIRONMENT.exists():
        lines = (f"{name}={value}\n" for name, value in environment(home.secrets()).items())
        write_private(ENVIRONMENT, "".join(lines))


def environment(lab: dict[str, str]) -> dict[str, str]:
    """Every variable that docker-compose.yml reads."""
    return {
        "ORDERLAB_JWT_SECRET": lab["jwt"],
        "ORDERLAB_WEBHOOK_SECRET": lab["webhook"],
        "ORDERLAB_PORTAL_SECRET": lab["portal"],
        "ORDERLAB_OWNER_PASSWORD": lab["owner"],
        "ORDERLAB_RABBITMQ_PASSWORD": lab["rabbitmq"],
        "ORDERLAB_JUPYTER_TOKEN": secrets.token_hex(24),
        **{f"ORDERLAB_{name.upper().replace('-', '_')}_PASSWORD": lab[f"database:{name}"] for name in SERVICES},
    }


def _need_an_engine() -> None:
    instead = "or run ./lab without --docker"
    if not shutil.which("docker"):
        raise StackError(f"There is no Docker here. Install Docker Engine or Desktop, {instead}.")
    if not _works("docker", "info"):
        raise StackError(f"No Docker engine answers. Start Docker, {instead}.")
    if not _works("docker", "compose", "version"):
        raise StackError(f"This Docker has no Compose. Install its compose plugin, {instead}.")


def _works(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
