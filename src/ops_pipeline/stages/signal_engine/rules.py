"""Strategies: what a feature row says to do, with how much confidence, or why to hold. Pure.

Direction comes from price and trend, never from news; news only scales confidence (RULEBOOK 9).
"""

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from ops_pipeline.domain.features import FeatureRow
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.market import Interval
from ops_pipeline.domain.rules import SignalRules
from ops_pipeline.domain.signals import Hold, Signal, Strategy, signal_id
from ops_pipeline.domain.units import kernel, round_event_float

TREND = "trend"

Evidence = tuple[tuple[str, float], ...]
StrategyFunction = Callable[..., Signal | Hold]


def decide(row: FeatureRow, rules: SignalRules, *, now: datetime, rule: str = TREND) -> Signal | Hold:
    """Let the strategy named `rule` judge `row` at `now`; an unknown name raises ValueError."""
    strategy = STRATEGIES.get(rule)
    if strategy is None:
        raise ValueError(f"strategy: expected one of {', '.join(sorted(STRATEGIES))}, was {rule!r}")
    return strategy(row, rules, now=now)


def decide_trend(row: FeatureRow, rules: SignalRules, *, now: datetime) -> Signal | Hold:
    """Buy calls above, puts below two rising or falling averages; minute bars day-trade, daily swing.

    A signal lives `expires_after_s` from the end of its bar, that of a daily bar to the session's
    close. A row computed after `now` or for the other interval raises ValueError.
    """
    _require_fit(row, rules, now)
    expires_at = row.bar_at + timedelta(seconds=rules.expires_after_s)
    missing = _missing_features(row, rules)
    if missing:
        return _hold(row, f"features missing: {', '.join(missing)}")
    if now >= expires_at:
        return _hold(row, "features stale", (("age_s", (now - row.bar_at).total_seconds()),))
    reason, evidence = _obstacle(row, rules)
    if reason:
        return _hold(row, reason, evidence)
    trend = trend_state(row.close, _known(row.sma20), _known(row.sma50))
    confidence, parts = _confidence(row, rules, trend)
    return Signal(
        id=signal_id(row.ticker, TREND, row.interval, row.bar_at),
        ticker=row.ticker,
        rule=TREND,
        interval=row.interval,
        right=Right(trend),
        strategy=Strategy.SWING if rules.daily else Strategy.DAY,
        confidence=confidence,
        session=row.session,
        as_of=row.as_of,
        expires_at=expires_at,
        because=(*parts, *evidence),
        inputs_hash=row.inputs_hash,
    )


STRATEGIES: Mapping[str, StrategyFunction] = MappingProxyType({TREND: decide_trend})


@kernel
def trend_state(close: float, sma20: float, sma50: float) -> int:
    """Give 1 for close > sma20 > sma50, -1 for close < sma20 < sma50, else 0."""
    if close > sma20 > sma50:
        return 1
    if close < sma20 < sma50:
        return -1
    return 0


@kernel
def trend_part(trend: int, slope: float) -> float:
    """Give 1 where sma20 moves with the trend, else 0.5."""
    return 1.0 if trend * slope > 0.0 else 0.5


@kernel
def momentum_part(trend: int, moved: float, sigma: float, bars: int) -> float:
    """Give |move| over 2 sigma sqrt(bars), capped at 1; 0 against the trend or without a scale."""
    if trend * moved <= 0.0 or sigma <= 0.0:
        return 0.0
    return min(1.0, abs(moved) / (2.0 * sigma * math.sqrt(bars)))


@kernel
def volume_part(ratio: float, least: float) -> float:
    """Give 0 at the least volume ratio and 1 from 2.5 above it."""
    return min(1.0, max(0.0, (ratio - least) / 2.5))


@kernel
def news_part(trend: int, score: float) -> float:
    """Give 0.5 plus half the news score along the trade: 0 against, 0.5 without, 1 with it."""
    return 0.5 + 0.5 * trend * score


