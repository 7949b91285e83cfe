"""Who may come in: hosts that are the lab's, and writes that no other site's page sends."""

from __future__ import annotations

import pytest

from orderlab.doors import Doors
from orderlab.errors import OtherSite, StrangeHost
from orderlab.settings import WrongSetting

NAMED = "orders-api, .Example.org"


def check(host: str, method: str = "GET", names: str = NAMED, **headers: str) -> None:
    Doors.of(names).check({"REQUEST_METHOD": method, "HTTP_HOST": host, **headers})


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:8000", "127.8.9.1:65535", "[::1]", "[::1]:8000",
        "orders-api", "Orders-API:8000", "lab.example.org:80", "example.org",
    ],
)  # fmt: skip
def test_loopback_and_what_is_named_is_answered_at_any_port(host: str) -> None:
    check(host)


STRANGE = [
    "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.localhost.example", "evilexample.org",
    "0.0.0.0:8000", "192.168.1.7", "[::2]", "[::1", "::1", "a..b", "a..example.org", f"{'a' * 64}.example.org", "",
    "localhost:0", "localhost:99999", "localhost:x", "localhost@evil.example", "localhost, evil.example", "localhost ",
    "ñ.example.org", "localhost/x", "127.1", "2130706433",
]  # fmt: skip


@pytest.mark.parametrize("host", STRANGE)
def test_any_other_host_is_refused(host: str) -> None:
    with pytest.raises(StrangeHost):
        check(host)


def test_with_nothing_named_the_loopback_alone_is_answered() -> None:
    check("localhost:8000", names="")
    with pytest.raises(StrangeHost):
        check("orders-api:8000", names="")


def test_a_request_that_names_no_host_is_refused() -> None:
    with pytest.raises(StrangeHost):
        Doors().check({"REQUEST_METHOD": "GET"})


@pytest.mark.parametrize("setting", ["a..b", "orders-api:8000", "a b", "[::1]", "*", "."])
def test_a_setting_that_names_no_host_is_refused_by_name(setting: str) -> None:
    with pytest.raises(WrongSetting, match="ORDERLAB_ALLOWED_HOSTS"):
        Doors.of(setting)


SAME = [
    {},
    {"HTTP_SEC_FETCH_SITE": "same-origin", "HTTP_ORIGIN": "http://localhost:8080"},
    {"HTTP_SEC_FETCH_SITE": "same-origin", "HTTP_ORIGIN": "https://a.proxy.example"},  # the browser knows better
    {"HTTP_SEC_FETCH_SITE": "none"},
    {"HTTP_ORIGIN": "http://localhost:8080"},
    {"HTTP_ORIGIN": "HTTP://LOCALHOST:8080"},
]
OTHERS = [
    {"HTTP_SEC_FETCH_SITE": "cross-site"},
    {"HTTP_SEC_FETCH_SITE": "same-site", "HTTP_ORIGIN": "http://localhost:8080"},
    {"HTTP_SEC_FETCH_SITE": ""},
    {"HTTP_SEC_FETCH_SITE": "same-origin, cross-site"},
    {"HTTP_ORIGIN": "http://evil.example"},
    {"HTTP_ORIGIN": "http://localhost:9999"},
    {"HTTP_ORIGIN": "http://evil.example, http://localhost:8080"},
    {"HTTP_ORIGIN": "localhost:8080"},
    {"HTTP_ORIGIN": "null"},
    {"HTTP_ORIGIN": ""},
]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "ANYTHING"])
@pytest.mark.parametrize("headers", SAME)
def test_a_program_and_our_own_page_may_write(method: str, headers: dict[str, str]) -> None:
    check("localhost:8080", method, **headers)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "ANYTHING"])
@pytest.mark.parametrize("headers", OTHERS)
def test_another_sites_page_may_not_write(method: str, headers: dict[str, str]) -> None:
    with pytest.raises(OtherSite):
        check("localhost:8080", method, **headers)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("headers", OTHERS)
def test_a_link_from_another_site_may_be_followed(method: str, headers: dict[str, str]) -> None:
    check("localhost:8080", method, **headers)
