"""Plumbing for the relay: several messages in hand at once, so that one that takes long holds up nobody."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID

from eventlet.greenpool import GreenPool
from nameko.extensions import DependencyProvider

from orderlab.errors import OrderlabError
from orderlab.services.database import POOL_SIZE

T = TypeVar("T")

SIZE = POOL_SIZE - 2
"""Each keeps a connection while the broker confirms; the sweep and the journal's writer need one of their own."""

log = logging.getLogger(__name__)


class Crew(DependencyProvider):
    """A few greenlets that share work, and know what they have in hand."""

    def setup(self) -> None:
        self.in_hand: set[UUID] = set()
        self._pool = GreenPool(SIZE)
        self._failed = False

    def get_dependency(self, worker_ctx: Any) -> Crew:
        return self

    def work(self, waiting: Mapping[UUID, T], work: Callable[[T], None]) -> bool:
        """Have `work` done with each of these as hands get free; False, and the rest left, once one has failed."""
        self._failed = False
        for key, one in waiting.items():
            self.in_hand.add(key)
            self._pool.spawn_n(self._one, key, one, work)
            if self._failed:
                break
        return not self._failed

    def _one(self, key: UUID, one: T, work: Callable[[T], None]) -> None:
        try:
            work(one)
        except OrderlabError as error:
            self._failed = True
            log.warning("%s", error.detail)
        except Exception:
            self._failed = True
            log.exception("message %s", key)
        finally:
            self.in_hand.discard(key)
