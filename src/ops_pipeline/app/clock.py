"""The one place that reads the wall clock. Shell."""

import time
from datetime import UTC, datetime


class WallClock:
    """The present, aware UTC."""

    def now(self) -> datetime:
        """Give the present instant."""
        return datetime.now(UTC)


def elapsed_s() -> float:
    """Give seconds on a clock that only goes forward, for durations."""
    return time.perf_counter()


def sleep(seconds: float) -> None:
    """Wait; nothing for a time that has passed."""
    if seconds > 0:
        time.sleep(seconds)
