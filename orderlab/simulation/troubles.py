"""What goes wrong in a scenario, and when: the same for the lab and for the model. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

from orderlab.simulation.checks import number, whole


@dataclass(frozen=True)
class WorkerCrash:
    """A worker is killed at `at` seconds, and is back after `restart` more; `which` counts the workers from 0."""

    at: float
    restart: float = 2.0
    which: int = 0

    def __post_init__(self) -> None:
        number("at", self.at)
        number("restart", self.restart)
        whole("which", self.which)


@dataclass(frozen=True)
class SlowGateway:
    """From `at` on, for `lasts` seconds, each payment (15) that begins takes `seconds` more."""

    at: float
    lasts: float
    seconds: float

    def __post_init__(self) -> None:
        number("at", self.at)
        number("lasts", self.lasts, above=True)
        number("seconds", self.seconds, above=True)


@dataclass(frozen=True)
class BrokerOutage:
    """RabbitMQ is away from `at` on, for `lasts` seconds: what should be published is deferred to the relay."""

    at: float
    lasts: float

    def __post_init__(self) -> None:
        number("at", self.at)
        number("lasts", self.lasts, above=True)


Trouble = WorkerCrash | SlowGateway | BrokerOutage
"""Everything that can be planned to go wrong."""
