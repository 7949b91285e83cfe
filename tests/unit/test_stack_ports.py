"""Which ports a lab takes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from orderlab.stack import ports


@pytest.fixture
def stranger() -> Iterator[int]:
    """A port on which another program listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_well_known_port_is_taken_where_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ports.PREFERRED, "portal", free())
    with ports.chosen(["portal"], {}) as choice:
        assert choice.ports == {"portal": ports.PREFERRED["portal"]}


def test_another_port_is_taken_where_the_well_known_one_is_not_free(
    stranger: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ports.PREFERRED, "portal", stranger)
    with ports.chosen(["portal"], {}) as choice:
        assert choice.ports["portal"] != stranger
        assert not choice.lines


def test_the_port_of_the_last_time_is_kept() -> None:
    port = free()
    with ports.chosen(["portal"], {"portal": port}) as choice:
        assert choice.ports == {"portal": port}


def test_a_remembered_port_that_a_stranger_has_is_told_in_one_line(stranger: int) -> None:
    with ports.chosen(["erlang"], {"erlang": stranger}) as choice:
        now = choice.ports["erlang"]
        assert choice.lines == [f"Port {stranger} is taken by another program: erlang is at {now} now."]


def test_a_port_that_another_lab_keeps_is_left_to_it_though_nothing_listens_there() -> None:
    port = free()
    with ports.chosen(["portal"], {"portal": port}), ports.chosen(["portal"], {"portal": port}) as other:
        assert other.ports["portal"] != port
    with ports.chosen(["portal"], {"portal": port}) as again:
        assert again.ports["portal"] == port


def test_a_lab_of_another_user_whose_cache_is_elsewhere_keeps_its_ports_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free()
    with ports.chosen(["portal"], {"portal": port}):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another user's"))
        with ports.chosen(["portal"], {"portal": port}) as other:
            assert other.ports["portal"] != port


def test_two_programs_never_get_one_port() -> None:
    port = free()
    with ports.chosen(["erlang", "epmd"], {"erlang": port, "epmd": port}) as choice:
        assert len(set(choice.ports.values())) == 2
