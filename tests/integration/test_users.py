"""Labs of several users of one machine, brought up at the same moment."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orderlab.bootstrap import cache
from tests import users

USERS = 3


@pytest.fixture
def several(tmp_path: Path) -> Iterator[list[users.User]]:
    """Users with nothing up; they share this run's environment and the RabbitMQ that was fetched for it."""
    if os.getuid() or not shutil.which("setpriv") or not shutil.which("useradd"):
        pytest.skip("only root can run labs as several users of the machine (with useradd and setpriv)")
    with users.made(USERS, tmp_path) as names:
        everybody = []
        for name, home in names:
            (home / ".cache").mkdir()
            (home / ".cache/orderlab").symlink_to(cache.folder())
            os.chown(home / ".cache", pwd.getpwnam(name).pw_uid, -1)
            command = [sys.executable, "-P", "-m", "orderlab.cli"]
            everybody.append(users.User(name, home, command, home / "lab", may_read_all=True))
        try:
            yield everybody
        finally:
            for ended in [user.start("down") for user in everybody]:
                ended.communicate(timeout=120)


def test_users_who_start_at_once_get_a_lab_each_and_are_told_the_truth(several: list[users.User]) -> None:
    users.check(several, users.bring_up(several, "--no-jupyter"))
