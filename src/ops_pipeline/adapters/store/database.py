"""One connection: prepared statements, transactions that begin with the first write. Shell."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from threading import RLock
from time import perf_counter
from typing import Any

from sqlalchemy import Executable, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL

from ops_pipeline.adapters.store.connect import BUSY_S
from ops_pipeline.adapters.store.troubles import failures_of, trouble_of
from ops_pipeline.domain.errors import ConfigurationError, LedgerError, StoreUnavailableError

Row = dict[str, Any]

# Statements are constants of this package and compile to the same text for every connection of a dialect.
_COMPILED: dict[tuple[bool, int], tuple[Executable, str, Row]] = {}
_INSERTS: dict[tuple[bool, str, str], str] = {}
_NOW_ON_SQLITE = "SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000"
_NOW_ON_POSTGRESQL = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


class Database:
    """A driver connection and the statements that run on it; `commits` counts what was committed.

    `slowest_s` is the longest a transaction waited for its lock or for the disk.

    Statements are SQLAlchemy Core's, compiled once; they run on the driver, which is 5 times faster
    than an engine for the single rows that a ledger is made of.
    """

    def __init__(self, connection: Any, url: URL, *, writable: bool, exclusive: bool = False) -> None:
        """Take a connection over; `exclusive`: the caller vouches that nobody else writes meanwhile."""
        self.exclusive = exclusive
        self.connection = connection
        self.url = url
        self.writable = writable
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.commits = 0
        self.rollbacks = 0
        self.changed = 0
        self.slowest_s = 0.0
        self.before_commit: list[Callable[[], None]] = []
        self.on_end: list[Callable[[bool], None]] = []
        self._lock = RLock()
        self._depth = 0
        self._begun = False
        self._doomed = False
        self._version = 0
        self._cursor = connection.cursor()
        self._probe = connection.cursor()
        self.integrity_error: type[Exception] = _integrity_error(is_sqlite=self.is_sqlite)
        self._failures = failures_of(is_sqlite=self.is_sqlite)
        self._in_trouble = False
        self._dialect = (
            sqlite.dialect(paramstyle="named") if self.is_sqlite else postgresql.psycopg.dialect()  # type: ignore[no-untyped-call]
        )

    def close(self) -> None:
        """Close the connection; what is not committed is lost."""
        self._cursor.close()
        self._probe.close()
        self.connection.close()

    def rows(self, statement: Executable, **values: Any) -> list[tuple[Any, ...]]:
        """Run a query and give its rows."""
        text, defaults = self._text_of(statement)
        with self._lock:
            self._execute(text, {**defaults, **values})
            rows: list[tuple[Any, ...]] = self._cursor.fetchall()
        return rows

    def dicts(self, statement: Executable, **values: Any) -> list[Row]:
        """Run a query and give its rows by column name."""
        text, defaults = self._text_of(statement)
        with self._lock:
            self._execute(text, {**defaults, **values})
            names = [column[0] for column in self._cursor.description]
            return [dict(zip(names, row, strict=True)) for row in self._cursor.fetchall()]

    def batches(self, statement: Executable, size: int, **values: Any) -> Iterator[list[Row]]:
        """Run a query and give its rows by column name, `size` at a time, so that none is held whole."""
        text, defaults = self._text_of(statement)
        with closing(self.connection.cursor()) as cursor:
            cursor.execute(text, {**defaults, **values})
            names = [column[0] for column in cursor.description]
            while rows := cursor.fetchmany(size):
                yield [dict(zip(names, row, strict=True)) for row in rows]

    @contextmanager
    def one_instant(self) -> Iterator[None]:
        """Read all that is read meanwhile as one instant saw it, whatever others write."""
        whole = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
        self.connection.execute("BEGIN" if self.is_sqlite else whole)
        try:
            yield
        finally:
            self.connection.execute("ROLLBACK")

    def write(self, statement: Executable, **values: Any) -> int:
        """Run one changing statement inside the transaction; give the rows it changed."""
        text, defaults = self._text_of(statement)
        return self._run(text, [{**defaults, **values}])

    def insert(self, table: Table, rows: Sequence[Mapping[str, Any]], *, on_conflict: str = "error") -> int:
        """Insert rows; where the primary key exists: "error", "ignore" or "update". Give the changes."""
        if not rows:
            return 0
        return self._run(self._insert_text(table, on_conflict), rows)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Group writes into one commit; nothing is committed where no row changed.

        Inner transactions join the outer one. An inner one that fails after it wrote dooms the outer.
        """
        with self._lock:
            before, self._depth = self.changed, self._depth + 1
            try:
                yield
                self._guard()
            except BaseException:
                self._doomed = self._doomed or self.changed != before or self._broken()
                self._leave(failed=True)
                raise
            self._leave(failed=False)

    def now_us(self) -> int:
        """Give the database's own clock in microseconds UTC, which all its writers share."""
        with self._lock:
            self._probe.execute(_NOW_ON_SQLITE if self.is_sqlite else _NOW_ON_POSTGRESQL)
            now: int = self._probe.fetchone()[0]
        return now

    def freshness(self) -> object:
        """Give a token that stays equal as long as only this connection changed the database.

        PostgreSQL has none that is cheap, so there every token differs and what is kept is read again.
        """
        if self.exclusive:
            return self.rollbacks
        if not self.is_sqlite:
            return object()
        if not self._begun:  # inside a transaction nobody else can write
            try:
                self._version = self._probe.execute("PRAGMA data_version").fetchone()[0]
            except self._failures as error:
                self._raise_trouble(error)
                raise
        return (self._version, self.rollbacks)

    def begin(self) -> None:
        """Take the write lock now, so that what is read next cannot change before it is written."""
        if not self.writable:
            raise ConfigurationError("database: opened for reading, was asked to write")
        if not self._begun:
            self._timed("BEGIN IMMEDIATE" if self.is_sqlite else "BEGIN")
            self.freshness()
            self._begun = True

    def _run(self, text: str, rows: Sequence[Mapping[str, Any]]) -> int:
        with self._lock:
            if not self._depth:
                with self.transaction():
                    return self._run(text, rows)
            self.begin()
            self._execute(text, *rows)
            changed: int = self._cursor.rowcount
            self.changed += changed
            return changed

    def _execute(self, text: str, *rows: Mapping[str, Any]) -> None:
        try:
            if len(rows) > 1:
                self._cursor.executemany(text, rows)
            elif rows:
                self._cursor.execute(text, rows[0])
            else:
                self._cursor.execute(text)
        except self._failures as error:
            self._raise_trouble(error)
            raise

    def _timed(self, text: str) -> None:
        began = perf_counter()
        try:
            self._execute(text)
        finally:
            self.slowest_s = max(self.slowest_s, perf_counter() - began)

    def _raise_trouble(self, error: Exception) -> None:
        """Say where a database cannot work; from then on nothing waits for a lock, until a commit works."""
        trouble = trouble_of(error)
        if trouble is not None:
            self._wait_for_locks(not_now=True)
            raise trouble from error

    def _wait_for_locks(self, *, not_now: bool) -> None:
        if self.is_sqlite and self._in_trouble is not not_now:
            self._in_trouble = not_now
            with suppress(*self._failures):
                self.connection.execute(f"PRAGMA busy_timeout = {0 if not_now else int(BUSY_S * 1000)}")

    def _guard(self) -> None:
        """Let who must agree to a commit object to it."""
        if self._depth == 1 and self._begun and self.changed > 0 and not self._doomed:
            for agree in self.before_commit:
                agree()

    def _broken(self) -> bool:
        # PostgreSQL refuses everything after a failed statement until the transaction ends.
        return (
            self._begun and not self.is_sqlite and self.connection.info.transaction_status.name == "INERROR"
        )

    def _leave(self, *, failed: bool) -> None:
        self._depth -= 1
        if self._depth or not self._begun:
            self._doomed = self._doomed and self._depth > 0
            return
        keep = self.changed > 0 and not failed and not self._doomed
        doomed, self._doomed, self._begun = self._doomed, False, False
        changed, self.changed = self.changed, 0
        trouble = self._end(keep=keep)
        keep = keep and trouble is None
        self.commits += keep
        self.rollbacks += changed > 0 and not keep
        for notify in self.on_end:
            notify(keep)
        if trouble is not None and not failed:
            raise trouble
        if doomed and not failed:
            raise LedgerError("transaction: a part of it failed, so nothing of it was stored")

    def _end(self, *, keep: bool) -> StoreUnavailableError | None:
        """Commit or roll back; give what stood in the way: then nothing was stored."""
        if self.is_sqlite and not self.connection.in_transaction:
            return None  # a database out of room has rolled back by itself
        try:
            self._timed("COMMIT" if keep else "ROLLBACK")
        except StoreUnavailableError as trouble:
            with suppress(*self._failures):
                self._cursor.execute("ROLLBACK")
            return trouble
        if keep:
            self._wait_for_locks(not_now=False)
        return None

    def _text_of(self, statement: Executable) -> tuple[str, Row]:
        key = (self.is_sqlite, id(statement))
        known = _COMPILED.get(key)
        if known is None:
            compiled = statement.compile(dialect=self._dialect)  # type: ignore[attr-defined]
            defaults = {name: value for name, value in compiled.params.items() if value is not None}
            known = _COMPILED[key] = (statement, str(compiled), defaults)
        return known[1], known[2]

    def _insert_text(self, table: Table, on_conflict: str) -> str:
        key = (self.is_sqlite, table.name, on_conflict)
        text = _INSERTS.get(key)
        if text is None:
            build = sqlite.insert if self.is_sqlite else postgresql.insert
            statement: Any = build(table)
            keys = [column.name for column in table.primary_key]
            rest = {c.name: statement.excluded[c.name] for c in table.columns if c.name not in keys}
            if on_conflict == "ignore":
                statement = statement.on_conflict_do_nothing(index_elements=keys)
            elif on_conflict == "update":
                statement = statement.on_conflict_do_update(index_elements=keys, set_=rest)
            text = _INSERTS[key] = str(statement.compile(dialect=self._dialect))
        return text


def _integrity_error(*, is_sqlite: bool) -> type[Exception]:
    if is_sqlite:
        return sqlite3.IntegrityError
    import psycopg

    return psycopg.IntegrityError
