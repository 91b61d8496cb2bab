"""Lets the real store run over a file system that writes down each write and flush; needs apsw. Shell."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Self

import apsw

from ops_pipeline.adapters.store.connect import parse_url, pragmas
from ops_pipeline.adapters.store.database import Database
from ops_pipeline.adapters.store.lease import Leases
from ops_pipeline.adapters.store.store import SqlStore
from ops_pipeline.verify.databases import FILE, empty_database
from ops_pipeline.verify.disk import Cut, Flush, Promise, Step, Write

_VFS = "recorder"
# A log this short is played into the database and begun anew many times in a scenario.
_CHECKPOINT_PAGES = 60
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
_HEADS = "SELECT account, seq, head FROM accounts"

Note = Callable[[Step], None]


class _File(apsw.VFSFile):
    """A file of the system's own file system; every change is noted before it is made."""

    def __init__(self, name: Any, flags: list[int], note: Note) -> None:
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self._name = Path(path).name
        self._note = note
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - SQLite's name
        self._note(Write(self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - SQLite's name
        self._note(Cut(self._name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        # Nothing here has to survive: that the flush was asked for is all that counts.
        del flags
        self._note(Flush(self._name))


class _FileSystem(apsw.VFS):
    """The system's own file system, listened to."""

    def __init__(self, note: Note) -> None:
        self._note = note
        super().__init__(_VFS, "")

    def xOpen(self, name: Any, flags: list[int]) -> _File:  # noqa: N802 - SQLite's name
        return _File(name, flags, self._note)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: FBT001, N802 - SQLite's name
        self._note(Cut(Path(filename).name, -1))
        super().xDelete(filename, syncdir)


class _Cursor:
    """An apsw cursor with the manners of the driver that the store was written for."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._cursor.exec_trace = self._look
        self.description: Sequence[Sequence[Any]] | None = None
        self.rowcount = -1
        self._rows: Iterator[Any] = iter(())

    def _look(self, cursor: apsw.Cursor, _text: str, _values: Any) -> bool:
        self.description = cursor.get_description() or None
        return True

    def execute(self, text: str, values: Mapping[str, Any] | Sequence[Any] = ()) -> Self:
        """Run a statement to its end."""
        return self._run(lambda: self._cursor.execute(text, values))

    def executemany(self, text: str, rows: Sequence[Mapping[str, Any]]) -> Self:
        """Run a statement for each row."""
        return self._run(lambda: self._cursor.executemany(text, rows))

    def _run(self, call: Callable[[], apsw.Cursor]) -> Self:
        before = self._connection.total_changes()
        self._rows = iter(call().fetchall())
        self.rowcount = self._connection.total_changes() - before
        return self

    def fetchall(self) -> list[Any]:
        """Give the rows left."""
        return list(self._rows)

    def fetchone(self) -> Any:
        """Give the next row; None: there is none."""
        return next(self._rows, None)

    def fetchmany(self, size: int) -> list[Any]:
        """Give the next rows, at most so many."""
        return list(islice(self._rows, size))

    def close(self) -> None:
        """Let the cursor go."""
        self._cursor.close(force=True)


class _Connection:
    """An apsw connection with the manners of the driver that the store was written for."""

    def __init__(self, file: Path, synchronous: str) -> None:
        self._connection = apsw.Connection(str(file), vfs=_VFS)
        for pragma in pragmas(durable=True):
            self.execute(f"PRAGMA {pragma}")
        self.execute(f"PRAGMA synchronous = {synchronous}")
        self.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")

    @property
    def in_transaction(self) -> bool:
        """Tell whether a transaction is open."""
        return self._connection.in_transaction

    def cursor(self) -> _Cursor:
        """Give a cursor."""
        return _Cursor(self._connection)

    def execute(self, text: str, values: Sequence[Any] = ()) -> _Cursor:
        """Run a statement on a cursor of its own."""
        return self.cursor().execute(text, values)

    def close(self) -> None:
        """Let the database go; what closing writes is no part of a recording that has ended."""
        self._connection.close(force=True)


class Recorder:
    """Opens stores over the listening file system and keeps what it heard, with what was promised."""

    def __init__(self, synchronous: str) -> None:
        """Listen from now on; `synchronous` is what the product sets (FULL), or the control."""
        self.steps: list[Step] = []
        self._synchronous = synchronous
        self._file_system = _FileSystem(self._note)
        self._listening = True

    def end(self) -> None:
        """Listen no more."""
        self._listening = False
        self._file_system.unregister()

    def open_database(self, folder: Path, holder: str, clock: Callable[[], datetime]) -> SqlStore:
        """Open the folder's database over this file system; one that is not there is made."""
        file = folder / FILE
        if not file.exists():
            file.write_bytes(empty_database())
        connection = _Connection(file, self._synchronous)
        database = Database(connection, parse_url(f"sqlite:///{file}"), writable=True)
        tables = [str(name) for (name,) in connection.execute(_TABLES).fetchall()]
        store = SqlStore(database, Leases(database, holder=holder, build_hash="", clock=clock))
        database.on_end.append(lambda committed: self._promise(connection, tables, committed=committed))
        return store

    def _note(self, step: Step) -> None:
        if self._listening and not _is_shared_memory(step):
            self.steps.append(step)

    def _promise(self, connection: _Connection, tables: Sequence[str], *, committed: bool) -> None:
        if committed:
            rows = {
                table: int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608
                for table in tables
            }
            heads = {
                str(account): (int(seq), str(head))
                for account, seq, head in connection.execute(_HEADS).fetchall()
            }
            self._note(Promise(rows, heads))


def _is_shared_memory(step: Step) -> bool:
    return not isinstance(step, Promise) and step.file.endswith("-shm")
