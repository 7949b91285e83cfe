"""Posting: answers of every form are understood, and a connection is kept as long as it may be."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orderlab.services.posting import Poster

KEPT = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Other(threading.Thread):
    """The other side: for each connection the answers it gives, one a request, before it hangs up."""

    def __init__(self, *connections: list[bytes]) -> None:
        super().__init__(daemon=True)
        self.connections, self.requests = connections, list[list[bytes]]()
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.hung_up = threading.Semaphore(0)

    def run(self) -> None:
        for answers in self.connections:
            connection, _ = self.listening.accept()
            self.requests.append([])
            with connection:
                for answer in answers:
                    request = b""
                    while not request.endswith(b"body"):
                        request += connection.recv(65536)
                    self.requests[-1].append(request)
                    connection.sendall(answer)
            self.hung_up.release()


@contextmanager
def other(*connections: list[bytes]) -> Iterator[Other]:
    side = Other(*connections)
    side.start()
    with side.listening:
        yield side


def test_a_connection_is_kept_from_post_to_post() -> None:
    with other([KEPT, KEPT.replace(b"200", b"404"), b"HTTP/1.1 204 No Content\r\n\r\n"]) as side:
        poster = Poster(f"{side.url}/webhooks")
        assert [poster.post("/customer", {"webhook-id": "1"}, b"body") for _ in range(3)] == [200, 404, 204]
    assert len(side.requests) == 1
    head, _, body = side.requests[0][0].partition(b"\r\n\r\n")
    lines = [f"Host: {side.url.removeprefix('http://')}".encode(), b"Content-Length: 4", b"webhook-id: 1"]
    assert head.split(b"\r\n") == [b"POST /webhooks/customer HTTP/1.1", *lines]
    assert body == b"body"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nto the end",
        b"HTTP/1.0 200 OK\r\n\r\nto the end",
        KEPT,  # and then it hangs up without a word
    ],
)
def test_a_connection_that_ends_is_followed_by_another(answer: bytes) -> None:
    with other([answer], [KEPT]) as side:
        poster = Poster(side.url)
        assert poster.post("/", {}, b"body") == 200
        assert side.hung_up.acquire(timeout=60)
        assert poster.post("/", {}, b"body") == 200
    assert [len(requests) for requests in side.requests] == [1, 1]


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", b"rubbish\r\n\r\n"])
def test_an_answer_that_does_not_come_whole_is_an_error_and_its_connection_is_not_used_again(answer: bytes) -> None:
    with other([answer], [KEPT]) as side:
        poster = Poster(side.url)
        with pytest.raises(Exception, match=r"hung up|HTTP"):
            poster.post("/", {}, b"body")
        assert poster.post("/", {}, b"body") == 200


@pytest.mark.parametrize("value", ["1\r\nHost: evil.example", "1\n", "\0", "\u2603"])
def test_a_header_that_would_become_another_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="webhook-id"):
        Poster("http://127.0.0.1:1").post("/", {"webhook-id": value}, b"body")
