"""Answers that are young enough to be given again. Shell."""

from datetime import datetime, timedelta

from ops_pipeline.ports import Clock


class Kept:
    """Remembers one answer a key; a clock that went back makes it old as well."""

    def __init__(self, clock: Clock) -> None:
        """Remember nothing yet."""
        self._clock = clock
        self._found: dict[object, tuple[datetime, object]] = {}

    def get(self, key: object, age: timedelta) -> object | None:
        """Give what was put under `key` less than `age` ago."""
        at, value = self._found.get(key, (None, None))
        return value if at is not None and abs(self._clock.now() - at) < age else None

    def put(self, key: object, value: object) -> None:
        """Remember an answer as of now."""
        self._found[key] = (self._clock.now(), value)
