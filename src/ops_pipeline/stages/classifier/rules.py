"""Turns a news item into what it says about each company it concerns. Pure."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from ops_pipeline.domain.news import Classification, EventKind, NewsItem, TextScore
from ops_pipeline.domain.units import round_event_float
from ops_pipeline.stages.classifier.companies import BROKERS
from ops_pipeline.stages.classifier.kinds import detect_kind, is_roundup
from ops_pipeline.stages.classifier.tickers import (
    Mention,
    Universe,
    distinct_tickers,
    find_mentions,
)

Scorer = Callable[[str], TextScore]

_SENTENCE_END: Final = re.compile(r"(?<=[.!?;])\s+")
# Where a headline turns from one company to the next.
_TURN: Final = re.compile(
    r"\s*;\s+|,?\s+(?:as|while|whereas|but|although|though)\s+|\s+[-–—|]+\s+|:\s+", re.IGNORECASE
)
_LIST_TURN: Final = re.compile(r",\s+|\s+and\s+", re.IGNORECASE)
_BODY_READ: Final = 2_000
_LEAD: Final = 300
_HEADLINE_SHARE: Final = 0.7


class _Relevance(NamedTuple):
    """How much of an item's weight falls on a ticker, by where it is named."""

    first_in_headline: float = 1.0
    later_in_headline: float = 0.8
    in_lead: float = 0.5
    in_body: float = 0.3
    sole_hint: float = 0.5
    hint_beside_others: float = 0.15
    speaker: float = 0.1
    roundup: float = 0.4
    few: float = 0.75
    many: float = 0.4


_RELEVANCE: Final = _Relevance()


class _Reading(NamedTuple):
    """An item with the companies its headline and body name."""

    item: NewsItem
    headline: tuple[Mention, ...]
    body: tuple[Mention, ...]
    body_text: str
    tickers: tuple[str, ...]
    kind: EventKind


def classify(
    item: NewsItem, score: Scorer, universe: Universe, *, model_version: str
) -> tuple[Classification, ...]:
    """Say what `item` means for each ticker of the universe that it names or is hinted to.

    One row per ticker, in order of mention, then hints. `score` is a text model's reading;
    novelty is 0 for an item linked to an earlier one, else 1. No company concerned: empty.
    """
    body_text = item.body[:_BODY_READ]
    headline = find_mentions(item.headline, universe)
    body = find_mentions(body_text, universe)
    hints = tuple(hint.upper() for hint in item.tickers if hint.upper() in universe.tickers)
    tickers = tuple(dict.fromkeys((*distinct_tickers(headline), *distinct_tickers(body), *hints)))
    kind = detect_kind(item.headline, body_text)
    reading = _Reading(item, headline, body, body_text, tickers, kind)
    return tuple(
        Classification(
            news_id=item.news_id,
            ticker=ticker,
            sentiment=round_event_float(_bounded(_sentiment(reading, ticker, score))),
            relevance=round_event_float(_relevance(reading, ticker)),
            novelty=0.0 if item.linked_to is not None else 1.0,
            kind=kind,
            model_version=model_version,
            published_at=item.published_at,
            first_seen_at=item.first_seen_at,
        )
        for ticker in tickers
    )


def _relevance(reading: _Reading, ticker: str) -> float:
    """Weigh a ticker 0..1 by where it is named, among how many, and in what kind of item."""
    named = distinct_tickers(reading.headline)
    if _only_speaks(reading, ticker):
        base = _RELEVANCE.speaker
    elif ticker in named:
        subjects = [name for name in named if not _only_speaks(reading, name)]
        base = _RELEVANCE.first_in_headline if subjects[0] == ticker else _RELEVANCE.later_in_headline
    elif any(mention.ticker == ticker for mention in reading.body):
        first = next(mention.start for mention in reading.body if mention.ticker == ticker)
        base = _RELEVANCE.in_lead if first < _LEAD else _RELEVANCE.in_body
    elif len(reading.tickers) == 1:
        base = _RELEVANCE.sole_hint
    else:
        base = _RELEVANCE.hint_beside_others
    if len(reading.tickers) > 2:
        base *= _RELEVANCE.few if len(reading.tickers) < 5 else _RELEVANCE.many
    return base * (_RELEVANCE.roundup if is_roundup(reading.item.headline) else 1.0)


