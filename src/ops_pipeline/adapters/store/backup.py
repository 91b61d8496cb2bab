"""Copies a whole database to one file and back; the file is SQLite whatever the database is. Shell."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Table, func, select
from sqlalchemy.dialects import postgresql, sqlite

from ops_pipeline.adapters.store import schema as s
from ops_pipeline.adapters.store import stage_schema
from ops_pipeline.adapters.store.connect import open_reader, open_writer, parse_url
from ops_pipeline.adapters.store.database import Database
from ops_pipeline.adapters.store.emergency import JOURNAL
from ops_pipeline.adapters.store.migrate import migrate, require_newest, revision_of
from ops_pipeline.adapters.store.verify import verify
from ops_pipeline.adapters.store.writer_lock import take_lock
from ops_pipeline.domain.errors import (
    ConfigurationError,
    LedgerError,
    MissingDataError,
    StoreUnavailableError,
)

_BATCH = 5_000
_TABLES = stage_schema.NEWS_ITEMS.metadata.sorted_tables
_HEADS = select(s.ACCOUNTS.c.account, s.ACCOUNTS.c.seq, s.ACCOUNTS.c.head).order_by(s.ACCOUNTS.c.account)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What a copy holds: its file or URL, rows, and each account's newest event (number, hash)."""

    to: str
    rows: int
    heads: dict[str, tuple[int, str]]


def back_up(url: str, target: Path, *, say: Callable[[str], None] = lambda _: None) -> Copied:
    """Copy the database at `url`, as one instant saw it, to a new file; writers go on meanwhile.

    The file appears only once it is complete, checked against its own hash chains and on disk; it is
    readable by its owner alone. An existing target raises ConfigurationError.
    """
    if target.exists():
        raise ConfigurationError(f"backup: expected a new file, {target} exists")
    if not target.parent.is_dir():
        raise MissingDataError(f"backup: expected a folder at {target.parent}, found none")
    parsed = parse_url(url)
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        with closing(Database(open_reader(parsed), parsed, writable=False)) as source:
            require_newest(source)
            if source.is_sqlite:
                _copy_file(source.connection, part)
            else:
                with _file(part) as copy, source.one_instant():
                    _copy_rows(source, copy, say)
        copied = _checked(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    part.replace(target)
    _flush(target.parent)
    return copied


def restore(source: Path, url: str, *, say: Callable[[str], None] = lambda _: None) -> Copied:
    """Put a copy back as the database at `url`.

    A SQLite file that stands there is kept beside it with the ending `.before-restore`; PostgreSQL must be
    empty. A copy that does not verify, or a database with a living writer, is refused and nothing changes.
    """
    if not source.is_file():
        raise MissingDataError(f"backup: expected a file at {source}, found none")
    _checked(source, source)
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _restore_file(source, Path(parsed.database or ""))
    with closing(Database(open_writer(parsed, durable=True), parsed, writable=True)) as target:
        if take_lock(parsed, target.connection) is None:
            raise ConfigurationError("restore: expected no process writing to the database, found one")
        _require_empty(target)
        migrate(target)
        with _opened(source) as copy, target.transaction():
            rows = _copy_rows(copy, target, say)
        return Copied(to=parsed.render_as_string(), rows=rows, heads=_heads(target))


def _restore_file(source: Path, target: Path) -> Copied:
    url = parse_url(f"sqlite:///{target}")
    lock = take_lock(url, None)
    if lock is None:
        raise ConfigurationError(f"restore: expected no process writing to {target}, found one")
    try:
        part = target.with_name(target.name + ".part")
        part.unlink(missing_ok=True)
        with closing(_plain(source)) as copy:
            _copy_file(copy, part)
        copied = _checked(part, target)
        _set_aside(target)
        part.replace(target)
        _flush(target.parent)
        return copied
    finally:
        lock.release()


def _set_aside(target: Path) -> None:
    # The write-ahead log belongs to the file it was written for: it goes with it, or it would be
    # played into the restored one.
    for ending in ("", "-wal", "-shm"):
        file = target.with_name(target.name + ending)
        with suppress(FileNotFoundError):
            file.replace(target.with_name(f"{target.name}.before-restore{ending}"))
    # So does an emergency journal: it goes on from the chain that is set aside.
    with suppress(FileNotFoundError):
        journal = target.with_name(JOURNAL)
        journal.replace(target.with_name(f"{JOURNAL}.before-restore"))


def _checked(file: Path, name: Path) -> Copied:
    """Check a copy's pages, revision and chains; LedgerError where something does not fit."""
    try:
        with _opened(file) as copy:
            problems = [str(row[0]) for row in copy.connection.execute("PRAGMA integrity_check")]
            if problems != ["ok"]:
                raise LedgerError(f"backup {name}: its pages are damaged: {problems[0]}")
            require_newest(copy)
            findings = verify(copy)
            if findings:
                raise LedgerError(f"backup {name}: does not verify: {findings[0]}")
            rows = sum(copy.rows(select(func.count()).select_from(t))[0][0] for t in _TABLES)
            return Copied(to=str(name), rows=rows, heads=_heads(copy))
    except (sqlite3.DatabaseError, StoreUnavailableError) as error:
        raise LedgerError(f"backup {name}: expected a SQLite database: {error}") from None


def _heads(database: Database) -> dict[str, tuple[int, str]]:
    return {str(account): (int(seq), str(head)) for account, seq, head in database.rows(_HEADS)}


def _copy_file(source: sqlite3.Connection, target: Path) -> None:
    with closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
    target.chmod(0o600)
    _flush(target)


def _copy_rows(source: Database, target: Database, say: Callable[[str], None]) -> int:
    copied = 0
    for table in _TABLES:
        count = 0
        for batch in _batches(source, table):
            count += target.insert(table, batch)
        say(f"{table.name}: {count:,} rows")
        copied += count
    return copied


def _batches(source: Database, table: Table) -> Iterator[list[dict[str, object]]]:
    """Give a table's rows in portions, in the order of its key, so that no table is held whole."""
    dialect = sqlite.dialect() if source.is_sqlite else postgresql.dialect()  # type: ignore[no-untyped-call]
    names = [column.name for column in table.columns]
    statement = str(select(table).order_by(*table.primary_key).compile(dialect=dialect))
    # A named cursor leaves the rows on PostgreSQL's side until they are fetched.
    connection = source.connection
    with closing(connection.cursor() if source.is_sqlite else connection.cursor(name="backup")) as cursor:
        cursor.execute(statement)
        while rows := cursor.fetchmany(_BATCH):
            yield [dict(zip(names, row, strict=True)) for row in rows]


def _require_empty(target: Database) -> None:
    if revision_of(target) is None:
        return
    require_newest(target)
    if target.rows(select(s.META.c.name)):
        raise ConfigurationError("restore: expected an empty PostgreSQL database, found one in use")


@contextmanager
def _file(path: Path) -> Iterator[Database]:
    """Open a new copy for writing, its tables made, its rows one transaction."""
    url = parse_url(f"sqlite:///{path}")
    with closing(Database(open_writer(url, durable=True), url, writable=True)) as copy:
        migrate(copy)
        with copy.transaction():
            yield copy
        copy.connection.execute("PRAGMA journal_mode = DELETE")


@contextmanager
def _opened(path: Path) -> Iterator[Database]:
    with closing(Database(_plain(path), parse_url(f"sqlite:///{path}"), writable=False)) as copy:
        yield copy


def _plain(path: Path) -> sqlite3.Connection:
    """Open a copy that nobody writes to: no log, no lock, no files made beside it."""
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
    connection.isolation_level = None
    return connection


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
