"""Looks after the machine a long run stands on: room on its disk, copies of its database. Shell."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from ops_pipeline.adapters.store.store import SqlStore
from ops_pipeline.app.options import HostOptions
from ops_pipeline.app.runs import Run
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.events import ControlChanged

_MIB = 1024 * 1024
_COMMAND = "from ops_pipeline.app.cli.main import main; main()"


def refuse_full_disk(folder: Path, host: HostOptions) -> None:
    """Raise ConfigurationError where a run could not store what it decides for long."""
    free = shutil.disk_usage(folder).free // _MIB
    if free < host.disk_min_mib:
        raise ConfigurationError(
            f"disk: expected {host.disk_min_mib} MiB free under {folder}, found {free} MiB"
        )


class StoreWatch:
    """Says when the database stops taking writes and when it is back.

    A full disk, and a commit slower than `slow_s` seconds, mean reduce-only.
    """

    def __init__(self, store: SqlStore, *, slow_s: float, say: Callable[[str], None]) -> None:
        """Watch `store`, which was just opened."""
        self._store = store
        self._slow_s = slow_s
        store.database.slowest_s = 0.0  # what opening it took is nobody's exit
        self._say = say
        self._said = ""

    def look(self, now: datetime) -> None:
        """Say what changed; where disk or database fail us raise every account to reduce-only, for good."""
        trouble = self._store.trouble
        if trouble != self._said:
            self._say(trouble or "the database takes writes again: the journal is stored")
            self._said = trouble
        emergency = self._store.emergency
        slowest_s, self._store.database.slowest_s = self._store.database.slowest_s, 0.0
        if emergency is not None and emergency.is_full:
            self._reduce(trouble, "disk", now)
        elif slowest_s > self._slow_s:
            reason = f"the database took {slowest_s:.1f} s for a commit, expected <= {self._slow_s:g} s"
            self._say(reason)
            self._reduce(reason, "database", now)

    def _reduce(self, reason: str, actor: str, now: datetime) -> None:
        for account in self._store.accounts():
            if self._store.ledger(account).control < ControlLevel.REDUCE_ONLY:
                held = ControlChanged(level=ControlLevel.REDUCE_ONLY, reason=reason, actor=actor)
                self._store.commit(account, [held], at=now)


class Backups:
    """Copies a run's database now and then, in a process of its own so that no exit waits for it."""

    def __init__(self, run: Run, host: HostOptions, *, say: Callable[[str], None], began_s: float) -> None:
        """Count from `began_s`, seconds of a clock that only goes forward."""
        self._run = run
        self._host = host
        self._say = say
        self._last_s = began_s
        self._copying: subprocess.Popen[bytes] | None = None

    def look(self, now_s: float) -> None:
        """Begin a copy when one is due, and report one that failed; never waits."""
        if self._copying is not None and self._copying.poll() is not None:
            self._ended(self._copying.returncode)
            self._copying = None
        due = self._host.backup_minutes * 60
        if due and self._copying is None and now_s - self._last_s >= due:
            self._last_s = now_s
            home = self._run.path.parent.parent
            self._copying = subprocess.Popen(  # noqa: S603 - this program, on this run
                [sys.executable, "-c", _COMMAND, "db", "--home", str(home), "--run", self._run.id, "backup"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C stops the run, not the copy it was making
            )

    def finish(self, timeout_s: float) -> None:
        """Wait for a copy under way, then let it go on alone."""
        if self._copying is not None:
            try:
                self._ended(self._copying.wait(timeout_s))
            except subprocess.TimeoutExpired:
                self._say("a backup is still being made")

    def _ended(self, code: int) -> None:
        if code:
            self._say(f"backup failed (exit {code}); try `ops db backup` to see why")
            return
        copies = sorted((self._run.path / "backups").glob("*.sqlite"))
        for old in copies[: -self._host.backups_kept]:
            old.unlink()
