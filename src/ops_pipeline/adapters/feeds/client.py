"""Fetches RSS and Atom feeds by conditional GET from an allow-list of hosts. Shell."""

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx2

from ops_pipeline.adapters.feeds.parse import MAX_BYTES, FeedError, parse_feed
from ops_pipeline.domain.news import NewsItem
from ops_pipeline.domain.records import Failed

_MAX_HOPS: Final = 3
_ACCEPT: Final = "application/atom+xml, application/rss+xml, application/xml;q=0.9, text/xml;q=0.8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One feed: the source name that items carry, and its https address."""

    source: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHealth:
    """How the last fetches went: `failures` in a row, `error` of the last one, `succeeded_at`."""

    source: str
    failures: int = 0
    error: str | None = None
    succeeded_at: datetime | None = None
    items: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a server answered: `content` None where nothing changed since the validators."""

    content: bytes | None
    etag: str | None
    last_modified: str | None


class FeedSource:
    """A NewsSource over several feeds; one that fails is recorded in `health`, the rest go on."""

    def __init__(
        self,
        client: httpx2.Client,
        feeds: Sequence[Feed],
        *,
        allowed_hosts: Collection[str],
        max_age: timedelta = timedelta(days=3),
    ) -> None:
        for feed in feeds:
            check_address(feed.url, allowed_hosts)
        self._client = client
        self._feeds = tuple(feeds)
        self._allowed_hosts = frozenset(allowed_hosts)
        self._max_age = max_age
        self._validators: dict[str, tuple[str | None, str | None]] = {}
        self.health = {feed.source: FeedHealth(source=feed.source) for feed in feeds}

    def fetch(self, *, since: datetime, now: datetime) -> Sequence[NewsItem]:
        """Give what the feeds list now and was published within `max_age`, oldest first.

        Every item is first seen at `now`, in (since, now]; the store knows which are new to it.
        """
        items: list[NewsItem] = []
        for feed in self._feeds:
            items.extend(self._fetch_one(feed, now))
        recent = [item for item in items if now - item.published_at <= self._max_age]
        return tuple(sorted(recent, key=lambda item: (item.published_at, item.news_id)))

    def troubles(self) -> tuple[Failed, ...]:
        """Give the feeds whose last fetch failed, and why."""
        return tuple(
            Failed(item=f"feed {health.source}", error=health.error)
            for health in tuple(self.health.values())
            if health.error is not None
        )

    def _fetch_one(self, feed: Feed, now: datetime) -> Sequence[NewsItem]:
        """Read one feed and note how it went; a failed feed gives nothing."""
        health = self.health[feed.source]
        etag, last_modified = self._validators.get(feed.url, (None, None))
        try:
            page = fetch_page(
                self._client,
                feed.url,
                etag=etag,
                last_modified=last_modified,
                allowed_hosts=self._allowed_hosts,
            )
            items = () if page.content is None else parse_feed(page.content, source=feed.source, seen_at=now)
        except Exception as error:  # noqa: BLE001 - a stranger's document may break a parser in any way
            text = str(error) or type(error).__name__
            self.health[feed.source] = replace(health, failures=health.failures + 1, error=text)
            return ()
        # Kept only once the document was read, so that a broken one is asked for again.
        self._validators[feed.url] = (page.etag, page.last_modified)
        self.health[feed.source] = FeedHealth(source=feed.source, succeeded_at=now, items=len(items))
        return items


def fetch_page(
    client: httpx2.Client,
    url: str,
    *,
    etag: str | None,
    last_modified: str | None,
    allowed_hosts: Collection[str],
) -> Page:
    """GET `url` unless unchanged, following at most three redirects, each to an allowed host.

    FeedError for a refused address, a status other than 200 and 304, or more than 256 KiB.
    """
    headers = {"accept": _ACCEPT}
    if etag is not None:
        headers["if-none-match"] = etag
    if last_modified is not None:
        headers["if-modified-since"] = last_modified
    for _ in range(_MAX_HOPS + 1):
        check_address(url, allowed_hosts)
        with client.stream("GET", url, headers=headers, follow_redirects=False) as response:
            if response.status_code == HTTPStatus.NOT_MODIFIED:
                return Page(content=None, etag=etag, last_modified=last_modified)
            if response.has_redirect_location:
                url = urljoin(url, response.headers["location"])
                continue
            if response.status_code != HTTPStatus.OK:
                raise FeedError(f"feed {url}: expected status 200 or 304, was {response.status_code}")
            return Page(
                content=_read_capped(response, url),
                etag=response.headers.get("etag"),
                last_modified=response.headers.get("last-modified"),
            )
    raise FeedError(f"feed {url}: expected at most {_MAX_HOPS} redirects, found more")


def check_address(url: str, allowed_hosts: Collection[str]) -> None:
    """Raise FeedError unless `url` is https on an allowed host, without credentials or odd port."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise FeedError(f"feed address {url!r}: expected a URL, found none") from None
    if parts.scheme != "https" or port not in {None, 443} or parts.username is not None:
        raise FeedError(f"feed address {url!r}: expected https on its usual port without credentials")
    if _is_ip(host) or host not in allowed_hosts:
        raise FeedError(f"feed address {url!r}: expected a host of {sorted(allowed_hosts)}, was {host!r}")


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _read_capped(response: httpx2.Response, url: str) -> bytes:
    """Read the body as it arrives and stop once it is over the cap."""
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > MAX_BYTES:
            raise FeedError(f"feed {url}: expected at most {MAX_BYTES} bytes, found more")
    return bytes(content)
