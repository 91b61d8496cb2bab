"""Turns bars, news and a year of IV into feature rows. Shell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Protocol

from ops_pipeline.domain.features import FeatureRow, IvRank
from ops_pipeline.domain.market import Bar, Interval, IvReading, Session
from ops_pipeline.domain.news import Classification
from ops_pipeline.domain.records import Failed, StepReport
from ops_pipeline.domain.rules import IvRules, SignalRules
from ops_pipeline.ports import Calendar, FeatureStore, MarketData, NewsStore, TelemetryStore
from ops_pipeline.stages.feature_computer.features import (
    DAILY_BARS,
    MINUTE_BARS,
    RECENT_BARS,
    DayContext,
    calculate_atr,
    calculate_daily_features,
    calculate_minute_features,
    iv_rank_of,
)
from ops_pipeline.stages.feature_computer.news_score import OLDEST_HALF_LIVES, read_news
from ops_pipeline.stages.feature_computer.turnover import Turnover, turnover_of
from ops_pipeline.stages.telemetry.bars import in_todays_shares


class FeatureTables(TelemetryStore, FeatureStore, NewsStore, Protocol):
    """The tables this stage reads and writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturePorts:
    """Tables, sessions and the spot; `daily_every` spaces the rows of the forming daily bar.

    `atr` remembers (symbol, session) -> daily ATR, which changes once a session; `daily_at` when the
    daily rows were last computed; `ranks` the IV rank of a symbol's newest reading; `traded` the
    session's turnover.
    """

    store: FeatureTables
    market: MarketData
    calendar: Calendar
    symbols: tuple[str, ...]
    daily_every: timedelta
    atr: dict[tuple[str, str], float | None]
    daily_at: dict[str, datetime]
    ranks: dict[str, tuple[tuple[date, IvReading | None], IvRank]]
    traded: dict[str, Turnover] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureRules:
    """Signal rules by interval (windows and half-lives) and the IV year."""

    signals: Mapping[Interval, SignalRules]
    iv: IvRules


def run_once(now: datetime, ports: FeaturePorts, rules: FeatureRules) -> StepReport:
    """Compute one row per symbol and interval that is due."""
    # gather
    session = ports.calendar.session_at(now)
    if session is None or not session.open_at <= now <= session.close_at:
        return StepReport(stage="feature_computer", now=now)
    longest = max(signal.news_half_life_s for signal in rules.signals.values())
    since = now - timedelta(seconds=OLDEST_HALF_LIVES * longest)
    news = ports.store.classifications(since=since, now=now)
    # decide
    rows: list[FeatureRow] = []
    failed: list[Failed] = []
    for symbol in ports.symbols:
        try:
            about = news.get(symbol, ())
            rows += _rows(symbol, about, now=now, session=session, ports=ports, rules=rules)
        except ValueError as error:
            failed.append(Failed(item=symbol, error=str(error)))
    # apply
    if rows:
        ports.store.add_features(rows)
    return StepReport(
        stage="feature_computer",
        now=now,
        read=len(ports.symbols),
        decided=len(rows),
        failed=tuple(failed),
    )


def _rows(
    symbol: str,
    about: Sequence[Classification],
    *,
    now: datetime,
    session: Session,
    ports: FeaturePorts,
    rules: FeatureRules,
) -> list[FeatureRow]:
    day = _day(symbol, session, now, ports, rules)
    found: list[FeatureRow | None] = []
    minute = rules.signals.get(Interval.MINUTE)
    if minute is not None:
        bars, traded = _minutes(symbol, session, now, ports)
        reading = read_news(about, now=now, half_life_s=minute.news_half_life_s)
        found.append(
            calculate_minute_features(
                bars,
                session=session,
                day=day,
                news=reading,
                now=now,
                chop_bars=minute.chop_bars,
                traded=traded,
            )
        )
    daily = rules.signals.get(Interval.DAY)
    last = ports.daily_at.get(symbol)
    if daily is not None and (last is None or now - last >= ports.daily_every):
        ports.daily_at[symbol] = now
        found.append(_daily_row(symbol, about, daily, day, now=now, session=session, ports=ports))
    return [row for row in found if row is not None]


def _minutes(
    symbol: str, session: Session, now: datetime, ports: FeaturePorts
) -> tuple[Sequence[Bar], Turnover | None]:
    """Give the newest minute bars and the session's turnover, carried on where it is known."""
    known = ports.traded.get(symbol)
    if known is not None and known.session == session.date:
        bars = _bars(symbol, Interval.MINUTE, RECENT_BARS, session, now, ports)
        if bars and bars[-1].session == session.date and bars[0].end_at <= known.end_at <= bars[-1].end_at:
            traded = ports.traded[symbol] = known.with_bars(bars)
            return bars, traded
    bars = _bars(symbol, Interval.MINUTE, MINUTE_BARS, session, now, ports)
    summed = turnover_of(bars, session=session)
    if summed is not None:
        ports.traded[symbol] = summed
    return bars, summed


def _daily_row(
    symbol: str,
    about: Sequence[Classification],
    rules: SignalRules,
    day: DayContext,
    *,
    now: datetime,
    session: Session,
    ports: FeaturePorts,
) -> FeatureRow | None:
    spot = ports.market.spot(symbol, now=now)
    if spot is None:
        return None
    return calculate_daily_features(
        _past_days(symbol, session, now, ports),
        price=spot.price,
        session=session,
        previous=ports.calendar.previous(session.date).date,
        day=day,
        news=read_news(about, now=now, half_life_s=rules.news_half_life_s),
        now=now,
        chop_bars=rules.chop_bars,
    )


def _bars(
    symbol: str, interval: Interval, count: int, session: Session, now: datetime, ports: FeaturePorts
) -> Sequence[Bar]:
    """Give the newest stored bars, oldest first, in the shares of `session`."""
    bars = ports.store.bars(symbol, interval, count=count, now=now)
    if not bars or bars[0].session == session.date:
        return bars
    return in_todays_shares(bars, ports.market.splits(symbol, first=bars[0].session, last=session.date))


def _past_days(symbol: str, session: Session, now: datetime, ports: FeaturePorts) -> Sequence[Bar]:
    bars = _bars(symbol, Interval.DAY, DAILY_BARS, session, now, ports)
    return [bar for bar in bars if bar.session < session.date] if now >= session.close_at else bars


def _day(
    symbol: str, session: Session, now: datetime, ports: FeaturePorts, rules: FeatureRules
) -> DayContext:
    key = (symbol, session.date.isoformat())
    if ports.atr.get(key) is None:
        ports.atr[key] = calculate_atr(_past_days(symbol, session, now, ports))
    today = ports.store.iv_reading(symbol, session.date)
    known = ports.ranks.get(symbol)
    if known is not None and known[0] == (session.date, today):
        return DayContext(atr=ports.atr[key], iv=known[1])
    past = ports.store.iv_history(symbol, before=session.date, limit=rules.iv.readings_max)
    latest = today or (past[-1] if past else None)
    rank = iv_rank_of(
        latest.iv if latest else None,
        [reading.iv for reading in past],
        min_days=rules.iv.readings_min,
        max_days=rules.iv.readings_max,
    )
    if today is not None or past:
        ports.ranks[symbol] = ((session.date, today), rank)
    return DayContext(atr=ports.atr[key], iv=rank)
