"""A private RabbitMQ: its settings, and the many variables that keep it out of the machine's own."""

from __future__ import annotations

import os
from urllib.parse import quote

from orderlab.bootstrap import broker
from orderlab.bootstrap.console import Unready
from orderlab.stack.home import Home, StackError, write_private
from orderlab.stack.programs import Program, ordinary

USER = "orderlab"

CONSUMER_TIMEOUT = 24 * 60 * 60 * 1000
"""Milliseconds for which a consumer may keep a message, and an order be halted (RabbitMQ's own: 30 minutes)."""

_SETTINGS = """\
listeners.tcp.local = 127.0.0.1:{port}
management.tcp.ip = 127.0.0.1
management.tcp.port = {management}
default_user = {user}
default_pass = {password}
consumer_timeout = {consumer_timeout}
log.console = true
log.console.level = info
log.file = false
# A laptop's measures: quorum queues keep as much as one of these in memory.
raft.wal_max_size_bytes = 33554432
collect_statistics_interval = 60000
disk_free_limit.absolute = 50MB
"""


def url(port: int, password: str) -> str:
    """Signs in as the lab's own user."""
    return f"amqp://{USER}:{quote(password, safe='')}@127.0.0.1:{port}/"


def program(home: Home, ports: dict[str, int], secrets: dict[str, str]) -> Program:
    """The broker. Written so that the pid under the supervisor is the Erlang machine itself.

    Raises `StackError` that says how to get a RabbitMQ where there is none.
    """
    try:
        found = broker.find()
    except Unready as reason:
        raise StackError(str(reason)) from reason
    own = home.path / "rabbitmq"
    settings = _SETTINGS.format(
        port=ports["rabbitmq"],
        management=ports["management"],
        user=USER,
        password=secrets["rabbitmq"],
        consumer_timeout=CONSUMER_TIMEOUT,
    )
    write_private(own / "rabbitmq.conf", settings)
    write_private(own / "advanced.config", "[].\n")
    write_private(own / "enabled_plugins", "[rabbitmq_management].\n")
    write_private(own / "environment.conf", "")
    write_private(own / ".erlang.cookie", secrets["erlang_cookie"])
    environment = ordinary(home) | {
        "HOME": str(own),  # where the Erlang cookie is looked for
        "RUNNING_UNDER_SYSTEMD": "true",  # the script becomes the Erlang machine, and SIGTERM reaches it
        "RABBITMQ_CONF_ENV_FILE": str(own / "environment.conf"),
        "RABBITMQ_NODENAME": "lab@localhost",
        "RABBITMQ_CONFIG_FILE": str(own / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(own / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(own / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(own / "data"),
        "RABBITMQ_SCHEMA_DIR": str(own / "schema"),
        "RABBITMQ_LOG_BASE": str(home.logs),
        "RABBITMQ_PID_FILE": str(own / "pid"),
        "RABBITMQ_DIST_PORT": str(ports["erlang"]),
        "ERL_EPMD_PORT": str(ports["epmd"]),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_CRASH_DUMP": str(own / "erl_crash.dump"),
        # Without the first, Erlang's own port listens on every address. Two schedulers do for a lab.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2",
    }
    # So that `erl` is found also where a bare environment's PATH lacks it.
    path = [environment.get("PATH", os.defpath), "/opt/homebrew/bin", "/usr/local/bin"]
    environment["PATH"] = os.pathsep.join([str(found.programs), *path] if found.programs else path)
    if found.libraries:
        environment["LD_LIBRARY_PATH"] = str(found.libraries)
    return Program("rabbitmq", [str(found.script)], environment, str(own), stop_seconds=20)
