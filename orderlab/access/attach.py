"""Finding the running lab from a notebook."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from orderlab.errors import LabError
from orderlab.language import _
from orderlab.settings import Settings
from orderlab.stack.home import Home, default_home


class NoLab(LabError):
    """There is no lab running here. Start it in a terminal: ./lab up"""


@dataclass(frozen=True, repr=False)
class Attached:
    """Addresses of a running lab, and the key its API signs tokens with. Holds secrets, so it does not show itself."""

    api_url: str
    portal_url: str
    amqp_url: str
    database_url: str
    jwt_secret: str
    home: Path | None  # None: reached by addresses alone


def is_told() -> bool:
    """Whether the environment says where the lab is, as it does in a container."""
    return "ORDERLAB_API_URL" in os.environ and "ORDERLAB_HOME" not in os.environ


def attach(home: str | Path | None = None) -> Attached:
    """The lab in this home; else in ORDERLAB_HOME, at ORDERLAB_API_URL, or in a `.orderlab` from here upward.

    Raises `NoLab` if there is none, or if it does not answer.
    """
    lab = _known(home)
    try:
        httpx.get(f"{lab.api_url}/health/live", timeout=5, trust_env=False).raise_for_status()
    except httpx.HTTPError:
        raise NoLab(
            _("The lab does not answer at {api_url}. Start it in a terminal: ./lab up", api_url=lab.api_url)
        ) from None
    return lab


def _known(home: str | Path | None) -> Attached:
    if home is None and is_told():
        told = Settings.from_environment()
        return Attached(told.api_url, told.portal_url, told.amqp_url, told.database_url, told.jwt_secret, None)
    for folder in _homes(home):
        if state := Home(folder).state():
            secret = Home(folder).secrets()["jwt"]
            return Attached(state.api_url, state.portal_url, state.amqp_url, state.database_url, secret, folder)
    raise NoLab


def _homes(home: str | Path | None) -> Iterator[Path]:
    if home is not None:
        yield Path(home)
        return
    if "ORDERLAB_HOME" not in os.environ:
        here = Path.cwd()
        yield from (folder / ".orderlab" for folder in (here, *here.parents))
    yield default_home()
