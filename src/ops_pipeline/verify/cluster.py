"""A throw-away PostgreSQL cluster on loopback, where a server is installed. Shell."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_USER = "ops"
_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "timezone": "UTC",
}
# For what need not outlive the machine: nothing waits for a disk.
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresMissingError(Exception):
    """No PostgreSQL server is installed that could be started here."""


def find_binaries() -> Path | None:
    """Find the folder of the newest installed server's programs."""
    folders = [path for pattern in _PLACES for path in Path("/").glob(pattern.lstrip("/"))]
    if on_path := shutil.which("initdb"):
        folders.append(Path(on_path).resolve().parent)
    complete = [folder for folder in folders if (folder / "initdb").exists() and (folder / "pg_ctl").exists()]
    return max(complete, key=_server_version, default=None)


def binaries() -> Path:
    """Find the server's programs; PostgresMissingError where there are none."""
    found = find_binaries()
    if found is None:
        raise PostgresMissingError("no PostgreSQL server found (Debian: apt-get install postgresql)")
    return found


def start_cluster(root: Path, settings: dict[str, str]) -> str:
    """Start a cluster under `root`; give `user@host:port`."""
    programs = binaries()
    home = root / "server"
    home.mkdir()
    data = root / "data"
    if os.geteuid() == 0:
        account = _server_account()
        os.chown(root, account.pw_uid, account.pw_gid)
        os.chown(home, account.pw_uid, account.pw_gid)
    words = ("-U", _USER, "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
    _run_as_server([programs / "initdb", "-D", data, *words], root)
    port = _free_port()
    lines = {**_SETTINGS, **settings, "port": str(port), "unix_socket_directories": str(home)}
    with (data / "postgresql.auto.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in lines.items())
    # -l: a server that kept our output open would keep whoever waits for its end waiting
    _run_as_server([programs / "pg_ctl", "-D", data, "-l", home / "log", "-w", "-t", "60", "start"], root)
    return f"{_USER}@127.0.0.1:{port}"


def create_database(address: str, name: str) -> str:
    """Create an empty database; give its SQLAlchemy address."""
    server, port = address.rsplit(":", 1)
    user, host = server.split("@")
    words = [str(binaries() / "createdb"), "-h", host, "-p", port, "-U", user, name]
    subprocess.run(words, check=True, capture_output=True)  # noqa: S603 - the server's own program
    return url_of(address, name)


def stop_cluster(root: Path) -> None:
    """Stop the cluster under `root`, where one runs."""
    if (root / "data" / "postmaster.pid").exists():
        stop: list[str | Path] = [binaries() / "pg_ctl", "-D", root / "data", "-m", "immediate", "-w", "stop"]
        _run_as_server(stop, root, check=False)


def url_of(address: str, name: str) -> str:
    """Give the SQLAlchemy address of a database."""
    return f"postgresql+psycopg://{address}/{name}"


def _run_as_server(command: Sequence[str | Path], root: Path, *, check: bool = True) -> None:
    """Run a server program; as root under another user, since PostgreSQL refuses root."""
    identity: dict[str, Any] = {}
    if os.geteuid() == 0:
        account = _server_account()
        identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    done = subprocess.run(  # noqa: S603 - the server's own programs
        [str(word) for word in command],
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **identity,
    )
    if check and done.returncode:
        log = root / "server" / "log"
        told = log.read_text() if log.exists() else ""
        raise RuntimeError(f"{command[0]} failed: {done.stdout[-1000:]}{told[-1000:]}")


def _server_account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresMissingError("expected a user postgres or nobody to run the server as, found neither")


def _server_version(programs: Path) -> tuple[int, ...]:
    told = subprocess.run(  # noqa: S603 - the server's own program
        [str(programs / "initdb"), "--version"], capture_output=True, text=True, check=False
    )
    words = told.stdout.split()
    return tuple(int(part) for part in words[2].split(".") if part.isdigit()) if len(words) > 2 else ()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
