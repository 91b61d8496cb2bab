"""Links from near-duplicates of news items to the first of their kind. Pure."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, NamedTuple

from rapidfuzz import fuzz, process

from ops_pipeline.domain.news import NewsItem

_WORD: Final = re.compile(r"[^\W_]+(?:[.,]\d+)*")
# Below this many different words a headline is contained in too many others to be compared.
_LEAST_WORDS: Final = 4

# Like a figure, the day tells one edition of a daily report from the next.
_DAYS: Final = frozenset({"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"})


class DedupeRules(NamedTuple):
    """Likeness 0..100 from which headlines tell one story, within `window` of publication."""

    least_likeness: float = 90.0
    window: timedelta = timedelta(hours=48)


class Deduped(NamedTuple):
    """What a batch adds: `fresh` items to store, `enriched` known ones with more ticker hints."""

    fresh: tuple[NewsItem, ...]
    enriched: tuple[NewsItem, ...]


class _First(NamedTuple):
    """The first item of a story, with what it is compared by."""

    item: NewsItem
    words: str
    numbers: frozenset[str]


def normalise_headline(headline: str) -> str:
    """Reduce a headline to its lower-case words and numbers."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", headline).casefold()))


def dedupe(incoming: Iterable[NewsItem], recent: Sequence[NewsItem], rules: DedupeRules) -> Deduped:
    """Merge items of one identity and link near-duplicates to the first seen of their story.

    `recent` is what the store holds of the last window. The order of `incoming` does not matter;
    items that bring nothing new appear in neither part.
    """
    known = {item.news_id: item for item in recent}
    merged: dict[str, NewsItem] = {}
    for item in sorted(incoming, key=_order):
        earlier = merged.get(item.news_id) or known.get(item.news_id)
        merged[item.news_id] = item if earlier is None else _with_hints(earlier, item.tickers)
    firsts = [_first(item) for item in sorted(recent, key=_order) if item.linked_to is None]
    fresh = _link([item for key, item in merged.items() if key not in known], firsts, rules)
    enriched = [item for key, item in merged.items() if key in known and item != known[key]]
    return Deduped(fresh=fresh, enriched=tuple(sorted(enriched, key=_order)))


def _link(items: Sequence[NewsItem], firsts: list[_First], rules: DedupeRules) -> tuple[NewsItem, ...]:
    """Link each item to the story it repeats; one that repeats none starts its own."""
    linked = []
    for item in sorted(items, key=_order):
        candidate = _first(item)
        near = [first for first in firsts if _within(first.item, item, rules.window)]
        origin = _find_origin(candidate, near, rules)
        if origin is None:
            firsts.append(candidate)
        linked.append(replace(item, linked_to=None if origin is None else origin.news_id))
    return tuple(linked)


def _find_origin(candidate: _First, firsts: Sequence[_First], rules: DedupeRules) -> NewsItem | None:
    """Find the earliest first item that tells the same story."""
    matches = process.extract(
        candidate.words,
        [first.words for first in firsts],
        scorer=fuzz.token_set_ratio,
        score_cutoff=rules.least_likeness,
        limit=None,
    )
    for index in sorted(index for _, _, index in matches):
        if _tells_same(candidate, firsts[index]):
            return firsts[index].item
    return None


def _tells_same(one: _First, other: _First) -> bool:
    """Tell whether alike headlines are one story and not a template filled in twice."""
    if one.words == other.words:
        return bool(one.words)
    if min(len(set(one.words.split())), len(set(other.words.split()))) < _LEAST_WORDS:
        return False
    if one.numbers and other.numbers and not (one.numbers <= other.numbers or other.numbers <= one.numbers):
        return False
    hints, others = one.item.tickers, other.item.tickers
    return not hints or not others or any(ticker in others for ticker in hints)


def _first(item: NewsItem) -> _First:
    words = normalise_headline(item.headline)
    return _First(item, words, frozenset(filter(_is_figure, words.split())))


def _is_figure(word: str) -> bool:
    return word in _DAYS or any(char.isdigit() for char in word)


def _within(first: NewsItem, item: NewsItem, window: timedelta) -> bool:
    return abs(item.published_at - first.published_at) <= window


def _with_hints(item: NewsItem, tickers: Sequence[str]) -> NewsItem:
    """Add the ticker hints of another copy of the same item, sorted; none new: as it was."""
    if all(ticker in item.tickers for ticker in tickers):
        return item
    return replace(item, tickers=tuple(sorted({*item.tickers, *tickers})))


def _order(item: NewsItem) -> tuple[object, ...]:
    """Sort by what was known first; the rest makes equal times deterministic."""
    return (item.first_seen_at, item.published_at, item.news_id, item.tickers, item.headline, item.body)
