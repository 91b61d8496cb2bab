"""Which of a driver's errors say that the database cannot work now. Pure."""

import sqlite3

from ops_pipeline.domain.errors import StoreUnavailableError

# SQLite's primary result codes: busy, locked, read-only, I/O error, corrupt, full, cannot open, no database.
_UNAVAILABLE = frozenset({5, 6, 8, 10, 11, 13, 14, 26})
_FULL = 13


def failures_of(*, is_sqlite: bool) -> tuple[type[Exception], ...]:
    """Give the exceptions of a driver under which trouble may come."""
    if is_sqlite:
        return (sqlite3.DatabaseError,)
    import psycopg

    return (psycopg.OperationalError, psycopg.InterfaceError)


def trouble_of(error: Exception) -> StoreUnavailableError | None:
    """Give the trouble an error tells of; None: the database works, the statement was refused."""
    if isinstance(error, sqlite3.DatabaseError):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code not in _UNAVAILABLE:
            return None
        return StoreUnavailableError(f"database: takes no write now: {error}", full=code == _FULL)
    return StoreUnavailableError(f"database: does not answer: {error}")
