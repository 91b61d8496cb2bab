"""A throw-away PostgreSQL server on loopback, where its programs are installed. Shell."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_PLACES = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)
# Nothing here outlives the measurement, so nothing waits for a disk.
_SETTINGS = "fsync=off", "synchronous_commit=off", "full_page_writes=off", "listen_addresses=127.0.0.1"


def find_programs() -> Path | None:
    """Give the folder of an installed server's programs, the newest; None: there is none."""
    found = [path for place in _PLACES for path in Path("/").glob(place)]
    on_path = shutil.which("initdb")
    if on_path:
        found.append(Path(on_path).resolve().parent)
    whole = [path for path in found if (path / "initdb").exists() and (path / "pg_ctl").exists()]
    return max(whole, key=lambda path: [int(part) for part in path.parts if part.isdigit()], default=None)


@contextmanager
def running_cluster(programs: Path) -> Iterator["Cluster"]:
    """Start a server with an empty cluster, and stop it at the end."""
    with TemporaryDirectory(prefix="ops-cluster-") as name:
        root = Path(name)
        identity = _identity(root)
        data, port = root / "data", _free_port()
        _run([programs / "initdb", "-D", data, "-U", "ops", "-A", "trust", "-E", "UTF8", "-N"], identity)
        settings = [*_SETTINGS, f"port={port}", f"unix_socket_directories={root}"]
        with (data / "postgresql.auto.conf").open("a") as file:
            for setting in settings:
                key, value = setting.split("=", 1)
                file.write(f"{key} = '{value}'\n")
        _run([programs / "pg_ctl", "-D", data, "-l", root / "log", "-w", "start"], identity)
        try:
            yield Cluster(programs, port, identity)
        finally:
            _run([programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"], identity)


class Cluster:
    """A running server."""

    def __init__(self, programs: Path, port: int, identity: dict[str, Any]) -> None:
        """Take over where it listens."""
        self._programs = programs
        self._port = port
        self._identity = identity
        self._made = 0

    def new_database(self) -> str:
        """Make an empty database; give its address."""
        self._made += 1
        name = f"verify_{self._made}"
        where = ["-h", "127.0.0.1", "-p", str(self._port), "-U", "ops"]
        _run([self._programs / "createdb", *where, name], self._identity)
        return f"postgresql+psycopg://ops@127.0.0.1:{self._port}/{name}"


def _identity(root: Path) -> dict[str, Any]:
    """Give who runs the server: PostgreSQL refuses root, so root runs it as another user."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            account = pwd.getpwnam(name)
            os.chown(root, account.pw_uid, account.pw_gid)
            return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    return {}


def _run(command: Sequence[str | Path], identity: dict[str, Any]) -> None:
    done = subprocess.run(  # noqa: S603 - the server's own programs
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        check=False,
        **identity,
    )
    if done.returncode:
        raise ChildProcessError(f"{Path(command[0]).name}: expected exit 0, was {done.returncode}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
