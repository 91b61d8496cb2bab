"""The one place that reads the wall clock. Shell."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ops_pipeline.ports import Clock


class WallClock:
    """The present, aware UTC."""

    def now(self) -> datetime:
        """Give the present instant."""
        return datetime.now(UTC)


def elapsed_s() -> float:
    """Give seconds on a clock that only goes forward, for durations."""
    return time.perf_counter()


class SteadyClock:
    """The wall's instant when it was made, counted on from there.

    For a market of our own: whoever sets the wall clock must not move it.
    """

    def __init__(self, wall: Clock | None = None, *, elapsed: Callable[[], float] = elapsed_s) -> None:
        """Begin at `wall`'s present (None: the machine's)."""
        self._began = (wall or WallClock()).now()
        self._elapsed = elapsed
        self._began_s = elapsed()

    def now(self) -> datetime:
        """Give the present instant, however the wall clock was set since."""
        return self._began + timedelta(seconds=self._elapsed() - self._began_s)


def sleep(seconds: float) -> None:
    """Wait; nothing for a time that has passed."""
    if seconds > 0:
        time.sleep(seconds)
