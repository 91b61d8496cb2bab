"""Tells whether another living process writes to the database; what keeps it safe is the epoch. Shell."""

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL

# One advisory lock a database; the number only has to differ from other programs' in the same database.
_ADVISORY_KEY = 0x6F70735F70


class WriterLock:
    """A lock that the operating system, or PostgreSQL's session, drops when its process dies.

    It is evidence of life, not of safety: a holder that lost its connection no longer has it.
    """

    def __init__(self, let_go: Callable[[], None]) -> None:
        """Keep what gives the lock back."""
        self._let_go: Callable[[], None] | None = let_go

    def release(self) -> None:
        """Let the next writer in, before the connection is closed; harmless where repeated."""
        if self._let_go is not None:
            self._let_go()
            self._let_go = None


def lock_file(url: URL) -> Path | None:
    """Give the file beside a SQLite database that its writer locks; None for one in memory.

    Never the database itself: closing any descriptor of it would drop SQLite's own locks.
    """
    name = url.database or ":memory:"
    return None if name == ":memory:" else Path(f"{name}.lock")


def take_lock(url: URL, connection: Any) -> WriterLock | None:
    """Take the writer's lock; None where a living process has it."""
    if url.get_backend_name() != "sqlite":
        if not connection.execute(f"SELECT pg_try_advisory_lock({_ADVISORY_KEY})").fetchone()[0]:
            return None
        return WriterLock(lambda: _unlock(connection))
    path = lock_file(url)
    if path is None:
        return WriterLock(lambda: None)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return WriterLock(lambda: os.close(descriptor))
    os.close(descriptor)
    return None


def _unlock(connection: Any) -> None:
    import psycopg

    # A connection that is gone has let its lock go already.
    with suppress(psycopg.Error):
        connection.execute(f"SELECT pg_advisory_unlock({_ADVISORY_KEY})")
