"""IV rank, Wilder ATR and the feature rows of both intervals. Pure.

A row is computed from complete bars, oldest first, that ended by `now`; what cannot be computed is
None, never 0. Averages, distances and changes are Usd4 as floats, returns and ratios decimals.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from itertools import pairwise
from typing import NamedTuple

from ops_pipeline.domain.features import FeatureRow, IvRank, IvStatus
from ops_pipeline.domain.market import Bar, Interval, Session
from ops_pipeline.domain.units import Usd4, kernel, round_event_float
from ops_pipeline.stages.feature_computer.news_score import NewsReading
from ops_pipeline.stages.feature_computer.turnover import Turnover, bars_of_last_session, turnover_of
from ops_pipeline.stages.feature_computer.windows import (
    LONG_SIGMA_RETURNS,
    SIGMA_RETURNS,
    VOLUME_BARS,
    atr_step,
    change_of_mean,
    mean_of_last,
    return_over,
    rounded,
    sigma_and_ratio,
    true_range,
    volume_ratio,
)

ATR_PERIOD = 14
YEAR_SESSIONS = 252
LEAST_READINGS = 30
NEUTRAL_RANK = 0.5
# What the shell has to fetch: a full session and the 21 minutes before it; a year of days.
MINUTE_BARS = 390 + VOLUME_BARS + 1
RECENT_BARS = SIGMA_RETURNS + LONG_SIGMA_RETURNS + VOLUME_BARS + 1
DAILY_BARS = 260
_CLOSES = SIGMA_RETURNS + LONG_SIGMA_RETURNS + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DayContext:
    """What holds for a ticker all session: daily ATR(14) of complete sessions in Usd4, and its IV."""

    atr: float | None
    iv: IvRank


class _Window(NamedTuple):
    """What a row is drawn from; `priced` ends with the current price, `complete` with a complete close."""

    ticker: str
    interval: Interval
    session: date
    bar_at: datetime
    priced: list[int]
    complete: list[int]
    volumes: list[int | None]
    vwap: float | None


def calculate_iv_rank(current: float, history: Sequence[float], min_days: int = LEAST_READINGS) -> float:
    """Place `current` within its year: 0 at the low, 1 at the high, clamped; neutral 0.5 otherwise.

    >>> round(calculate_iv_rank(0.80, [0.30, 0.90] * 15), 4)
    0.8333
    """
    return iv_rank_of(current, history, min_days=min_days).rank


def iv_rank_of(
    current: float | None,
    history: Sequence[float],
    *,
    min_days: int = LEAST_READINGS,
    max_days: int = YEAR_SESSIONS,
) -> IvRank:
    """Rank `current` among the newest `max_days` readings of `history`, today's excluded.

    Annualised decimals, oldest first. The status says why a rank is the neutral 0.5: no current IV
    (MISSING), fewer than `min_days` readings (INSUFFICIENT) or all alike (FLAT). Percentile: the share
    of readings below `current`. Readings that are not above 0 raise ValueError.
    """
    year = history[-max_days:]
    if not all(0.0 < reading < math.inf for reading in year):
        raise ValueError(f"IV history: expected readings > 0, was {min(year)}..{max(year)}")
    known = current if current is not None and 0.0 < current < math.inf else None
    low, high = min(year, default=None), max(year, default=None)
    rank, status = _rank_and_status(known, year, min_days)
    below = None if known is None or not year else sum(reading < known for reading in year) / len(year)
    return IvRank(
        rank=round_event_float(rank),
        percentile=rounded(below),
        status=status,
        readings=len(year),
        low=low,
        high=high,
        iv=known,
    )


def _rank_and_status(current: float | None, year: Sequence[float], min_days: int) -> tuple[float, IvStatus]:
    if current is None:
        return NEUTRAL_RANK, IvStatus.MISSING
    if len(year) < max(1, min_days):
        return NEUTRAL_RANK, IvStatus.INSUFFICIENT
    if max(year) <= min(year):
        return NEUTRAL_RANK, IvStatus.FLAT
    return place_in_range(current, min(year), max(year)), IvStatus.OK


@kernel
def place_in_range(value: float, low: float, high: float) -> float:
    """Give where `value` lies between `low` and `high` > `low`, clamped to 0..1."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


def calculate_atr(bars: Sequence[Bar], *, period: int = ATR_PERIOD) -> float | None:
    """Give Wilder's ATR at the last of complete bars, Usd4; None below `period` + 1 bars.

    The first average is the plain mean of `period` true ranges, as Wilder and TA-Lib start it.
    """
    if len(bars) <= period:
        return None
    ranges = [true_range(bar.high, bar.low, before.close) for before, bar in pairwise(bars)]
    average = sum(ranges[:period]) / period
    for value in ranges[period:]:
        average = atr_step(average, value, period)
    return average


