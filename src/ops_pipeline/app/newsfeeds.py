"""Joins the configured RSS and Atom feeds to a market's own news. Shell."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ops_pipeline.app.compose import Market
from ops_pipeline.app.options import NewsOptions
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.news import NewsItem
from ops_pipeline.ports import NewsSource

if TYPE_CHECKING:
    from httpx2 import Client


@dataclass(frozen=True, slots=True)
class Several:
    """A NewsSource made of others."""

    sources: tuple[NewsSource, ...]

    def fetch(self, *, since: datetime, now: datetime) -> Sequence[NewsItem]:
        """Give what all of them have, oldest first."""
        items = [item for source in self.sources for item in source.fetch(since=since, now=now)]
        return sorted(items, key=lambda item: (item.first_seen_at, item.published_at, item.news_id))


def with_feeds(
    market: Market, options: NewsOptions, *, elapsed: Callable[[], float], client: "Client | None" = None
) -> Market:
    """Give the market with the feeds' items beside its own; the same market where none is configured.

    An address that may not be fetched raises ConfigurationError. `client` is for another transport.
    """
    if not options.feeds:
        return market
    import httpx2

    from ops_pipeline.adapters.feeds.background import BackgroundSource
    from ops_pipeline.adapters.feeds.client import Feed, FeedSource
    from ops_pipeline.adapters.feeds.parse import FeedError

    hosts = {urlsplit(feed.url).hostname or "" for feed in options.feeds} | set(options.hosts)
    feeds = [Feed(source=feed.source, url=feed.url) for feed in options.feeds]
    try:
        source = FeedSource(client or httpx2.Client(timeout=options.timeout_s), feeds, allowed_hosts=hosts)
    except FeedError as error:
        raise ConfigurationError(f"news.feeds: {error}") from None
    background = BackgroundSource(source, elapsed=elapsed, every_s=options.every_s)
    return replace(market, news=Several((market.news, background)), news_troubles=source.troubles)
