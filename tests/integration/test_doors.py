"""Requests that no well-behaved client sends, as bytes on the wire: each has an answer, and none is a 500."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support import RunningLab, problem


def say(url: str, *lines: bytes, body: bytes = b"") -> tuple[int, bytes]:
    """Send a request as it is written; the answer's status and body."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as wire:
        wire.sendall(b"\r\n".join([*lines, b"Connection: close", b"", body]))
        answer = b"".join(iter(lambda: wire.recv(65536), b""))
    head, _, rest = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), rest


HOSTS = [b"a..b", b"evil.example", b"a" * 70, b"a" * 6000, "ñ.example".encode(), b"", b"localhost:99999", b"[::1"]


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: repr(host[:12]))
@pytest.mark.parametrize("line", [b"GET /login-demo HTTP/1.1", b"GET /health/live HTTP/1.1", b"POST /orders HTTP/1.1"])
def test_the_api_refuses_a_strange_host_with_a_problem(lab: RunningLab, line: bytes, host: bytes) -> None:
    status, body = say(lab.api_url, line, b"Host: " + host)
    told = json.loads(body)
    assert (status, told["status"], told["title"]) == (403, 403, "Forbidden")
    assert "ORDERLAB_ALLOWED_HOSTS" in told["detail"]


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: repr(host[:12]))
def test_the_portal_refuses_a_strange_host_with_a_page(lab: RunningLab, host: bytes) -> None:
    status, body = say(lab.portal_url, b"GET / HTTP/1.1", b"Host: " + host)
    assert status == 403
    assert b"ORDERLAB_ALLOWED_HOSTS" in body


def test_two_hosts_and_no_host_are_refused(lab: RunningLab) -> None:
    for url in (lab.api_url, lab.portal_url):
        assert say(url, b"GET /login-demo HTTP/1.1")[0] == 403
        assert say(url, b"GET /login-demo HTTP/1.1", b"Host: 127.0.0.1", b"Host: evil.example")[0] == 403
        assert say(url, b"GET http://evil.example/login-demo HTTP/1.1", b"Host: evil.example")[0] == 403


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_another_sites_page_places_no_order_and_reports_no_step(lab: RunningLab, headers: dict[str, str]) -> None:
    body = lab.order()
    assert "another site" in problem(lab.post(body, **headers), 403)["detail"]
    problem(lab.http.get(f"/orders/{body['order_id']}", headers=lab.bearer), 404)
    report = lab.http.post(f"/orders/{body['order_id']}/events", json={}, headers={**lab.bearer, **headers})
    problem(report, 403)
    assert httpx.post(f"{lab.portal_url}/orders", headers=headers).status_code == 403
    assert lab.post(body, Origin=lab.api_url).status_code == 201


GOOD: Any = b"Host: 127.0.0.1"
JSON = b"Content-Type: application/json"
ODD = {
    "an absolute address": (b"GET http://127.0.0.1/health/live HTTP/1.1", GOOD),
    "an address that is none": (b"GET //[ HTTP/1.1", GOOD),
    "an asterisk": (b"OPTIONS * HTTP/1.1", GOOD),
    "bytes in the path": (b"GET /orders/\xff%ff%zz HTTP/1.1", GOOD),
    "bytes in the query": (b"GET /orders?limit=%ff&after=%00 HTTP/1.1", GOOD),
    "bytes in the headers": (
        b"GET /login-demo HTTP/1.1", GOOD, b"traceparent: \xff", b"baggage: order_id=%ff\xff", b"Cookie: \xff=\xff",
        b"Accept-Language: \xff", b"Range: \xff", b"If-Modified-Since: \xff", b"Last-Event-ID: \xb2",
    ),
    "many headers": (b"GET /health/live HTTP/1.1", GOOD, *[b"X-%d: a" % n for n in range(300)]),
    "a method there is not": (b"F\xffO /orders HTTP/1.1", GOOD),
    "a length that is none": (b"POST /orders HTTP/1.1", GOOD, JSON, b"Content-Length: -5"),
    "two lengths": (b"POST /orders HTTP/1.1", GOOD, JSON, b"Content-Length: 2", b"Content-Length: 3"),
    "an encoding there is not": (b"POST /orders HTTP/1.1", GOOD, JSON, b"Transfer-Encoding: junk"),
    "a type that is none": (b"POST /orders HTTP/1.1", GOOD, b"Content-Type: \xff;=;", b"Content-Length: 2"),
    "a form without its boundary": (b"POST /orders HTTP/1.1", GOOD, b"Content-Type: multipart/form-data"),
    "an origin that is none": (b"POST /orders HTTP/1.1", GOOD, JSON, b"Origin: http://[", b"Content-Length: 2"),
}  # fmt: skip


@pytest.mark.parametrize("lines", ODD.values(), ids=ODD)
@pytest.mark.parametrize("bearer", [b"TOKEN", b"\xff\xfe"], ids=["a token", "no token"])
def test_an_odd_request_is_no_error_of_the_services(lab: RunningLab, lines: tuple[bytes, ...], bearer: bytes) -> None:
    authorization = b"Authorization: Bearer " + (lab.token.encode() if bearer == b"TOKEN" else bearer)
    for url in (lab.api_url, lab.portal_url):
        status, _ = say(url, *lines, authorization, body=b"{}")
        assert status < 500 or status == 501, url  # 501: an encoding that waitress does not implement


@pytest.mark.parametrize(
    "lines",
    [(b"GET /health/live HTTP/1.1", GOOD, b"X: " + b"a" * 60_000), (b"GET /" + b"a" * 60_000 + b" HTTP/1.1", GOOD)],
    ids=["a header", "an address"],
)
def test_what_is_too_large_is_no_error_of_the_services(lab: RunningLab, lines: tuple[bytes, ...]) -> None:
    for url in (lab.api_url, lab.portal_url):
        with suppress(ConnectionResetError):  # refused, and hung up with the rest unread
            assert say(url, *lines)[0] < 500, url
        assert say(url, b"GET / HTTP/1.1", GOOD)[0] < 500


def test_a_body_in_garbled_chunks_is_400(lab: RunningLab) -> None:
    lines = (b"POST /orders HTTP/1.1", GOOD, JSON, b"Authorization: Bearer " + lab.token.encode())
    status, told = say(lab.api_url, *lines, b"Transfer-Encoding: chunked", body=b"zz\r\n{}\r\n0\r\n\r\n")
    assert (status, json.loads(told)["title"]) == (400, "Bad Request")
