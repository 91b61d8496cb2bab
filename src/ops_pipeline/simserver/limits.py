"""How many requests an account may make a minute, by the wall clock. Shell."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ops_pipeline.ports import Clock

_WINDOW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What is left of a minute after a request; `is_spent`: the request itself came too late."""

    limit: int
    remaining: int
    reset_at: datetime
    is_spent: bool

    @property
    def headers(self) -> dict[str, str]:
        """Give the headers every answer carries."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(int(self.reset_at.timestamp())),
        }


@dataclass(slots=True)
class _Window:
    began: datetime
    count: int = 0


class RateLimits:
    """Counts requests by account and family of paths, each in minutes that begin with their first one."""

    def __init__(self, wall: Clock) -> None:
        """Begin with nothing counted."""
        self._wall = wall
        self._windows: dict[tuple[str, str], _Window] = {}

    def count(self, number: str, family: str, *, limit: int) -> Allowance:
        """Count one request against an account's minute."""
        now = self._wall.now()
        window = self._windows.get((number, family))
        if window is None or now >= window.began + _WINDOW:
            window = self._windows[number, family] = _Window(now)
        window.count += 1
        return Allowance(
            limit=limit,
            remaining=max(0, limit - window.count),
            reset_at=window.began + _WINDOW,
            is_spent=window.count > limit,
        )
