"""Opens a driver connection to the database that a URL names. Shell."""

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ops_pipeline.domain.errors import ConfigurationError, LedgerError, MissingDataError

# How long a write waits for another connection's.
BUSY_S = 5.0
# As long as a lease lives without being renewed.
_STANDS_STILL_S = 15.0
# The folder beside a database where its copies lie.
BACKUPS = "backups"


def parse_url(text: str) -> URL:
    """Read a database URL; anything but SQLite and PostgreSQL raises ConfigurationError."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigurationError("database URL: expected sqlite:///file or postgresql://...") from None
    name = url.get_backend_name()
    if name not in ("sqlite", "postgresql"):
        raise ConfigurationError(f"database URL: expected sqlite or postgresql, was {name}")
    return url.set(drivername="sqlite" if name == "sqlite" else "postgresql+psycopg")


def open_writer(url: URL, *, durable: bool) -> Any:
    """Open a connection that commits each statement by itself until BEGIN.

    `durable` False leaves flushing to the operating system: for runs on a simulated clock only.
    """
    if url.get_backend_name() == "sqlite":
        return _open_sqlite(url, durable=durable)
    connection = _open_postgresql(url)
    # A process that stands still inside a transaction must not keep its lease's row from its successor.
    connection.execute(f"SET idle_in_transaction_session_timeout = '{_STANDS_STILL_S:g}s'")
    connection.execute(f"SET lock_timeout = '{BUSY_S:g}s'")
    if not durable:
        connection.execute("SET synchronous_commit = off")
    return connection


def open_reader(url: URL) -> Any:
    """Open a connection on which the database itself refuses every write."""
    if url.get_backend_name() != "sqlite":
        connection = _open_postgresql(url)
        connection.execute("SET default_transaction_read_only = on")
        return connection
    path = Path(url.database or "")
    if not path.is_file():
        raise MissingDataError(f"database: expected a SQLite file at {path}, found none")
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro",
        uri=True,
        timeout=BUSY_S,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.execute("PRAGMA query_only = ON")
    return connection


def _open_sqlite(url: URL, *, durable: bool) -> sqlite3.Connection:
    name = url.database or ":memory:"
    if name != ":memory:" and not Path(name).parent.is_dir():
        raise MissingDataError(f"database: expected a folder at {Path(name).parent}, found none")
    try:
        connection = sqlite3.connect(name, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    except sqlite3.OperationalError as error:
        raise MissingDataError(f"database {name}: {error}") from None
    try:
        for pragma in pragmas(durable=durable):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise damage(Path(name), str(error)) from None
    return connection


def damage(file: Path, problem: str) -> LedgerError:
    """Give the refusal of a damaged file, with the way back."""
    copies = sorted((file.parent / BACKUPS).glob("*.sqlite"))
    newest = f"`ops db restore {copies[-1]}`" if copies else "`ops db restore FILE` (no copy lies beside it)"
    return LedgerError(
        f"HALT: database {file}: its pages are damaged ({' '.join(problem.split())}). Nothing is decided "
        f"from it and no exit is watched. Restore the newest backup: {newest} keeps the damaged file; every "
        "account then stands at hard stop, and the first reconciliation books what the broker did since"
    )


def pragmas(*, durable: bool) -> tuple[str, ...]:
    """Give what a SQLite writer sets before anything else."""
    # Text is kept apart from numbers by STRICT tables, references by foreign_keys.
    return (
        "journal_mode = WAL",
        f"synchronous = {'FULL' if durable else 'OFF'}",
        "foreign_keys = ON",
        f"busy_timeout = {int(BUSY_S * 1000)}",
    )


def _open_postgresql(url: URL) -> Any:
    import psycopg

    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        return psycopg.connect(plain, autocommit=True)
    except psycopg.OperationalError as error:
        raise MissingDataError(f"database {url.render_as_string()}: {error}".strip()) from None
