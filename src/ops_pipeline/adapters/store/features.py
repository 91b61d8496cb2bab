"""Feature rows and the watchlist. Shell."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import bindparam, delete, func, select

from ops_pipeline.adapters.store.database import Database
from ops_pipeline.adapters.store.rows import FEATURE, WATCHLIST_ENTRY
from ops_pipeline.adapters.store.stage_schema import FEATURES, WATCHLIST
from ops_pipeline.domain.features import FeatureRow
from ops_pipeline.domain.market import Interval
from ops_pipeline.domain.records import WatchlistEntry

_F = FEATURES.c
_NEWEST_BARS = (
    select(_F.ticker, func.max(_F.bar_us).label("bar_us"))
    .where(_F.interval == bindparam("of_interval"))
    .group_by(_F.ticker)
    .subquery()
)
_NEWEST = (
    select(FEATURES)
    .join(_NEWEST_BARS, (_F.ticker == _NEWEST_BARS.c.ticker) & (_F.bar_us == _NEWEST_BARS.c.bar_us))
    .where(_F.interval == bindparam("of_interval"))
    .order_by(_F.ticker)
)
_ENTRIES = select(WATCHLIST).order_by(WATCHLIST.c.rank, WATCHLIST.c.ticker)
_DROP = delete(WATCHLIST).where(WATCHLIST.c.ticker == bindparam("of_ticker"))


class FeatureSlice:
    """Feature rows; each ticker's newest stays in memory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._token: object = None
        self._newest: dict[Interval, dict[str, FeatureRow]] = {}

    def add_features(self, rows: Sequence[FeatureRow]) -> None:
        """Store rows, replacing one of the same (ticker, interval, bar)."""
        self._database.insert(FEATURES, [FEATURE.row(row) for row in rows], on_conflict="update")
        for row in rows:
            newest = self._newest.get(row.interval)
            if newest is not None and (row.ticker not in newest or newest[row.ticker].bar_at <= row.bar_at):
                newest[row.ticker] = row

    def latest_features(self, interval: Interval, *, since: datetime) -> Mapping[str, FeatureRow]:
        """Give each ticker's newest row, where it was computed at or after `since`, by ticker."""
        token = self._database.freshness()
        if token != self._token:
            self._token = token
            self._newest.clear()
        newest = self._newest.get(interval)
        if newest is None:
            found = self._database.dicts(_NEWEST, of_interval=interval.value)
            newest = self._newest[interval] = {row["ticker"]: FEATURE.value(row) for row in found}
        return {ticker: newest[ticker] for ticker in sorted(newest) if newest[ticker].as_of >= since}


class WatchlistSlice:
    """The watchlist, one row per ticker."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: tuple[object, tuple[WatchlistEntry, ...]] | None = None

    def put_watchlist(self, entries: Sequence[WatchlistEntry], *, now: datetime) -> None:
        """Replace the watchlist where it differs; an entry that stays as it was keeps its time."""
        known = {entry.ticker: entry for entry in self.watchlist()}
        changed = [
            replace(entry, at=now)
            for entry in entries
            if entry.ticker not in known or replace(entry, at=known[entry.ticker].at) != known[entry.ticker]
        ]
        wanted = {entry.ticker for entry in entries}
        gone = [ticker for ticker in known if ticker not in wanted]
        if not changed and not gone:
            return
        self._kept = None
        with self._database.transaction():
            for ticker in gone:
                self._database.write(_DROP, of_ticker=ticker)
            rows = [WATCHLIST_ENTRY.row(entry) for entry in changed]
            self._database.insert(WATCHLIST, rows, on_conflict="update")

    def watchlist(self) -> Sequence[WatchlistEntry]:
        """Give the entries by rank."""
        token = self._database.freshness()
        if self._kept is None or self._kept[0] != token:
            found = self._database.dicts(_ENTRIES)
            self._kept = (token, tuple(WATCHLIST_ENTRY.value(row) for row in found))
        return self._kept[1]
