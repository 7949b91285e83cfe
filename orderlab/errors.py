"""What can go wrong, for the person it happens to. A docstring is the message; one table maps errors to HTTP.

An error is told in the language that is spoken where it is raised: who raises it knows the person, and it may be shown
later, by somebody who does not.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

from orderlab.language import _, current
from orderlab.sequence import Outcome


class OrderlabError(Exception):
    """Something went wrong in the lab."""

    outcome: ClassVar[Outcome] = Outcome.FAILED  # how a step ends that raises this

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or _(inspect.cleandoc(type(self).__doc__ or "")))
        self.language = current()
        """In which the sentence is."""

    @property
    def detail(self) -> str:
        """The sentence for the person."""
        return str(self.args[0])

    def _render_traceback_(self) -> list[str]:
        """One line in a notebook, where the way through our code helps nobody."""
        return [f"{type(self).__name__}: {' '.join(self.detail.split())}"]


@dataclass(frozen=True)
class FieldProblem:
    """One wrong field: where it stands (`items[0].sku`) and what it must be."""

    field: str
    problem: str


class NotJson(OrderlabError):
    """The body is not JSON. Send a JSON object."""


class Unauthenticated(OrderlabError):
    """This needs a token. Get one from GET /login-demo and send it as 'Authorization: Bearer …'."""


class InvalidToken(Unauthenticated):
    """The token is not valid here. Get a new one from GET /login-demo."""

    outcome = Outcome.INVALID_TOKEN


class MissingScope(OrderlabError):
    """The token does not allow this. Ask for one with the scope that is named."""


class NotYours(OrderlabError):
    """Only whoever created the order may report its steps. Use the token that created it."""


class StrangeHost(OrderlabError):
    """This lab does not answer at that Host. Use 127.0.0.1 or localhost, or name the host in ORDERLAB_ALLOWED_HOSTS."""


class OtherSite(OrderlabError):
    """A page of another site sent this, and such pages may only read. Send it from a program, or from our own page."""


class NotFound(OrderlabError):
    """There is nothing at this address. GET /openapi.json lists what there is."""


class UnknownOrder(NotFound):
    """There is no order with this id."""


class MethodNotAllowed(OrderlabError):
    """This address does not take that method. The Allow header lists those it takes."""


class OrderConflict(OrderlabError):
    """This order id is taken by an order with other content. Choose another id, or send the first content again."""

    outcome = Outcome.CONFLICT


class BodyTooLarge(OrderlabError):
    """The body is larger than 64 KiB. Send less."""


class UnsupportedMediaType(OrderlabError):
    """Send JSON, with the header 'Content-Type: application/json'."""


class InvalidOrder(OrderlabError):
    """The request has wrong fields; each is named in `errors`."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        super().__init__("; ".join(f"{p.field or _('body')} {p.problem}" for p in problems))
        self.problems = tuple(problems)


class DatabaseAway(OrderlabError):
    """PostgreSQL can't be reached just now. Nothing was lost; try again in a moment."""


class DatabaseBusy(OrderlabError):
    """PostgreSQL undid this several times, for others wanted the same rows. Nothing was lost; try again in a moment."""


class BrokerAway(OrderlabError):
    """RabbitMQ can't be reached just now. Try again in a moment."""


class AlreadyPublished(OrderlabError):
    """The message was published meanwhile, or somebody else is about to."""


class GatewayError(OrderlabError):
    """The payment gateway did not answer. It is tried again."""


class ApiAway(OrderlabError):
    """The Orders API does not answer. `./lab up` starts it; nothing is lost by trying again."""


class WebhookRefused(OrderlabError):
    """The inbox did not take the webhook. It is tried again."""


class WebhookGivenUp(OrderlabError):
    """The inbox did not take the webhook for so long that it is given up."""


class UnprocessableMessage(OrderlabError):
    """This message can't be processed, however often it is tried."""


HTTP_STATUS: dict[type[OrderlabError], HTTPStatus] = {
    NotJson: HTTPStatus.BAD_REQUEST,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    InvalidToken: HTTPStatus.UNAUTHORIZED,
    MissingScope: HTTPStatus.FORBIDDEN,
    NotYours: HTTPStatus.FORBIDDEN,
    StrangeHost: HTTPStatus.FORBIDDEN,
    OtherSite: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    UnknownOrder: HTTPStatus.NOT_FOUND,
    MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    OrderConflict: HTTPStatus.CONFLICT,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    InvalidOrder: HTTPStatus.UNPROCESSABLE_ENTITY,
    DatabaseAway: HTTPStatus.SERVICE_UNAVAILABLE,
    DatabaseBusy: HTTPStatus.SERVICE_UNAVAILABLE,
    BrokerAway: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The one table from errors to HTTP; whatever is not in it is a 500 that tells nothing of its inside."""


class LabError(OrderlabError):
    """What a notebook asked for can't be done."""
