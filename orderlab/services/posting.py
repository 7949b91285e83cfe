"""HTTP POSTs over connections that are kept: a request is one write, and httptools reads the answer."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

from httptools import HttpResponseParser

TIMEOUT = 5.0
"""Seconds the other side has to take a connection, or to say anything."""
MOST = 16
"""Connections at once."""

_UNFIT = re.compile(r"[^\t\x20-\x7e\x80-\xff]")


class _Answer:
    """What httptools tells of an answer; without a length it is `complete` when its connection ends."""

    complete = ends_with_connection = keeps = False

    def __init__(self) -> None:
        self.parser = HttpResponseParser(self)

    def on_headers_complete(self) -> None:
        """Its status is known. Whether the connection stays has to be asked here: afterwards it is forgotten."""
        self.keeps = self.parser.should_keep_alive()
        self.ends_with_connection = not self.keeps

    def on_message_complete(self) -> None:
        """Nothing more belongs to it."""
        self.complete = True


class Poster:
    """Posts to one address. Each caller has a connection to itself for as long as it posts; the others wait."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._base, self._secure = parts.path.rstrip("/"), parts.scheme == "https"
        self._address = (parts.hostname or "", parts.port or (443 if self._secure else 80))
        self._host = parts.netloc.rpartition("@")[2]
        self._free: list[socket.socket] = []
        self._left = threading.Semaphore(MOST)

    def post(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """The status of the answer; raise `OSError` if there is none, `ValueError` for a header that can't be sent."""
        lines = [f"POST {self._base}{path} HTTP/1.1", f"Host: {self._host}", f"Content-Length: {len(body)}"]
        for name, value in headers.items():
            if _UNFIT.search(value):
                raise ValueError(f"the header {name} can't be {value!r}")
            lines.append(f"{name}: {value}")
        request = "\r\n".join((*lines, "", "")).encode("latin-1") + body
        with self._left:
            connection = self._connection()
            try:
                connection.sendall(request)
                status, keep = _read(connection)
            except BaseException:
                connection.close()
                raise
            if keep:
                self._free.append(connection)
            else:
                connection.close()
        return status

    def _connection(self) -> socket.socket:
        while self._free:
            connection = self._free.pop()
            if _is_open(connection):
                return connection
            connection.close()
        connection = socket.create_connection(self._address, timeout=TIMEOUT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._secure:
            return ssl.create_default_context().wrap_socket(connection, server_hostname=self._address[0])
        return connection


def _read(connection: socket.socket) -> tuple[int, bool]:
    """An answer's status, and whether the connection can be kept."""
    answer = _Answer()
    while not answer.complete:
        piece = connection.recv(65536)
        if not piece:
            if answer.ends_with_connection:
                break
            raise ConnectionResetError("the other side hung up")
        answer.parser.feed_data(piece)
    return answer.parser.get_status_code(), answer.complete and answer.keeps


def _is_open(connection: socket.socket) -> bool:
    """Whether a connection that nobody uses still stands: there is nothing to read on it, not even its end."""
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        pass
    finally:
        connection.settimeout(TIMEOUT)
    return False
