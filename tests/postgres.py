"""A throw-away PostgreSQL cluster on loopback, shared by all workers of one test run. Shell."""

import contextlib
import fcntl
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

_USER = "ops"
_PREFIX = "ops-pipeline-postgres-"
_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
# Nothing here outlives the run, so nothing waits for a disk.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "timezone": "UTC",
}


class PostgresMissingError(Exception):
    """No PostgreSQL server is installed, and this is not the place to install one."""


def find_binaries() -> Path | None:
    """Find the folder of the newest installed server's programs."""
    folders = [path for pattern in _PLACES for path in Path("/").glob(pattern.lstrip("/"))]
    if on_path := shutil.which("initdb"):
        folders.append(Path(on_path).resolve().parent)
    complete = [folder for folder in folders if (folder / "initdb").exists() and (folder / "pg_ctl").exists()]
    return max(complete, key=_server_version, default=None)


def find_or_install_binaries() -> Path:
    """Find the server's programs; install them from Debian as root in CI, refuse in words elsewhere."""
    if found := find_binaries():
        return found
    in_ci = os.environ.get("CI", "").lower() in {"1", "true"}
    if not (in_ci and os.geteuid() == 0 and shutil.which("apt-get")):
        message = "no PostgreSQL server found (Debian: apt-get install postgresql)"
        raise PostgresMissingError(message)
    install_binaries()
    if found := find_binaries():
        return found
    message = "the package postgresql was installed, yet no initdb was found"
    raise PostgresMissingError(message)


def install_binaries() -> None:
    """Install Debian's server. The cluster the package makes for itself is neither used nor in the way."""
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", "postgresql"]):
        command = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120", *arguments]
        done = subprocess.run(
            command, env=quiet, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            message = f"{' '.join(command)} failed: {done.stderr[-500:]}"
            raise PostgresMissingError(message)


def new_root() -> Path:
    """Make the folder of a run's cluster and clear away those of runs that were killed."""
    parent = Path(tempfile.gettempdir())
    for left in parent.glob(f"{_PREFIX}*"):
        if not _is_alive(int(left.name.removeprefix(_PREFIX).split("-")[0])):
            remove(left)
    root = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
    root.chmod(0o755)
    return root


def start(root: Path) -> str:
    """Start the run's cluster unless another worker has, and yield its address without a database."""
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        address = root / "address"
        if not address.exists():
            address.write_text(_start_cluster(root))
        return address.read_text()


def remove(root: Path) -> None:
    """Stop the cluster under `root`, if one runs, and remove its files."""
    if (root / "data" / "postmaster.pid").exists():
        binaries = find_binaries()
        assert binaries is not None, "a cluster runs, so its programs are there"
        stop = [binaries / "pg_ctl", "-D", root / "data", "-m", "immediate", "-w", "stop"]
        _run_as_server(stop, root, check=False)
    shutil.rmtree(root, ignore_errors=True)


@contextlib.contextmanager
def database(address: str, name: str) -> Iterator[str]:
    """Create an empty database, yield its SQLAlchemy address, and drop it afterwards."""
    _execute(address, f'CREATE DATABASE "{name}"')
    try:
        yield f"postgresql+psycopg://{address}/{name}"
    finally:
        _execute(address, f'DROP DATABASE "{name}" WITH (FORCE)')


def _execute(address: str, statement: str) -> None:
    with psycopg.connect(f"postgresql://{address}/postgres", autocommit=True) as connection:
        connection.execute(statement.encode())


def _start_cluster(root: Path) -> str:
    binaries = find_or_install_binaries()
    home = root / "server"
    home.mkdir()
    data = root / "data"
    if os.geteuid() == 0:
        account = _server_account()
        os.chown(root, account.pw_uid, account.pw_gid)
        os.chown(home, account.pw_uid, account.pw_gid)
    create = [binaries / "initdb", "-D", data, "-U", _USER, "-A", "trust", "-E", "UTF8", "--no-locale", "-N"]
    _run_as_server(create, root)
    port = _free_port()
    settings = _SETTINGS | {"port": str(port), "unix_socket_directories": str(home)}
    with (data / "postgresql.auto.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    # -l: a server that kept our output open would keep whoever waits for its end waiting
    _run_as_server([binaries / "pg_ctl", "-D", data, "-l", home / "log", "-w", "-t", "60", "start"], root)
    return f"{_USER}@127.0.0.1:{port}"


def _run_as_server(command: list[str | Path], root: Path, *, check: bool = True) -> None:
    """Run a server program; as root under another user, since PostgreSQL refuses root."""
    identity = {}
    if os.geteuid() == 0:
        account = _server_account()
        identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    done = subprocess.run(
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
        message = f"{command[0]} failed: {done.stdout[-1000:]}{told[-1000:]}"
        raise RuntimeError(message)


def _server_account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    message = "expected a user postgres or nobody to run the server as, found neither"
    raise PostgresMissingError(message)


def _server_version(binaries: Path) -> tuple[int, ...]:
    told = subprocess.run([binaries / "initdb", "--version"], capture_output=True, text=True, check=False)
    words = told.stdout.split()
    return tuple(int(part) for part in words[2].split(".") if part.isdigit()) if len(words) > 2 else ()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
