"""Several users of one machine, each with a lab of their own, brought up at once. Needs root, for it makes the users.

`python -m tests.users 6 5`: six users, each with a clone of this project and an empty cache, five rounds.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg

from orderlab.identity import HEADER

ROOT = Path(__file__).parents[1]


@dataclass
class User:
    """A user of the machine, made for this; `command` runs their lab, whose folder is `lab`."""

    name: str
    home: Path
    command: list[str]
    lab: Path
    may_read_all: bool = False  # so that they can use an environment that lies in root's own folders

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command of the lab as this user."""
        become = ["setpriv", f"--reuid={self.name}", f"--regid={self.name}", "--clear-groups"]
        if self.may_read_all:
            become += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
            become += ["--securebits=+no_setuid_fixup"]  # so that access(2) knows of it, by which initdb looks
        told = {"HOME": str(self.home), "USER": self.name, "LOGNAME": self.name, "ORDERLAB_HOME": str(self.lab)}
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*become, *self.command, *words], cwd=self.home, env=kept | told, stdout=pipe, stderr=pipe, text=True
        )

    def run(self, *words: str) -> str:
        """Run one to its end, which must be a good one; what it says."""
        return said(self.start(*words))


def said(running: subprocess.Popen[str]) -> str:
    """What a command says; it must end well."""
    out, err = running.communicate(timeout=900)
    assert running.returncode == 0, out + err
    return out


@contextmanager
def made(number: int, folder: Path) -> Iterator[list[tuple[str, Path]]]:
    """So many users with their homes; they and their processes are gone afterwards."""
    names = [f"orderlab-{os.getpid()}-{one}" for one in range(number)]
    homes = [folder / name for name in names]
    try:
        for name, home in zip(names, homes, strict=True):
            subprocess.run(["useradd", "--create-home", "--home-dir", str(home), name], check=True, capture_output=True)
        yield list(zip(names, homes, strict=True))
    finally:
        for name in names:
            subprocess.run(["userdel", "--remove", "--force", name], check=False, capture_output=True)


def bring_up(users: list[User], *words: str) -> list[str]:
    """`./lab up` of all of them at once; what each printed."""
    running = [user.start("up", *words) for user in users]
    return [said(one) for one in running]


def check(users: list[User], printed: list[str]) -> None:
    """What each was told is true: an order through the API that was printed is in that user's database and no other."""
    placed = {user.name: _order(address(text, "API")) for user, text in zip(users, printed, strict=True)}
    for user, text in zip(users, printed, strict=True):
        state = json.loads((user.lab / "lab.json").read_text())
        assert httpx.get(f"{address(text, 'Portal')}/health").headers[HEADER] == state["lab"]
        with psycopg.connect(state["database_url"]) as owner:
            found = {row[0] for row in owner.execute("SELECT order_id FROM orders")}
        assert placed[user.name] in found
        assert not found & {order for name, order in placed.items() if name != user.name}
        assert json.loads(user.run("status", "--json"))["ready"]
    for name in ("API", "Portal"):
        assert len({address(text, name) for text in printed}) == len(users)


def address(text: str, name: str) -> str:
    """An address that `./lab up` printed."""
    found = re.search(rf"^{name} +(http\S+)$", text, re.MULTILINE)
    assert found, text
    return found[1]


def _order(api: str) -> str:
    with httpx.Client(base_url=api) as client:
        token = client.get("/login-demo").json()["access_token"]
        order_id = f"users-{os.urandom(6).hex()}"
        body: dict[str, Any] = {
            "order_id": order_id,
            "customer": {"name": "Ada", "email": "ada@example.com"},
            "items": [{"sku": "KEYBOARD", "quantity": 1}],
            "payment_token": "tok_ok",
        }
        answer = client.post("/orders", json=body, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 201, answer.text
    return order_id


def main(number: int, rounds: int) -> None:
    """Users with clones of their own. The first round is cold throughout; for the others the labs are deleted."""
    folder = Path(tempfile.mkdtemp(prefix="orderlab-users-"))
    folder.chmod(0o755)
    with made(number, folder) as names:
        users = []
        for name, home in names:
            clone = home / "orderlab"
            subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
            owner = pwd.getpwnam(name)
            for path in (clone, *clone.rglob("*")):
                os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
            users.append(User(name, home, [str(clone / "lab")], clone / ".orderlab"))
        for turn in range(1, rounds + 1):
            try:
                printed = bring_up(users)
                check(users, printed)
                print(f"round {turn}:", *(address(text, "API") for text in printed), flush=True)
            finally:
                for ended in [user.start("down") for user in users]:
                    ended.communicate(timeout=120)
            for user in users:
                for path in user.lab.iterdir():
                    if path.is_dir() and not path.is_symlink() and not path.name.startswith("venv"):
                        shutil.rmtree(path)
                    elif path.is_file():
                        path.unlink()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
