"""Recorded headlines as news items, one an article. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import polars as pl

from ops_pipeline.adapters.recorded.frames import instant_of
from ops_pipeline.domain.news import NewsItem, identify_news

_COLUMNS = ("ticker", "published_at", "headline", "summary", "source", "uid", "first_seen_at")


def read_news(
    tables: Sequence[pl.LazyFrame], *, symbols: Sequence[str], first: date, last: date
) -> list[NewsItem]:
    """Give the items of the period about `symbols`, the first seen first.

    An article that stands under several tickers (one uid) is one item with all of them as hints; one
    without a ticker is for whoever finds a name in its text. Where a table does not say when it was first
    seen, the capture came hours later, and publication stands for it.
    """
    start = datetime.combine(first, time(), tzinfo=UTC)
    end = datetime.combine(last + timedelta(days=1), time(), tzinfo=UTC)
    items: dict[str, NewsItem] = {}
    for given in tables:
        table = _as_news(given)
        rows = table.filter(
            pl.col("ticker").is_null() | pl.col("ticker").is_in(list(symbols)),
            pl.col("published_at").is_between(start, end),
        )
        present = [name for name in _COLUMNS if name in table.collect_schema().names()]
        for row in rows.select(present).collect().iter_rows(named=True):
            _take(items, row)
    return sorted(items.values(), key=lambda item: (item.first_seen_at, item.news_id))


def _as_news(table: pl.LazyFrame) -> pl.LazyFrame:
    """Read short posts as items whose text is the headline; times as aware UTC."""
    if "tweet_id" in table.collect_schema().names():
        table = table.select(
            "ticker",
            published_at=pl.col("created_at"),
            headline=pl.col("text"),
            source=pl.lit("posts"),
            uid=pl.col("tweet_id").cast(pl.String()),
        )
    times = [name for name in ("published_at", "first_seen_at") if name in table.collect_schema().names()]
    return table.with_columns(**{name: instant_of(table, name) for name in times})


def _take(items: dict[str, NewsItem], row: dict[str, Any]) -> None:
    headline = row["headline"] or ""
    if not headline.strip():
        return
    source = row.get("source") or "recorded"
    story = row.get("uid") or f"{row['published_at'].isoformat()} {headline}"
    known = items.get(story)
    hints = (*(known.tickers if known is not None else ()), row["ticker"])
    named = tuple(dict.fromkeys(ticker for ticker in hints if ticker is not None))
    if known is not None:
        items[story] = replace(known, tickers=named)
        return
    items[story] = NewsItem(
        news_id=identify_news(source, story),
        source=source,
        url=story,
        published_at=row["published_at"],
        first_seen_at=row.get("first_seen_at") or row["published_at"],
        headline=headline,
        body=row.get("summary") or "",
        tickers=named,
    )
