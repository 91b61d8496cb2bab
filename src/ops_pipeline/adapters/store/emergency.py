"""What exits go on with while the database takes no write: a journal, and room kept for it. Shell."""

import errno
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ops_pipeline.adapters.store.database import Row
from ops_pipeline.domain.errors import LedgerError, StoreUnavailableError

JOURNAL = "emergency.journal"
BALLAST = "emergency.ballast"
_BLOCK = bytes(1024 * 1024)


class Emergency:
    """A folder's emergency journal, and the ballast that is thrown off when its disk is full.

    The journal holds event rows, a line each, on disk before `write` returns; it is there only while it
    holds what the database does not.
    """

    def __init__(self, folder: Path, *, ballast_mib: int = 0) -> None:
        """Look at `folder`; nothing is written yet."""
        self.journal = folder / JOURNAL
        self._ballast = folder / BALLAST
        self._ballast_mib = ballast_mib
        self.is_full = False

    def take_on_ballast(self) -> None:
        """Fill a file that is given back when the disk is full; a disk too full for it has none."""
        if not self._ballast_mib or self._ballast.exists():
            return
        try:
            with self._ballast.open("xb") as file:
                for _ in range(self._ballast_mib):
                    file.write(_BLOCK)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            self._ballast.unlink(missing_ok=True)

    def throw_off_ballast(self) -> None:
        """Give the ballast's room back: the disk is full, and no risk is added from now on."""
        self.is_full = True
        self._ballast.unlink(missing_ok=True)

    def write(self, rows: Sequence[Row]) -> None:
        """Append event rows and flush them to disk; StoreUnavailableError: they are nowhere."""
        lines = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows).encode()
        try:
            self._append(lines)
        except OSError as error:
            if error.errno != errno.ENOSPC or self.is_full:
                raise self._lost(error) from error
            self.throw_off_ballast()
            try:
                self._append(lines)
            except OSError as again:
                raise self._lost(again) from again

    def read(self) -> list[Row]:
        """Give the rows; a last line that is torn was never acted on and is left out."""
        if not self.journal.exists():
            return []
        *lines, torn = self.journal.read_bytes().split(b"\n")
        del torn
        rows = []
        for number, line in enumerate(lines, start=1):
            try:
                row: Any = json.loads(line)
            except ValueError:
                raise LedgerError(f"{self.journal}: line {number} is damaged; keep the file") from None
            rows.append(row)
        return rows

    def clear(self) -> None:
        """Remove the journal: the database holds what it held."""
        with suppress(FileNotFoundError):
            self.journal.unlink()
            _flush_folder(self.journal.parent)

    def _append(self, lines: bytes) -> None:
        is_new = not self.journal.exists()
        descriptor = os.open(self.journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            whole = os.fstat(descriptor).st_size
            try:
                if os.write(descriptor, lines) != len(lines):
                    raise OSError(errno.ENOSPC, "a part of the lines was written")
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, whole)  # or the next line would follow half of this one
                raise
        finally:
            os.close(descriptor)
        if is_new:
            _flush_folder(self.journal.parent)

    def _lost(self, error: OSError) -> StoreUnavailableError:
        return StoreUnavailableError(f"neither the database nor {self.journal} takes a write: {error}")


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
