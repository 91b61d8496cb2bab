"""Answers that are young enough to be given again. Shell."""

from datetime import datetime, timedelta

from ops_pipeline.ports import Clock


class Kept:
    """Remembers one answer a key for `age`; a clock that went back makes it old as well."""

    def __init__(self, clock: Clock, age: timedelta) -> None:
        """Remember nothing yet."""
        self._clock = clock
        self._age = age
        self._swept_at = clock.now()
        self._found: dict[object, tuple[datetime, object]] = {}

    def get(self, key: object) -> object | None:
        """Give what was put under `key` less than the age ago."""
        at, value = self._found.get(key, (None, None))
        return value if at is not None and self._is_young(at, self._clock.now()) else None

    def put(self, key: object, value: object) -> None:
        """Remember an answer as of now; what is too old is forgotten on the way."""
        now = self._clock.now()
        if not self._is_young(self._swept_at, now):
            self._swept_at = now
            self._found = {k: kept for k, kept in self._found.items() if self._is_young(kept[0], now)}
        self._found[key] = (now, value)

    def __len__(self) -> int:
        return len(self._found)

    def _is_young(self, at: datetime, now: datetime) -> bool:
        return abs(now - at) < self._age
