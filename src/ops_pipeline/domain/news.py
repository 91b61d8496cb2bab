"""News items and what a classifier made of them. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256


class EventKind(StrEnum):
    """What a piece of news is about."""

    EARNINGS = "earnings"
    GUIDANCE = "guidance"
    RATING = "rating"
    MERGER = "merger"
    LEGAL = "legal"
    PRODUCT = "product"
    MACRO = "macro"
    OTHER = "other"


def identify_news(source: str, url: str) -> str:
    """Give an item's identity: the sha256 of source and address (or the source's own id), in hex."""
    return sha256(f"{source}\n{url}".encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsItem:
    """One published item. `news_id` is that of `identify_news`; times are aware UTC.

    `tickers` are the feed's own hints, `linked_to` the id of the first near-duplicate (None: first).
    """

    news_id: str
    source: str
    url: str
    published_at: datetime
    first_seen_at: datetime
    headline: str
    body: str
    tickers: tuple[str, ...] = ()
    linked_to: str | None = None

    def __post_init__(self) -> None:
        if self.published_at.tzinfo is None or self.first_seen_at.tzinfo is None:
            raise ValueError(f"news {self.news_id}: expected aware UTC times, was naive")


@dataclass(frozen=True, slots=True)
class TextScore:
    """A model's reading of one text: sentiment -1..1 and confidence 0..1."""

    sentiment: float
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """What one item says about one ticker: sentiment -1..1, relevance 0..1, novelty 0 or 1."""

    news_id: str
    ticker: str
    sentiment: float
    relevance: float
    novelty: float
    kind: EventKind
    model_version: str
    published_at: datetime
    first_seen_at: datetime
