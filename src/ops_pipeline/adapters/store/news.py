"""News items and their classifications. Shell."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, select, update

from ops_pipeline.adapters.store.columns import NUMBER
from ops_pipeline.adapters.store.database import Database
from ops_pipeline.adapters.store.rows import CLASSIFICATION, NEWS, micros
from ops_pipeline.adapters.store.stage_schema import CLASSIFICATIONS, NEWS_ITEMS
from ops_pipeline.domain.news import Classification, NewsItem

_N = NEWS_ITEMS.c
_C = CLASSIFICATIONS.c
_SINCE = (
    select(NEWS_ITEMS)
    .where(_N.published_us >= bindparam("since_us"))
    .order_by(_N.published_us, _N.first_seen_us, _N.news_id)
)
_UNREAD = (
    select(NEWS_ITEMS)
    .where(_N.classified == 0, _N.first_seen_us <= bindparam("now_us"))
    .order_by(_N.published_us, _N.news_id)
    .limit(bindparam("most", type_=NUMBER))
)
_MARK_READ = (
    update(NEWS_ITEMS).where(_N.news_id == bindparam("of_item"), _N.classified == 0).values(classified=1)
)
_CLASSIFIED_SINCE = select(CLASSIFICATIONS).where(_C.published_us >= bindparam("since_us"))


class NewsSlice:
    """News and classifications; the window asked for last is kept in memory, by ticker."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._window = _Window()

    def add_news(self, items: Sequence[NewsItem]) -> int:
        """Store items not yet known; give how many were new."""
        rows = [{**NEWS.row(item), "classified": 0} for item in items]
        return self._database.insert(NEWS_ITEMS, rows, on_conflict="ignore")

    def enrich_news(self, items: Sequence[NewsItem]) -> None:
        """Take over more ticker hints of known items; they are to be classified again."""
        rows = [{**NEWS.row(item), "classified": 0} for item in items]
        self._database.insert(NEWS_ITEMS, rows, on_conflict="update")

    def news_since(self, since: datetime) -> Sequence[NewsItem]:
        """Give items published since, oldest first."""
        return tuple(NEWS.value(row) for row in self._database.dicts(_SINCE, since_us=micros(since)))

    def unclassified(self, *, now: datetime, limit: int) -> Sequence[NewsItem]:
        """Give items visible at `now` that carry no classification yet, oldest first."""
        found = self._database.dicts(_UNREAD, now_us=micros(now), most=limit)
        return tuple(NEWS.value(row) for row in found)

    def add_classifications(self, news_ids: Sequence[str], rows: Sequence[Classification]) -> None:
        """Store classifications and mark their items as read."""
        with self._database.transaction():
            self._database.insert(
                CLASSIFICATIONS, [CLASSIFICATION.row(row) for row in rows], on_conflict="update"
            )
            for news_id in news_ids:
                self._database.write(_MARK_READ, of_item=news_id)
        self._window.add(rows)

    def classifications(self, *, since: datetime, now: datetime) -> Mapping[str, Sequence[Classification]]:
        """Give classifications by ticker of items published since and visible at `now`, oldest first."""
        token = self._database.freshness()
        if not self._window.covers(since, token):
            found = self._database.dicts(_CLASSIFIED_SINCE, since_us=micros(since))
            self._window = _Window(since, token)
            self._window.add([CLASSIFICATION.value(row) for row in found])
        return self._window.select(since, now)


class _Window:
    """Classifications of items published from an instant on, by ticker, in order of publication."""

    def __init__(self, since: datetime | None = None, token: object = None) -> None:
        self._since = since
        self._token = token
        self._rows: dict[str, dict[str, Classification]] = {}
        self._sorted: dict[str, tuple[Classification, ...]] = {}

    def covers(self, since: datetime, token: object) -> bool:
        return self._since is not None and self._since <= since and self._token == token

    def add(self, rows: Sequence[Classification]) -> None:
        if self._since is None:
            return
        for row in rows:
            if row.published_at >= self._since:
                self._rows.setdefault(row.ticker, {})[row.news_id] = row
                self._sorted.pop(row.ticker, None)

    def select(self, since: datetime, now: datetime) -> Mapping[str, Sequence[Classification]]:
        chosen: dict[str, Sequence[Classification]] = {}
        for ticker in sorted(self._rows):
            rows = self._sorted.get(ticker)
            if rows is None:
                by_time = sorted(self._rows[ticker].values(), key=lambda row: (row.published_at, row.news_id))
                rows = self._sorted[ticker] = tuple(by_time)
            first = bisect_left(rows, since, key=lambda row: row.published_at)
            visible = tuple(row for row in rows[first:] if row.first_seen_at <= now)
            if visible:
                chosen[ticker] = visible
        return chosen
