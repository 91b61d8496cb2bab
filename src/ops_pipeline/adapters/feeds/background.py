"""Reads a news source in a thread of its own, so that no exit waits for a stranger's server. Shell."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from threading import Thread

from ops_pipeline.domain.news import NewsItem
from ops_pipeline.ports import NewsSource


class BackgroundSource:
    """A NewsSource that asks another one in the background and gives what has arrived since."""

    def __init__(self, source: NewsSource, *, elapsed: Callable[[], float], every_s: float) -> None:
        """Ask `source` at most every `every_s` seconds of `elapsed`, a clock that only goes forward."""
        self._source = source
        self._elapsed = elapsed
        self._every_s = every_s
        self._asked_s: float | None = None
        self._arrived: Sequence[NewsItem] = ()
        self._worker: Thread | None = None

    def fetch(self, *, since: datetime, now: datetime) -> Sequence[NewsItem]:
        """Give what arrived, first seen at `now`, and ask again when it is time; never waits."""
        if self._worker is not None and self._worker.is_alive():
            return ()
        arrived, self._arrived = self._arrived, ()
        elapsed_s = self._elapsed()
        if self._asked_s is None or elapsed_s - self._asked_s >= self._every_s:
            self._asked_s = elapsed_s
            self._worker = Thread(target=self._ask, args=(since, now), daemon=True)
            self._worker.start()
        return tuple(replace(item, first_seen_at=now) for item in arrived)

    def settle(self, timeout_s: float) -> None:
        """Wait for an answer under way."""
        if self._worker is not None:
            self._worker.join(timeout_s)

    def _ask(self, since: datetime, now: datetime) -> None:
        self._arrived = self._source.fetch(since=since, now=now)