def _only_speaks(reading: _Reading, ticker: str) -> bool:
    """Tell whether `ticker` is the broker whose analysts rate somebody else."""
    named = distinct_tickers(reading.headline)
    return (
        reading.kind is EventKind.RATING
        and ticker in BROKERS
        and ticker in named
        and any(other not in BROKERS for other in named)
    )


def _sentiment(reading: _Reading, ticker: str, score: Scorer) -> float:
    """Read the words that concern `ticker`: its part of the headline, or its sentences."""
    in_headline = distinct_tickers(reading.headline)
    if _only_speaks(reading, ticker):
        return 0.0
    if ticker in in_headline and len(in_headline) > 1:
        own = _own_part(reading.item.headline, reading.headline, ticker, score)
        return score(own).sentiment
    if ticker not in in_headline and any(mention.ticker == ticker for mention in reading.body):
        return score(_own_sentences(reading, ticker)).sentiment
    headline = score(reading.item.headline)
    body = score(reading.body_text[:_LEAD]) if reading.body_text else None
    if body is None or body.confidence <= 0.0 or _repeats(reading):
        return headline.sentiment
    if headline.confidence <= 0.0:
        return body.sentiment * (1.0 - _HEADLINE_SHARE)
    return _HEADLINE_SHARE * headline.sentiment + (1.0 - _HEADLINE_SHARE) * body.sentiment


def _repeats(reading: _Reading) -> bool:
    """Tell whether the body only repeats the headline, as many feeds' summaries do."""
    return reading.body_text.strip().startswith(reading.item.headline.strip())


def _own_part(text: str, mentions: Sequence[Mention], ticker: str, score: Scorer) -> str:
    """Cut out the part of a headline that speaks of `ticker`; all of it where none is its own.

    First at conjunctions; then, within a part that names several companies, at commas and
    `and`, provided each of these pieces has an opinion of its own.
    """
    parts = _parts(text, _TURN, mentions)
    start, end = _part_of(parts, mentions, ticker)
    within = [mention for mention in mentions if start <= mention.start < end]
    if len(distinct_tickers(within)) > 1:
        pieces = _parts(text, _LIST_TURN, within, start=start, end=end)
        if len(pieces) > 1 and all(score(text[a:b]).confidence > 0.0 for a, b in pieces):
            start, end = _part_of(pieces, within, ticker)
    return text[start:end]


def _parts(
    text: str, turn: re.Pattern[str], mentions: Sequence[Mention], *, start: int = 0, end: int | None = None
) -> list[tuple[int, int]]:
    """Split at turns into spans that each name a company; a span naming none joins the last."""
    stop = len(text) if end is None else end
    bounds = [start, *(match.end() for match in turn.finditer(text, start, stop)), stop]
    spans: list[tuple[int, int]] = []
    for begin, finish in pairwise(bounds):
        names_one = any(begin <= mention.start < finish for mention in mentions)
        previous_names_one = bool(spans) and any(spans[-1][0] <= m.start < spans[-1][1] for m in mentions)
        if spans and not (names_one and previous_names_one):
            spans[-1] = (spans[-1][0], finish)
        else:
            spans.append((begin, finish))
    return spans


def _part_of(parts: Sequence[tuple[int, int]], mentions: Sequence[Mention], ticker: str) -> tuple[int, int]:
    """Find the part in which `ticker` is first named."""
    place = next(mention.start for mention in mentions if mention.ticker == ticker)
    return next((part for part in parts if part[0] <= place < part[1]), parts[0])


def _own_sentences(reading: _Reading, ticker: str) -> str:
    """Join the body's sentences that name `ticker`."""
    sentences, offset = [], 0
    for sentence in _SENTENCE_END.split(reading.body_text):
        start = reading.body_text.find(sentence, offset)
        offset = start + len(sentence)
        if any(m.ticker == ticker and start <= m.start < offset for m in reading.body):
            sentences.append(sentence)
    return " ".join(sentences)


def _bounded(value: float) -> float:
    return max(-1.0, min(1.0, value))
