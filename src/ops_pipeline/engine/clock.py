"""Clocks: the simulated one is moved by its driver. Shell."""

from datetime import datetime

from ops_pipeline.ports import Clock


class SimulatedClock:
    """A clock that stands still until it is moved, and never goes back."""

    def __init__(self, start: datetime) -> None:
        """Start at an aware UTC instant."""
        self._now = start

    def now(self) -> datetime:
        """Give the instant it stands at."""
        return self._now

    def move_to(self, instant: datetime) -> None:
        """Move forward to `instant`; going back raises ValueError."""
        if instant < self._now:
            raise ValueError(f"clock: expected an instant after {self._now}, was {instant}")
        self._now = instant


class ScaledClock:
    """Market time that runs `speed` times as fast as the wall, from `start`; 1 is real time.

    It stands at `start` until it is told how far it may run.
    """

    def __init__(self, start: datetime, *, speed: float, wall: Clock) -> None:
        """Begin at `start` now. `speed` > 0."""
        if speed <= 0:
            raise ValueError(f"speed: expected > 0, was {speed}")
        self._start = start
        self._speed = speed
        self._wall = wall
        self._began = wall.now()
        self._held_at = start

    def now(self) -> datetime:
        """Give the market's instant: that of the wall, or the one it is held at."""
        return min(self._held_at, self._start + (self._wall.now() - self._began) * self._speed)

    def hold_at(self, instant: datetime) -> None:
        """Let it run on to `instant` and no further, however far ahead the wall is.

        So what is due then is done at its instant; where the machine cannot keep up, the market waits.
        """
        self._held_at = instant

    def skip_to(self, instant: datetime) -> None:
        """Jump forward to `instant` and stand there, as over a night; never back."""
        if instant > self.now():
            self._start, self._began, self._held_at = instant, self._wall.now(), instant

    def wall_seconds_to(self, instant: datetime) -> float:
        """Give the seconds of wall time until `instant`, at least 0."""
        return max(0.0, (instant - self.now()).total_seconds() / self._speed)
