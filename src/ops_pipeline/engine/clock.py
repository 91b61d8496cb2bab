"""Clocks: the simulated one is moved by its driver. Shell."""

from datetime import datetime


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