@kernel
def volatility_part(ratio: float) -> float:
    """Give 1 for a volatility ratio of 0.8 to 1.3, 0.7 below and 0.5 above."""
    if ratio < 0.8:
        return 0.7
    return 1.0 if ratio <= 1.3 else 0.5


@kernel
def weigh_confidence(
    trend: float, momentum: float, volume: float, news: float, volatility: float, rules: SignalRules
) -> float:
    """Add the five parts, each 0..1, by the rules' weights."""
    return (
        rules.trend_weight * trend
        + rules.momentum_weight * momentum
        + rules.volume_weight * volume
        + rules.news_weight * news
        + rules.volatility_weight * volatility
    )


def _confidence(row: FeatureRow, rules: SignalRules, trend: int) -> tuple[float, Evidence]:
    """Give the confidence rounded to 1e-9 and its parts before weighing."""
    moved = row.return_since_close if rules.daily else row.return_15
    score = 0.0 if row.news_score is None else row.news_score
    parts = (
        trend_part(trend, _known(row.slope)),
        momentum_part(trend, _known(moved), _known(row.sigma), rules.momentum_bars),
        volume_part(_known(row.volume_ratio), rules.volume_ratio_min),
        news_part(trend, score),
        volatility_part(_known(row.volatility_ratio)),
    )
    names = ("trend", "momentum", "volume", "news", "volatility")
    evidence = tuple(zip(names, map(round_event_float, parts), strict=True))
    return round_event_float(weigh_confidence(*parts, rules)), evidence


def _obstacle(row: FeatureRow, rules: SignalRules) -> tuple[str, Evidence]:
    """Name the first thing that forbids a trade, "" for none, with every value looked at."""
    atr, volume = _known(row.atr), _known(row.volume_ratio)
    distance, change = _known(row.distance), abs(_known(row.sma20_change))
    trend = trend_state(row.close, _known(row.sma20), _known(row.sma50))
    stretch = rules.stretched_atr * atr
    chop = rules.chop_atr * atr if rules.daily else rules.chop_fraction * _sma20_then(row)
    evidence = (
        ("trend_state", float(trend)),
        ("volume_ratio", volume),
        ("distance", distance),
        ("stretched_from", round_event_float(stretch)),
        ("sma20_change", change),
        ("chop_below", round_event_float(chop)),
    )
    if volume < rules.volume_ratio_min:
        return "volume ratio low", evidence
    if trend == 0:
        return "no trend", evidence
    if abs(distance) >= stretch:
        return "stretched", evidence
    return ("chop" if change < chop else ""), evidence


def _sma20_then(row: FeatureRow) -> float:
    return _known(row.sma20) - _known(row.sma20_change)


def _missing_features(row: FeatureRow, rules: SignalRules) -> tuple[str, ...]:
    needed = {
        "sma20": row.sma20,
        "sma50": row.sma50,
        "slope": row.slope,
        "distance": row.distance,
        "return": row.return_since_close if rules.daily else row.return_15,
        "sigma": row.sigma,
        "volatility_ratio": row.volatility_ratio,
        "volume_ratio": row.volume_ratio,
        "atr": row.atr,
        "sma20_change": row.sma20_change,
    }
    return tuple(name for name, value in needed.items() if value is None)


def _known(value: float | None) -> float:
    assert value is not None, "expected a feature that _missing_features has seen, was None"
    return value


def _hold(row: FeatureRow, reason: str, because: Evidence = ()) -> Hold:
    return Hold(
        id=signal_id(row.ticker, TREND, row.interval, row.bar_at),
        ticker=row.ticker,
        rule=TREND,
        interval=row.interval,
        session=row.session,
        as_of=row.as_of,
        reason=reason,
        because=because,
    )


def _require_fit(row: FeatureRow, rules: SignalRules, now: datetime) -> None:
    if row.as_of > now:
        raise ValueError(f"{row.ticker}: expected features of {now} or before, was {row.as_of}")
    if (row.interval is Interval.DAY) != bool(rules.daily):
        raise ValueError(f"{row.ticker}: expected rules of {row.interval}, was daily {rules.daily}")