def calculate_minute_features(
    bars: Sequence[Bar],
    *,
    session: Session,
    day: DayContext,
    news: NewsReading,
    now: datetime,
    chop_bars: int,
    traded: Turnover | None = None,
) -> FeatureRow | None:
    """Compute the row of the last minute bar; None without a complete bar of `session`.

    Hand over the newest MINUTE_BARS: only the volume ratio looks across the open. RECENT_BARS are
    enough beside `traded`, the session's turnover up to the last bar. `chop_bars` is how far back the
    change of sma20 reaches. A bar that ends after `now` raises ValueError.
    """
    if not bars or bars[-1].session != session.date:
        return None
    last = bars[-1]
    _require_complete(last, now)
    own = bars_of_last_session(bars)
    closes = [bar.close for bar in own[-_CLOSES:]]
    volumes = [bar.volume for bar in bars[-(VOLUME_BARS + 1) :]]
    traded = traded or turnover_of(bars, session=session)
    window = _Window(
        ticker=last.ticker,
        interval=Interval.MINUTE,
        session=session.date,
        bar_at=last.end_at,
        priced=closes,
        complete=closes,
        volumes=volumes,
        vwap=traded.vwap if traded is not None and traded.end_at == last.end_at else None,
    )
    return _row(window, day=day, news=news, now=now, chop_bars=chop_bars)


def calculate_daily_features(
    bars: Sequence[Bar],
    *,
    price: Usd4,
    session: Session,
    previous: date,
    day: DayContext,
    news: NewsReading,
    now: datetime,
    chop_bars: int,
) -> FeatureRow | None:
    """Compute the row of the session's forming bar, which closes at `price` for now.

    `bars` are complete daily bars before `session`. Where the newest is not that of the session
    `previous`, the history is stale and everything drawn from it is None. `bar_at` is the session's
    close, so that a session has one bar. None without bars.
    """
    if not bars:
        return None
    _require_complete(bars[-1], now)
    if bars[-1].session >= session.date:
        raise ValueError(f"{bars[-1].ticker}: expected bars before {session.date}, was {bars[-1].session}")
    fresh = bars[-1].session == previous
    closes = [bar.close for bar in bars[-_CLOSES:]] if fresh else []
    window = _Window(
        ticker=bars[-1].ticker,
        interval=Interval.DAY,
        session=session.date,
        bar_at=session.close_at,
        priced=[*closes, price],
        complete=closes,
        volumes=[bar.volume for bar in bars[-(VOLUME_BARS + 1) :]] if fresh else [],
        vwap=None,
    )
    return _row(window, day=day, news=news, now=now, chop_bars=chop_bars)


def _require_complete(bar: Bar, now: datetime) -> None:
    if bar.end_at > now:
        raise ValueError(f"{bar.ticker}: expected bars that ended by {now}, was one of {bar.end_at}")


def _row(window: _Window, *, day: DayContext, news: NewsReading, now: datetime, chop_bars: int) -> FeatureRow:
    priced, complete, vwap, iv = window.priced, window.complete, window.vwap, day.iv
    close = priced[-1]
    sma20 = mean_of_last(priced, 20)
    sigma, volatility_ratio = sigma_and_ratio(complete)
    daily = window.interval is Interval.DAY
    return FeatureRow(
        ticker=window.ticker,
        interval=window.interval,
        session=window.session,
        bar_at=window.bar_at,
        as_of=now,
        close=close,
        sma20=rounded(sma20),
        sma50=rounded(mean_of_last(priced, 50)),
        slope=rounded(change_of_mean(priced, 20, back=1)),
        distance=None if sma20 is None else round_event_float(close - sma20),
        return_5=rounded(return_over(complete, 5)),
        return_15=rounded(return_over(complete, 15)),
        return_since_close=rounded(return_over(priced, 1)) if daily else None,
        vwap_distance=None if vwap is None else round_event_float(close - vwap),
        sigma=rounded(sigma),
        volatility_ratio=rounded(volatility_ratio),
        volume_ratio=rounded(volume_ratio(window.volumes)),
        atr=rounded(day.atr),
        sma20_change=rounded(change_of_mean(priced, 20, back=chop_bars)),
        iv=iv.iv,
        iv_rank=None if iv.status is IvStatus.MISSING else iv.rank,
        iv_status=iv.status,
        news_score=news.score,
        news_count=news.count,
        inputs_hash=_hash_of(window, day, news, chop_bars),
    )


def _hash_of(window: _Window, day: DayContext, news: NewsReading, chop_bars: int) -> str:
    """Give 16 hex digits over everything the row's values depend on, so that equal means equal."""
    bars = (window.bar_at.isoformat(), window.priced, window.volumes, window.vwap, chop_bars)
    context = (day.atr, day.iv.iv, day.iv.rank, day.iv.status.value, news.score, news.count)
    cause = (window.ticker, window.interval.value, bars, context)
    return sha256(repr(cause).encode()).hexdigest()[:16]
