"""The laboratory's databases: copies of one that is migrated already. Shell."""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from ops_pipeline.adapters.store.emergency import Emergency
from ops_pipeline.adapters.store.store import SqlStore, open_store
from ops_pipeline.verify.market import at

DATABASE_ID = "ab12" * 8
HOLDER = "lab"
FILE = "lab.sqlite"

Opener = Callable[[Path, str, Callable[[], datetime]], SqlStore]


def open_database(folder: Path, holder: str, clock: Callable[[], datetime]) -> SqlStore:
    """Open the folder's database over a connection of its own; one that is not there is made."""
    file = folder / FILE
    if not file.exists():
        file.write_bytes(empty_database())
    return _open(file, holder, clock)


def _open(file: Path, holder: str, clock: Callable[[], datetime]) -> SqlStore:
    return open_store(
        f"sqlite:///{file}",
        durable=False,
        database_id=DATABASE_ID,
        holder=holder,
        clock=clock,
        emergency=Emergency(file.parent),
    )


@cache
def empty_database() -> bytes:
    """Give a migrated database; copying it spares every laboratory the migrations."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "empty.sqlite"
        _open(file, HOLDER, lambda: at(14)).close()
        return file.read_bytes()
