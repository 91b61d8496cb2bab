"""Which tickers deserve attention: their score, and who enters and leaves the watchlist. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ops_pipeline.domain.records import WatchlistEntry
from ops_pipeline.domain.rules import WatchlistRules
from ops_pipeline.domain.units import kernel, round_event_float


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What is known of a ticker; None: unknown.

    `news_score` -1..1, `novelty` 0..1, `volume_ratio` and the near chain's median `spread` over mid as
    decimals.
    """

    ticker: str
    news_score: float | None
    novelty: float
    volume_ratio: float | None
    spread: float | None
    held: bool


def rank(
    candidates: Sequence[Candidate], rules: WatchlistRules, *, current: Sequence[str], now: datetime
) -> tuple[WatchlistEntry, ...]:
    """Give the new watchlist by rank, best score first, ties by ticker.

    The best `enter_rank` are on it, members of `current` stay down to `leave_rank`, a held ticker
    stays wherever it ranks. Ranks are places among all candidates, so they may have gaps.
    """
    tickers = [candidate.ticker for candidate in candidates]
    if len(set(tickers)) < len(tickers):
        raise ValueError(f"watchlist: expected each ticker once, was {sorted(tickers)}")
    members = frozenset(current)
    scored = sorted((_entry(candidate, rules, now) for candidate in candidates), key=_best_first)
    return tuple(
        replace(entry, rank=place)
        for place, entry in enumerate(scored, start=1)
        if entry.held or place <= rules.enter_rank or (place <= rules.leave_rank and entry.ticker in members)
    )


@kernel
def attention_score(news: float, volume: float, liquidity: float, rules: WatchlistRules) -> float:
    """Weigh the three parts, each 0..1."""
    return rules.news_weight * news + rules.volume_weight * volume + rules.liquidity_weight * liquidity


def _entry(candidate: Candidate, rules: WatchlistRules, now: datetime) -> WatchlistEntry:
    """Score one candidate, not yet placed; an unknown part counts 0."""
    news = 0.0 if candidate.news_score is None else abs(candidate.news_score) * candidate.novelty
    ratio = 0.0 if candidate.volume_ratio is None else candidate.volume_ratio
    volume = min(ratio, rules.volume_cap) / rules.volume_cap
    liquidity = 0.0
    if candidate.spread is not None:
        liquidity = min(1.0, max(0.0, 1.0 - candidate.spread / rules.spread_zero))
    return WatchlistEntry(
        ticker=candidate.ticker,
        rank=0,
        score=round_event_float(attention_score(news, volume, liquidity, rules)),
        news=round_event_float(news),
        volume=round_event_float(volume),
        liquidity=round_event_float(liquidity),
        held=candidate.held,
        at=now,
    )


def _best_first(entry: WatchlistEntry) -> tuple[float, str]:
    return -entry.score, entry.ticker
