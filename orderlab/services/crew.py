"""Plumbing for the relay: several messages in hand at once, so that one that takes long holds up nobody."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from eventlet.greenpool import GreenPool
from nameko.extensions import DependencyProvider

from orderlab.errors import OrderlabError

SIZE = 8

log = logging.getLogger(__name__)


class Crew(DependencyProvider):
    """A few greenlets that share work, and know what they have in hand."""

    def setup(self) -> None:
        self.in_hand: set[UUID] = set()
        self._pool = GreenPool(SIZE)
        self._failed = False

    def get_dependency(self, worker_ctx: Any) -> Crew:
        return self

    def work(self, keys: Iterable[UUID], work: Callable[[UUID], None]) -> bool:
        """Have `work` done for each key as hands get free; False, and the rest left, once one has failed."""
        self._failed = False
        for key in keys:
            self.in_hand.add(key)
            self._pool.spawn_n(self._one, key, work)
            if self._failed:
                break
        return not self._failed

    def _one(self, key: UUID, work: Callable[[UUID], None]) -> None:
        try:
            work(key)
        except OrderlabError as error:
            self._failed = True
            log.warning("%s", error.detail)
        except Exception:
            self._failed = True
            log.exception("message %s", key)
        finally:
            self.in_hand.discard(key)
