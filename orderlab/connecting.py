"""Connections to PostgreSQL for a person who waits: a server that is away, or frozen, is told within seconds."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from typing import Any

import psycopg

ANSWERS = 3
"""Seconds in which the server must answer anything."""


class _Answering(psycopg.Connection[Any]):
    """A connection whose statements raise `psycopg.OperationalError` when the server is silent for too long."""

    def wait(self, *waiting: Any, **options: Any) -> Any:
        """All waiting of a connection goes through here. A frozen server tells nobody, so the socket is shut."""
        watch = threading.Timer(ANSWERS, _shut, [self.fileno()])
        watch.daemon = True
        watch.start()
        try:
            return super().wait(*waiting, **options)
        finally:
            watch.cancel()


def connect(url: str, **options: Any) -> psycopg.Connection[Any]:
    """A connection in autocommit to a server that answers in time; raise `psycopg.OperationalError` else."""
    return _Answering.connect(url, autocommit=True, connect_timeout=ANSWERS, **options)


def _shut(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
        connection.shutdown(socket.SHUT_RDWR)
