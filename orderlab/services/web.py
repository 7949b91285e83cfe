"""Plumbing between Nameko and HTTP: bodies checked before they are read, problems (RFC 9457) for what goes wrong."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable
from typing import Any

import eventlet
import orjson
from nameko.extensions import DependencyProvider
from nameko.web.handlers import HttpRequestHandler
from nameko.web.server import WebServer, WsgiApp
from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge
from werkzeug.exceptions import MethodNotAllowed as WerkzeugMethodNotAllowed
from werkzeug.wrappers import Request, Response

from orderlab.doors import Doors
from orderlab.errors import (
    HTTP_STATUS,
    BodyTooLarge,
    InvalidOrder,
    MethodNotAllowed,
    MissingScope,
    NotFound,
    NotJson,
    OrderlabError,
    OtherSite,
    StrangeHost,
    Unauthenticated,
    UnsupportedMediaType,
)
from orderlab.identity import Wsgi, named
from orderlab.language import LANGUAGES, N_, _, current, speak
from orderlab.settings import Settings

LARGEST_BODY = 64 * 1024
RETRY_AFTER = 2
"""Seconds after which a client may try again while a server is away."""

log = logging.getLogger(__name__)

TITLES = (
    N_("Bad Request"),
    N_("Unauthorized"),
    N_("Forbidden"),
    N_("Not Found"),
    N_("Method Not Allowed"),
    N_("Conflict"),
    N_("Request Entity Too Large"),
    N_("Unsupported Media Type"),
    N_("Unprocessable Entity"),
    N_("Service Unavailable"),
)
"""The phrases of HTTP's statuses that problems are titled with, for the catalogue of texts."""


def reply(body: Any, status: int = 200, **headers: str) -> Response:
    """A JSON response; header names are given with underscores."""
    return Response(
        orjson.dumps(body),
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        mimetype="application/json",
    )


def problem(error: OrderlabError | None) -> Response:
    """What went wrong, as application/problem+json; for no error of ours, a 500 that tells nothing of its inside."""
    if error is None or type(error) not in HTTP_STATUS:
        title, detail = _("Internal Server Error"), _("Something went wrong in the lab. Its log says what.")
        status = 500
    else:
        found = HTTP_STATUS[type(error)]
        title, detail, status = _(found.phrase), _(error.detail), found.value
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if isinstance(error, InvalidOrder):
        body["errors"] = [{"field": wrong.field, "problem": wrong.problem} for wrong in error.problems]
    response = Response(json.dumps(body), status=status, mimetype="application/problem+json", headers=told_in())
    if isinstance(error, Unauthenticated):
        invalid = ', error="invalid_token"' if type(error) is not Unauthenticated else ""
        response.headers["WWW-Authenticate"] = f'Bearer realm="orders-api"{invalid}'
    if isinstance(error, MissingScope):
        response.headers["WWW-Authenticate"] = 'Bearer realm="orders-api", error="insufficient_scope"'
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER)
    return response


def wish(request: Request) -> str:
    """The language that the client asks for by Accept-Language: "en" or "es"; English where it asks for neither."""
    wishes = (wish[:2].lower() for wish, _quality in request.accept_languages)  # the best one first
    return next((wish for wish in wishes if wish in LANGUAGES), "en")


def told_in() -> dict[str, str]:
    """The headers of an answer with words in it: which language they are in, and that another was to be had."""
    return {"Content-Language": current(), "Vary": "Accept-Language"}


def apart(act: Callable[[], None]) -> None:
    """Do this beside the connection, on which a client's next request may follow already."""
    eventlet.spawn_n(act)


def hang_up(request: Request) -> None:
    """Close the connection, so that no answer arrives."""
    request.environ["eventlet.input"].get_socket().shutdown(socket.SHUT_RDWR)


def json_body(request: Request) -> Any:
    """The request's JSON; raise `UnsupportedMediaType`, `BodyTooLarge` or `NotJson`."""
    if request.mimetype != "application/json":
        raise UnsupportedMediaType
    request.max_content_length = LARGEST_BODY + 1  # one that is cut off there is seen to be too large
    request.environ["wsgi.input_terminated"] = True  # eventlet ends a chunked body where it ends
    try:
        body = request.get_data()
        if len(body) > LARGEST_BODY:
            raise BodyTooLarge
        return json.loads(body, parse_constant=_no_constant)
    except RequestEntityTooLarge:
        raise BodyTooLarge from None
    except (ValueError, RecursionError, ClientDisconnected):  # the last: a body that ends early, or garbled chunks
        raise NotJson from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


class _App(WsgiApp):
    """Nameko's, behind our doors, with problems in place of HTML for an address or method that isn't there."""

    def __init__(self, server: WebServer) -> None:
        super().__init__(server)
        self._doors = Doors.of(Settings.from_environment().allowed_hosts)
        # Addresses without a name in them: there is nothing to match.
        rules = (rule for rule in self.url_map.iter_rules() if not rule.arguments)
        self._plain = {(method, rule.rule): rule.endpoint for rule in rules for method in rule.methods or ()}

    def __call__(self, environ: Any, start_response: Any) -> Any:
        speak(wish(Request(environ)))  # in this greenlet, which answers where no method of the service does
        try:
            self._doors.check(environ)
            provider, values = self._find(environ)
        except (StrangeHost, OtherSite) as refusal:
            return problem(refusal)(environ, start_response)
        except WerkzeugMethodNotAllowed as error:
            response = problem(MethodNotAllowed())
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
            return response(environ, start_response)
        except HTTPException:
            return problem(NotFound())(environ, start_response)
        request = Request(environ, shallow=True)  # as in Nameko's: its handler lets the body be read
        request.path_values = values  # type: ignore[attr-defined]
        return provider.handle_request(request)(environ, start_response)

    def _find(self, environ: Any) -> tuple[Any, Any]:
        """Who handles this request, and what its address names; Werkzeug's exceptions for nobody."""
        handler = self._plain.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        return (handler, {}) if handler else self.url_map.bind_to_environ(environ).match()


class Server(WebServer):
    """Nameko's web server with our application. Several processes may share the port: eventlet sets SO_REUSEPORT."""

    def get_wsgi_server(self, sock: Any, wsgi_app: Wsgi, **options: Any) -> Any:
        server = super().get_wsgi_server(sock, wsgi_app, **options)
        server.log_output = False  # a line for each request, which nobody reads
        return server

    def get_wsgi_app(self) -> Wsgi:
        return named(_App(self), Settings.from_environment().lab)


class Http(HttpRequestHandler):
    """Nameko's HTTP entrypoint, answering errors by the one table in orderlab/errors.py."""

    server = Server()

    def response_from_exception(self, error: Exception) -> Response:
        if isinstance(error, OrderlabError) and type(error) in HTTP_STATUS:
            return problem(error)
        log.error("unexpected", exc_info=error)
        return problem(None)


http = Http.decorator


class LanguageProvider(DependencyProvider):
    """Has a method of the service speak the language that its request asks for; each runs in a greenlet of its own."""

    def worker_setup(self, worker_ctx: Any) -> None:
        speak(wish(worker_ctx.args[0]))


class SettingsProvider(DependencyProvider):
    """Gives a service its `Settings`."""

    def setup(self) -> None:
        self.settings = Settings.from_environment().need("jwt_secret")

    def get_dependency(self, worker_ctx: Any) -> Settings:
        return self.settings
