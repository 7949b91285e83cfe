"""Who may come in: requests to a host of this lab's, and writes that no other site's page sends. API and portal ask.

A page of evil.example can have its name resolve to the loopback address, or post a form there. The first shows in
`Host`, the second in `Sec-Fetch-Site` or `Origin`; a page can forge none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from werkzeug.sansio.utils import host_is_trusted

from orderlab.errors import OtherSite, StrangeHost
from orderlab.language import _
from orderlab.settings import WrongSetting

_READS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Doors:
    """The hosts that are answered: loopback names and addresses, and `names` (`.example.org`: all below it)."""

    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, allowed_hosts: str) -> Doors:
        """From the setting, names with commas between them; raise `WrongSetting` for what can't be a host."""
        names = tuple(name for each in allowed_hosts.split(",") if (name := each.strip().lower()))
        for name in names:
            if ":" in name or not _is_a_host(name.removeprefix(".")):
                raise WrongSetting(
                    _(
                        "ORDERLAB_ALLOWED_HOSTS can't have {name!r}: give names without ports, with commas between "
                        "them.",
                        name=name,
                    )
                )
        return cls(names)

    def check(self, environ: Mapping[str, Any]) -> None:
        """Let a WSGI request in; raise `StrangeHost` or `OtherSite`."""
        host = environ.get("HTTP_HOST", "").lower()
        if not _is_a_host(host) or not (_is_loopback(host) or (self.names and host_is_trusted(host, self.names))):
            raise StrangeHost
        if environ["REQUEST_METHOD"] not in _READS and not _is_same_origin(environ, host):
            raise OtherSite


@lru_cache(maxsize=100)
def _is_a_host(host: str) -> bool:
    """Whether it is written as a host; Werkzeug looks at the characters, but takes `a..b`, which no name can be."""
    labels = host.partition(":")[0].removesuffix(".").split(".")
    return host_is_trusted(host) and all(0 < len(label) < 64 for label in labels)


@lru_cache(maxsize=100)
def _is_loopback(host: str) -> bool:
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _is_same_origin(environ: Mapping[str, Any], host: str) -> bool:
    """A program sends neither header. A browser says where the page is from; an old one, only its origin."""
    if (site := environ.get("HTTP_SEC_FETCH_SITE")) is not None:
        return site in ("same-origin", "none")  # "same-site" may be another port of this machine, another program's
    origin = environ.get("HTTP_ORIGIN")
    return origin is None or origin.lower().partition("://")[2] == host
