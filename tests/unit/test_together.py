"""Writing together: nobody goes on before its thing is written, and nobody suffers from another's."""

from __future__ import annotations

from eventlet.event import Event as Signal
from eventlet.greenthread import sleep, spawn

from orderlab.errors import DatabaseAway
from orderlab.services.together import Together


class Disk:
    """What is written to; each write waits until it is let through."""

    def __init__(self) -> None:
        self.writes: list[list[str]] = []
        self.gate = Signal()
        self.bad: Exception | None = None

    def write(self, things: list[str]) -> None:
        self.writes.append(list(things))
        self.gate.wait()
        if self.bad and "bad" in things:
            raise self.bad


def outcome(together: Together[str], thing: str) -> str:
    try:
        together(thing)
    except Exception as error:
        return type(error).__name__
    return "written"


def run(disk: Disk, *things: str) -> list[str]:
    together = Together(disk.write)
    threads = [spawn(outcome, together, thing) for thing in things]
    sleep(0)
    assert disk.writes == [[things[0]]]  # the others gather
    assert not any(thread.dead for thread in threads)
    disk.gate.send()
    return [thread.wait() for thread in threads]


def test_what_gathers_while_one_is_written_is_written_as_one_and_each_waits_for_it() -> None:
    disk = Disk()
    assert run(disk, "1", "2", "3") == ["written"] * 3
    assert disk.writes == [["1"], ["2", "3"]]


def test_one_that_can_not_be_written_keeps_no_other_from_it() -> None:
    disk = Disk()
    disk.bad = ValueError()
    assert run(disk, "1", "bad", "3") == ["written", "ValueError", "written"]
    assert sorted(disk.writes[2:]) == [["3"], ["bad"]]


def test_while_the_database_is_away_each_is_told_and_nothing_is_tried_again() -> None:
    disk = Disk()
    disk.bad = DatabaseAway()
    assert run(disk, "1", "bad", "3") == ["written", "DatabaseAway", "DatabaseAway"]
    assert disk.writes == [["1"], ["bad", "3"]]
