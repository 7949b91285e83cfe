"""A RabbitMQ to run: the installed one, else one unpacked from Debian's packages into the cache."""

from __future__ import annotations

import os
import platform
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from orderlab.bootstrap import cache, debian
from orderlab.bootstrap.console import Unready, progress
from orderlab.language import N_, _

# Debian and Fedora keep the plain script here; what lies on PATH there insists on being root or rabbitmq.
_PLAIN_SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_ELSEWHERE = ("/opt/homebrew/sbin", "/usr/local/sbin", "/usr/sbin")
_HOW_TO_GET_IT = N_(
    "No RabbitMQ was found. Get one: on macOS `brew install rabbitmq`; on Debian, Ubuntu and "
    "Windows (in WSL) `sudo apt-get install rabbitmq-server`; on Fedora `sudo dnf install "
    "rabbitmq-server`; or name a running one in ORDERLAB_AMQP_URL."
)


@dataclass(frozen=True)
class Broker:
    """What starts RabbitMQ, and the folders its programs and libraries need first on their paths."""

    script: Path
    programs: Path | None = None
    libraries: Path | None = None


def installed() -> Broker | None:
    """The RabbitMQ that is installed on this machine, if any."""
    if _PLAIN_SCRIPT.exists() and shutil.which("erl"):
        return Broker(_PLAIN_SCRIPT)
    path = os.pathsep.join((os.environ.get("PATH", ""), *_ELSEWHERE))
    found = shutil.which("rabbitmq-server", path=path)
    return Broker(Path(found)) if found and not debian.available() else None


def cached() -> Broker | None:
    """The RabbitMQ that an earlier `find` unpacked, if any."""
    root = _folder()
    return _broker(root) if root.exists() else None


def find() -> Broker:
    """The installed RabbitMQ, the cached one, or one fetched now; `Unready` says how to get one."""
    if broker := installed() or cached():
        return broker
    if not debian.available():
        raise Unready(_HOW_TO_GET_IT)
    with progress("fetching RabbitMQ (about 40 MB, once)", "RabbitMQ fetched"):
        try:
            debian.unpack("rabbitmq-server", _folder(), kin=("erlang-",), adjust=_relocate)
        except Unready as reason:
            raise Unready(f"{_(_HOW_TO_GET_IT)} {_('(Fetching it failed: {reason})', reason=reason)}") from reason
    return _broker(_folder())


def _folder() -> Path:
    release = platform.freedesktop_os_release() if debian.available() else {}
    name = f"{release.get('ID', 'other')}{release.get('VERSION_ID', '')}"
    return cache.folder() / f"rabbitmq-{name}-{platform.machine()}"


def _broker(root: Path) -> Broker:
    libraries = next(iter(sorted(root.glob("usr/lib/*-linux-*"))), None)
    return Broker(root / "usr/lib/rabbitmq/bin/rabbitmq-server", root / "usr/lib/erlang/bin", libraries)


def _relocate(root: Path) -> None:
    """Erlang's start scripts name the folder it was built for; they must name the one it is in."""
    home = _folder() / "usr/lib/erlang"
    for script in (root / "usr/lib/erlang/bin/erl", *root.glob("usr/lib/erlang/erts-*/bin/erl")):
        if script.is_file():
            script.write_text(re.sub(r"ROOTDIR=/usr/lib/erlang\b", f'ROOTDIR="{home}"', script.read_text()))
