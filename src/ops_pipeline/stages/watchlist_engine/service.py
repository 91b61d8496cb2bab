"""Ranks the universe by news, volume and how well its options trade. Shell."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from ops_pipeline.domain.market import Interval
from ops_pipeline.domain.records import StepReport
from ops_pipeline.domain.rules import WatchlistRules
from ops_pipeline.ports import Calendar, FeatureStore, NewsStore, TelemetryStore, WatchlistStore
from ops_pipeline.stages.feature_computer.news_score import OLDEST_HALF_LIVES, read_news
from ops_pipeline.stages.watchlist_engine.scoring import Candidate, rank


class WatchlistTables(NewsStore, FeatureStore, TelemetryStore, WatchlistStore, Protocol):
    """The tables this stage reads and writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchlistPorts:
    """Tables, sessions and symbols; `held` gives the tickers any account holds."""

    store: WatchlistTables
    calendar: Calendar
    symbols: tuple[str, ...]
    interval: Interval
    half_life_s: int
    held: Callable[[], tuple[str, ...]]


def run_once(now: datetime, ports: WatchlistPorts, rules: WatchlistRules) -> StepReport:
    """Rank every symbol and store the list where it changed."""
    # gather
    session = ports.calendar.session_at(now)
    if session is None:
        return StepReport(stage="watchlist_engine", now=now)
    since = now - timedelta(seconds=OLDEST_HALF_LIVES * ports.half_life_s)
    news = ports.store.classifications(since=since, now=now)
    features = ports.store.latest_features(ports.interval, since=session.open_at)
    held = ports.held()
    candidates = []
    for symbol in ports.symbols:
        reading = ports.store.iv_reading(symbol, session.date)
        about = read_news(news.get(symbol, ()), now=now, half_life_s=ports.half_life_s)
        row = features.get(symbol)
        candidates.append(
            Candidate(
                ticker=symbol,
                news_score=about.score,
                novelty=about.novelty,
                volume_ratio=row.volume_ratio if row else None,
                spread=reading.median_spread if reading else None,
                held=symbol in held,
            )
        )
    # decide
    current = [entry.ticker for entry in ports.store.watchlist()]
    entries = rank(candidates, rules, current=current, now=now)
    # apply
    ports.store.put_watchlist(entries, now=now)
    return StepReport(stage="watchlist_engine", now=now, read=len(candidates), decided=len(entries))
