"""The levels that need no database: a KILL file in the home folder, a signal, a process that stops. Shell."""

import signal
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from types import FrameType

from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.controls import FREE, Brake, strongest
from ops_pipeline.domain.units import AccountId

# SIGUSR1 takes entries away and leaves exits alone: right for every emergency but a wrong account.
SIGNAL = signal.SIGUSR1
SIGNAL_LEVEL = ControlLevel.CANCEL_ENTRIES
KILL_FILE = "KILL"
_ACCOUNT = "account="
_MOST_TEXT = 4_096


class EmergencyBrake:
    """Asked before every send; it reads the file each time and what the signals left in memory."""

    def __init__(self, home: Path, accounts: Collection[str]) -> None:
        """Look for the file in `home`; nothing is listened to yet."""
        self._path = home / KILL_FILE
        self._accounts = frozenset(accounts)
        self._signalled = FREE
        self._stopping = FREE

    def listen(self) -> None:
        """Take SIGUSR1 from now on."""
        signal.signal(SIGNAL, self._note)

    def stop(self) -> None:
        """Send no entry any more, for the process is about to end; nothing of it is stored."""
        self._stopping = Brake(ControlLevel.REDUCE_ONLY, "the process is stopping")

    @property
    def signalled(self) -> Brake:
        """Give what a signal asked for and no ledger holds yet."""
        return self._signalled

    def stored(self, signalled: Brake) -> None:
        """Forget a signal whose level stands in the ledgers, unless another came meanwhile."""
        if self._signalled is signalled:
            self._signalled = FREE

    def keep(self) -> None:
        """Leave a signal that could not be stored as a KILL file, for the next start; one there stays."""
        if self._signalled is not FREE:
            reason = f"{self._signalled.reason}, kept from a process that ended"
            with suppress(OSError):
                leave_kill_file(self._path.parent, SIGNAL_LEVEL, reason)

    def lasting(self, account: AccountId) -> Brake:
        """Give the level to be stored: the file's or a signal's."""
        return strongest([self._of_file(account), self._signalled])

    def at_once(self, account: AccountId) -> Brake:
        """Give the level that every send obeys."""
        return strongest([self.lasting(account), self._stopping])

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._signalled = Brake(SIGNAL_LEVEL, f"signal {SIGNAL.name}")

    def _of_file(self, account: AccountId) -> Brake:
        try:
            with self._path.open(encoding="utf-8", errors="replace") as file:
                text = file.read(_MOST_TEXT)
        except FileNotFoundError:
            return FREE
        except OSError as error:
            return Brake(ControlLevel.HARD_STOP, f"{KILL_FILE} file cannot be read: {error}")
        named, brake = read_kill_file(text)
        return FREE if named in self._accounts and named != account else brake


def leave_kill_file(home: Path, level: ControlLevel, reason: str) -> None:
    """Put a KILL file there, whole or not at all, for an empty one would stop the exits, too.

    FileExistsError where one stands: it says at least as much. OSError where it cannot be written.
    """
    made = home / f".{KILL_FILE}.new"
    try:
        made.write_text(f"{level.name.lower()} {reason}\n", encoding="utf-8")
        (home / KILL_FILE).hardlink_to(made)
    finally:
        made.unlink(missing_ok=True)


def read_kill_file(text: str) -> tuple[str, Brake]:
    """Read `LEVEL [account=NAME] [reason ...]`; give the account it names ("": all) and the level.

    An empty file, or one whose first word is no level, is HARD_STOP: it was put there to stop everything.
    """
    words = text.split()
    if not words:
        return "", Brake(ControlLevel.HARD_STOP, f"{KILL_FILE} file")
    level = ControlLevel.__members__.get(words[0].upper(), ControlLevel.NORMAL)
    if level is ControlLevel.NORMAL:
        return "", Brake(ControlLevel.HARD_STOP, f"{KILL_FILE} file: {words[0]!r} is no level to stop at")
    rest = words[1:]
    named = rest.pop(0).removeprefix(_ACCOUNT) if rest and rest[0].startswith(_ACCOUNT) else ""
    return named, Brake(level, " ".join([f"{KILL_FILE} file", *(["-", *rest] if rest else [])]))
