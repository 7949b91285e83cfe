"""`python -m orderlab.setup`: make servers that are there fit for the lab, where no `./lab up` does (in containers).

PostgreSQL gets its roles, tables and catalogue, RabbitMQ its exchanges and queues. Can be run at every start.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import psycopg
from kombu.exceptions import OperationalError

from orderlab import schema, topology
from orderlab.errors import BrokerAway, DatabaseAway, OrderlabError
from orderlab.language import _
from orderlab.settings import MissingSetting, Settings, read


def password_variable(service: str) -> str:
    """The variable with the password of a service's database role (ORDERLAB_ORDERS_API_PASSWORD)."""
    return f"ORDERLAB_{service.upper().replace('-', '_')}_PASSWORD"


def passwords(environ: Mapping[str, str]) -> dict[str, str]:
    """The password of each service's role, from the environment; raise `MissingSetting` that names those missing."""
    found = {service: read(password_variable(service), environ) for service in schema.RIGHTS}
    if missing := [password_variable(service) for service, password in found.items() if not password]:
        raise MissingSetting(
            _("Set {known} in the environment (./lab up --docker writes them to .env).", known=", ".join(missing))
        )
    return found


def main() -> None:
    """Prepare both servers; ORDERLAB_DATABASE_URL signs in as the owner. Raises what is away, or missing."""
    settings = Settings.from_environment().need("database_url", "amqp_url")
    try:
        schema.prepare(settings.database_url, passwords(os.environ))
    except psycopg.OperationalError as error:
        raise DatabaseAway(_("PostgreSQL can't be prepared: {error}", error=error)) from error
    try:
        topology.declare(settings.amqp_url)
    except (OperationalError, OSError) as error:
        raise BrokerAway(_("RabbitMQ can't be prepared: {error}", error=error)) from error


if __name__ == "__main__":
    try:
        main()
    except OrderlabError as error:
        sys.exit(f"orderlab setup: {error.detail}")
    print("orderlab setup: PostgreSQL and RabbitMQ are prepared.")
