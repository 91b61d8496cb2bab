"""Spares a host that does not answer, and whoever would wait for it, further reads. Shell."""

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Final

# So many reads in a row without an answer, the last of them within so many seconds of the first.
_UNANSWERED: Final = 3
_WITHIN_S: Final = 30.0
# So long none is made then; after that one at a time, until one is answered.
_REST_S: Final = 15.0


class Breaker:
    """Counts the reads of one host that stay unanswered."""

    def __init__(self, elapsed: Callable[[], float]) -> None:
        """Let everything through. `elapsed` is a clock of seconds that only goes forward."""
        self._elapsed = elapsed
        self._unanswered: deque[float] = deque(maxlen=_UNANSWERED)
        self._open_until_s: float | None = None
        self._lock = Lock()

    def admits(self) -> bool:
        """Tell whether a read may be made now; one that is let through to probe holds back the next."""
        with self._lock:
            if self._open_until_s is None:
                return True
            now = self._elapsed()
            if now < self._open_until_s:
                return False
            # Longer than any read takes: there is one probe at a time, and one that is lost bars no other.
            self._open_until_s = now + _REST_S
            return True

    def note(self, *, is_answered: bool) -> None:
        """Take note of how a request ended; any answer closes it again."""
        with self._lock:
            if is_answered:
                self._unanswered.clear()
                self._open_until_s = None
                return
            now = self._elapsed()
            self._unanswered.append(now)
            is_full = len(self._unanswered) == _UNANSWERED
            if self._open_until_s is not None or (is_full and now - self._unanswered[0] <= _WITHIN_S):
                self._open_until_s = now + _REST_S
