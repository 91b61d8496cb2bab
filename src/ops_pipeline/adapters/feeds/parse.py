"""Turns the bytes of an RSS or Atom document into news items. Pure."""

import calendar
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import feedparser

from ops_pipeline.domain.codec import MISFITS
from ops_pipeline.domain.news import NewsItem, identify_news
from ops_pipeline.domain.plaintext import to_plain_text

MAX_BYTES: Final = 256 * 1024
_MAX_HEADLINE: Final = 300
_MAX_BODY: Final = 4_000
_MAX_URL: Final = 2_000
_DECLARATION: Final = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_TRACKING: Final = re.compile(r"utm_\w+|fbclid|gclid|cmpid|ref|src")


class FeedError(Exception):
    """A document or address that is refused; the text says what was expected and found."""


def parse_feed(content: bytes, *, source: str, seen_at: datetime) -> tuple[NewsItem, ...]:
    """Read the entries of an RSS or Atom document, oldest first.

    Times become aware UTC; an entry without a date, or dated after `seen_at`, counts as published
    then. Entries without a headline or an http(s) link are left out. FeedError where the document
    is over 256 KiB, declares a document type or entities, or is no feed.
    """
    refuse_unsafe(content)
    # A stream, never the bytes themselves: feedparser would open a file of that name.
    try:
        parsed = feedparser.parse(BytesIO(content), sanitize_html=False, resolve_relative_uris=False)
    except (*MISFITS, AssertionError) as error:
        raise FeedError(f"feed {source}: expected RSS or Atom, it cannot be read: {error!r}") from error
    if not parsed.get("version") and not parsed.entries:
        raise FeedError(f"feed {source}: expected RSS or Atom, found neither in {len(content)} bytes")
    items: dict[str, NewsItem] = {}
    for entry in parsed.entries:
        item = _read_entry(entry, source, seen_at)
        if item is not None:
            items.setdefault(item.news_id, item)
    return tuple(sorted(items.values(), key=lambda item: (item.published_at, item.news_id)))


def refuse_unsafe(content: bytes) -> None:
    """Raise FeedError for a document that is too large or brings its own declarations."""
    if len(content) > MAX_BYTES:
        raise FeedError(f"feed: expected at most {MAX_BYTES} bytes, was {len(content)}")
    # UTF-16 and UTF-32 spell the same declaration with zero bytes in between.
    if _DECLARATION.search(content.replace(b"\0", b"")):
        raise FeedError("feed: expected no document type or entity declaration, found one")


def clean_url(url: str) -> str | None:
    """Strip an address of its fragment and tracking parameters; None unless http or https."""
    try:
        parts = urlsplit(url.strip()[:_MAX_URL])
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme.lower() not in {"http", "https"} or not host:
        return None
    try:
        query = [(name, value) for name, value in parse_qsl(parts.query) if not _TRACKING.fullmatch(name)]
        kept = urlencode(query)
    except ValueError:  # too many fields, or half of a surrogate pair
        return None
    return urlunsplit((parts.scheme.lower(), parts.netloc.lower(), parts.path, kept, ""))


def _read_entry(entry: Mapping[str, Any], source: str, seen_at: datetime) -> NewsItem | None:
    headline = to_plain_text(str(entry.get("title", "")), limit=_MAX_HEADLINE)
    url = clean_url(str(entry.get("link", "")))
    if not headline or url is None:
        return None
    return NewsItem(
        news_id=identify_news(source, url),
        source=source,
        url=url,
        published_at=min(_published_at(entry) or seen_at, seen_at),
        first_seen_at=seen_at,
        headline=headline,
        body=to_plain_text(_body(entry), limit=_MAX_BODY),
    )


def _body(entry: Mapping[str, Any]) -> str:
    """Take the full content where the feed has one, else the summary."""
    contents = entry.get("content") or []
    values = [str(part.get("value", "")) for part in contents]
    return max([*values, str(entry.get("summary", ""))], key=len)


def _published_at(entry: Mapping[str, Any]) -> datetime | None:
    """Read the publication time, or else the update time; None where neither is a date."""
    # By membership: asked for an absent update time, feedparser answers with a warning.
    dates = [name for name in ("published_parsed", "updated_parsed", "created_parsed") if name in entry]
    for moment in [entry[name] for name in dates if entry[name] is not None]:
        try:
            return datetime.fromtimestamp(calendar.timegm(moment), UTC)
        except (ValueError, OverflowError, OSError):
            continue
    return None
