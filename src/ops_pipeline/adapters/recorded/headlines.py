"""Recorded headlines as news items, one an article. Pure."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import polars as pl

from ops_pipeline.adapters.recorded.frames import instant_of
from ops_pipeline.domain.news import NewsItem, identify_news

_COLUMNS = ("ticker", "published_at", "headline", "summary", "source", "uid")


def read_news(
    tables: Sequence[pl.LazyFrame], *, symbols: Sequence[str], first: date, last: date
) -> list[NewsItem]:
    """Give the items of the period about `symbols`, oldest first.

    An article that stands under several tickers (one uid) is one item with all of them as hints. The
    capture came hours later, so publication stands for first seen.
    """
    start = datetime.combine(first, time(), tzinfo=UTC)
    end = datetime.combine(last + timedelta(days=1), time(), tzinfo=UTC)
    items: dict[str, NewsItem] = {}
    for given in tables:
        table = _as_news(given)
        rows = table.filter(
            pl.col("ticker").is_in(list(symbols)), pl.col("published_at").is_between(start, end)
        )
        present = [name for name in _COLUMNS if name in table.collect_schema().names()]
        for row in rows.select(present).collect().iter_rows(named=True):
            _take(items, row)
    return sorted(items.values(), key=lambda item: (item.published_at, item.news_id))


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
    return table.with_columns(published_at=instant_of(table, "published_at"))


def _take(items: dict[str, NewsItem], row: dict[str, Any]) -> None:
    headline = row["headline"] or ""
    if not headline.strip():
        return
    source = row.get("source") or "recorded"
    story = row.get("uid") or f"{row['published_at'].isoformat()} {headline}"
    known = items.get(story)
    if known is not None:
        hints = tuple(dict.fromkeys((*known.tickers, row["ticker"])))
        items[story] = _item(known.source, story, known.published_at, known.headline, known.body, hints)
        return
    body = row.get("summary") or ""
    items[story] = _item(source, story, row["published_at"], headline, body, (row["ticker"],))


def _item(
    source: str, story: str, at: datetime, headline: str, body: str, tickers: tuple[str, ...]
) -> NewsItem:
    return NewsItem(
        news_id=identify_news(source, story),
        source=source,
        url=story,
        published_at=at,
        first_seen_at=at,
        headline=headline,
        body=body,
        tickers=tickers,
    )
