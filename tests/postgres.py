"""A throw-away PostgreSQL cluster on loopback, shared by all workers of one test run. Shell."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg

from ops_pipeline.verify.cluster import (
    NOT_DURABLE,
    PostgresMissingError,
    find_binaries,
    start_cluster,
    stop_cluster,
    url_of,
)

_PREFIX = "ops-pipeline-postgres-"


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
            find_or_install_binaries()
            address.write_text(start_cluster(root, NOT_DURABLE))
        return address.read_text()


def remove(root: Path) -> None:
    """Stop the cluster under `root`, if one runs, and remove its files."""
    stop_cluster(root)
    shutil.rmtree(root, ignore_errors=True)


@contextlib.contextmanager
def database(address: str, name: str) -> Iterator[str]:
    """Create an empty database, yield its SQLAlchemy address, and drop it afterwards."""
    _execute(address, f'CREATE DATABASE "{name}"')
    try:
        yield url_of(address, name)
    finally:
        _execute(address, f'DROP DATABASE "{name}" WITH (FORCE)')


def _execute(address: str, statement: str) -> None:
    with psycopg.connect(f"postgresql://{address}/postgres", autocommit=True) as connection:
        connection.execute(statement.encode())


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
