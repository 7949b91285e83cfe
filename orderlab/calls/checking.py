"""What a notebook calls is checked here, and what goes wrong is told in one line.

`public` does that to a class's public methods, `checked` to one function: the arguments are bound and each must be of
its kind (kinds.py), and an error that is known becomes a `LabError` (or `Interrupted`), which shows as one line. An
error that is not known is a defect of the lab, and keeps its traceback.
"""

from __future__ import annotations

import functools
import inspect
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

import httpx
import psycopg
from amqp.exceptions import AMQPError
from kombu.exceptions import KombuError

from orderlab.calls import kinds
from orderlab.calls.interrupts import Interrupted
from orderlab.errors import LabError, OrderlabError
from orderlab.language import N_, _, spoken
from orderlab.nearest import nearest

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=type)

POSTGRESQL_AWAY = N_("PostgreSQL does not answer. `./lab status` says what runs; `./lab up` starts it.")
RABBITMQ_AWAY = N_("RabbitMQ does not answer. `./lab status` says what runs; `./lab up` starts it.")


class WrongCall(LabError):
    """The call does not fit."""


def public(cls: C) -> C:
    """Check the public methods of a class; what its objects say is in the language they were made in."""
    for name, member in list(vars(cls).items()):
        if name.startswith("_"):
            continue
        if isinstance(member, classmethod):
            method: Callable[..., Any] = member.__func__
            setattr(cls, name, classmethod(_checked(method, f"{cls.__name__}.{name}")))
        elif inspect.isfunction(member):
            setattr(cls, name, _checked(member, f"{cls.__name__}.{name}"))
    return spoken(cls)


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Check one function, or a method that `public` leaves alone."""
    return _checked(function, function.__qualname__.removesuffix(".__init__"))


def _checked(function: Callable[P, R], called: str) -> Callable[P, R]:
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        bound = _bound(signature, called, args, kwargs)
        try:
            return function(*bound.args, **bound.kwargs)
        except (OrderlabError, Interrupted):
            raise
        except KeyboardInterrupt:
            raise Interrupted from None
        except Exception as error:
            told = _told(error)
            if told is None:
                raise
            raise LabError(told) from None

    return call


def _bound(
    signature: inspect.Signature, called: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> inspect.BoundArguments:
    """The arguments by name, each as it is meant; raise `WrongCall` for one that does not fit."""
    parameters = signature.parameters
    takes = [name for name in parameters if name not in ("self", "cls")]
    if not any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        for name in kwargs:
            if name not in takes:
                known = ", ".join(takes) or _("nothing")
                raise WrongCall(
                    _(
                        "{called}() takes no {name!r}.{hint} It takes: {known}.",
                        called=called,
                        name=name,
                        hint=nearest(name, takes),
                        known=known,
                    )
                )
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        known = ", ".join(takes) or _("nothing")
        raise WrongCall(_("{called}(): {error}. It takes: {known}.", called=called, error=error, known=known)) from None
    for name, value in bound.arguments.items():
        parameter = parameters[name]
        if name in ("self", "cls") or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        if value is parameter.default or (value is None and "None" in str(parameter.annotation)):
            continue
        try:
            kind = kinds.KINDS.get(f"{called}.{name}") or kinds.KINDS.get(name, kinds.text)
            bound.arguments[name] = kind(value)
        except kinds.Unfit as unfit:
            wrong = (
                unfit.must
                if unfit.whole
                else _("{name} must be {must}, and not {shown}.", name=name, must=unfit.must, shown=kinds.shown(value))
            )
            raise WrongCall(f"{called}(): {wrong}") from None
    return bound


def _told(error: Exception) -> str | None:
    """What a person is told of this error; None if it is none that can be expected."""
    match error:
        case psycopg.OperationalError():
            return _(POSTGRESQL_AWAY)
        case psycopg.Error():
            return _("PostgreSQL refused: {first_line}", first_line=_first_line(error))
        case KombuError() | AMQPError():
            return _(RABBITMQ_AWAY)
        case httpx.HTTPError():
            return _(
                "There is no answer from {address}: {first_line}. `./lab status` says what runs.",
                address=_address(error),
                first_line=_first_line(error),
            )
        case sqlite3.Error():
            return _("The portal's own file can't be read: {first_line}.", first_line=_first_line(error))
        case OSError() if error.filename:
            return _(
                "{filename} can't be read or written: {strerror}.", filename=error.filename, strerror=error.strerror
            )
        case OSError():
            return _(
                "A server of the lab does not answer: {first_line}. `./lab status` says what runs.",
                first_line=_first_line(error),
            )
    return None


def _address(error: httpx.HTTPError) -> str:
    try:
        return str(error.request.url.copy_with(userinfo=b"", query=None))
    except RuntimeError:  # it has none
        return _("the lab")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
