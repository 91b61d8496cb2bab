"""Headlines of the venue as a NewsSource. Shell."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from ops_pipeline.adapters.alpaca import wire_market as wire
from ops_pipeline.adapters.alpaca.book import moment
from ops_pipeline.adapters.alpaca.client import AlpacaClient
from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.adapters.alpaca.instants import instant
from ops_pipeline.adapters.alpaca.reading import pages
from ops_pipeline.domain.news import NewsItem, identify_news
from ops_pipeline.domain.plaintext import to_plain_text
from ops_pipeline.domain.records import Failed
from ops_pipeline.ports import BrokerUnavailable

SOURCE: Final = "alpaca"
_PATH: Final = "/v1beta1/news"
_PAGE: Final = 50
_MOST_ARTICLES: Final = 10_000
# What is filed late under an earlier minute is still seen; the store knows what it has.
_OVERLAP: Final = timedelta(minutes=5)
_LONGEST_HEADLINE: Final = 500
_LONGEST_BODY: Final = 4_000


class LeftOut:
    """Reads articles one by one: one that does not fit spoils no other, and is counted.

    The last reason is kept: `troubles` gives it with the count of those met since it was last asked.
    """

    def __init__(self) -> None:
        """Begin with none left out."""
        self._count = 0
        self._why = ""

    def read(self, rows: Iterable[wire.Article], *, seen_at: datetime) -> Iterator[NewsItem]:
        """Give the articles that have a headline and can be read."""
        for row in rows:
            if not row.headline.strip():
                continue
            try:
                yield item_of(row, seen_at=seen_at)
            except WireError as error:
                self._count += 1
                self._why = str(error)

    def troubles(self) -> tuple[Failed, ...]:
        """Give how many were left out since this was last asked, and why the last one was."""
        count, self._count = self._count, 0
        told = Failed(item=f"articles of {SOURCE}", error=f"left out {count}, the last one for {self._why}")
        return (told,) if count else ()


class AlpacaNews:
    """Reads the articles created or changed since; a failed read gives nothing and is noted."""

    def __init__(self, client: AlpacaClient, *, symbols: Sequence[str] = ()) -> None:
        """Read about `symbols`; about everything where none are named."""
        self._client = client
        self._symbols = tuple(symbols)
        self._trouble: str | None = None
        self._left_out = LeftOut()

    @property
    def failed(self) -> bool:
        """Tell whether the last read failed."""
        return self._trouble is not None

    def fetch(self, *, since: datetime, now: datetime) -> Sequence[NewsItem]:
        """Give the articles of (since, now], oldest first, each first seen at `now`."""
        try:
            rows = self._rows(since, now)
        except BrokerUnavailable as error:
            self._trouble = str(error)
            return ()
        self._trouble = None
        items = {item.news_id: item for item in self._left_out.read(rows, seen_at=now)}
        return tuple(sorted(items.values(), key=lambda item: (item.published_at, item.news_id)))

    def troubles(self) -> tuple[Failed, ...]:
        """Give why the last read failed, if it did, and what was left out of those before."""
        failed = (Failed(item=f"news of {SOURCE}", error=self._trouble),) if self._trouble else ()
        return (*failed, *self._left_out.troubles())

    def _rows(self, since: datetime, now: datetime) -> list[wire.Article]:
        params: dict[str, str | int] = {
            "start": moment(since - _OVERLAP),
            "end": moment(now),
            "sort": "asc",
            "limit": _PAGE,
        }
        if self._symbols:
            params["symbols"] = ",".join(self._symbols)
        rows: list[wire.Article] = []
        for page in pages(self._client, _PATH, wire.News, params):
            rows += page.news
            if len(rows) >= _MOST_ARTICLES:
                break
        return rows


def item_of(row: wire.Article, *, seen_at: datetime) -> NewsItem:
    """Read an article as plain text; its identity is the venue's number for it."""
    return NewsItem(
        news_id=identify_news(SOURCE, str(row.id)),
        source=row.source or SOURCE,
        url=row.url or f"{SOURCE}:{row.id}",
        published_at=instant(row.created_at, where=f"article {row.id}"),
        first_seen_at=seen_at,
        headline=to_plain_text(row.headline, limit=_LONGEST_HEADLINE),
        body=to_plain_text(row.summary, limit=_LONGEST_BODY),
        tickers=tuple(dict.fromkeys(row.symbols)),
    )
