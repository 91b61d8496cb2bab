"""The feature row a strategy decides from. Pure."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from ops_pipeline.domain.market import Interval
from ops_pipeline.domain.units import Usd4


class IvStatus(StrEnum):
    """Whether an IV rank rests on enough history; the neutral 0.5 always carries one of the others."""

    OK = "OK"
    INSUFFICIENT = "INSUFFICIENT"
    FLAT = "FLAT"
    MISSING = "MISSING"


@dataclass(frozen=True, slots=True, kw_only=True)
class IvRank:
    """IV's place in its year: rank and percentile 0..1, the range and the number of readings."""

    rank: float
    percentile: float | None
    status: IvStatus
    readings: int
    low: float | None
    high: float | None
    iv: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureRow:
    """Features of one ticker at one bar (RULEBOOK 9). Prices are Usd4, the rest decimals; None: unknown."""

    ticker: str
    interval: Interval
    session: date
    bar_at: datetime
    as_of: datetime
    close: Usd4
    sma20: float | None
    sma50: float | None
    slope: float | None
    distance: float | None
    return_5: float | None
    return_15: float | None
    return_since_close: float | None
    vwap_distance: float | None
    sigma: float | None
    volatility_ratio: float | None
    volume_ratio: float | None
    atr: float | None
    sma20_change: float | None
    iv: float | None
    iv_rank: float | None
    iv_status: IvStatus
    news_score: float | None
    news_count: int
    inputs_hash: str
