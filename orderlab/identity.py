"""Which lab a program belongs to: told in its health checks, so that nobody takes another lab's for their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

HEADER = "Orderlab-Lab"

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def named(app: Wsgi, lab: str) -> Wsgi:
    """The same WSGI application, with the lab's id in its answers under /health."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not environ.get("PATH_INFO", "").startswith("/health"):
            return app(environ, start_response)
        return app(environ, lambda status, headers, *rest: start_response(status, [*headers, (HEADER, lab)], *rest))

    return answer
