"""What a strategy concluded from one feature row: a signal, or why it holds. Pure."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from hashlib import sha256

from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.market import Interval
from ops_pipeline.domain.units import SignalId


class Strategy(StrEnum):
    """How long a position is meant to live; it chooses DTE window and exit policy."""

    DAY = "day"
    SWING = "swing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A wish to buy `right` on `ticker`; `confidence` 0..1 is a rank, not a probability."""

    id: SignalId
    ticker: str
    rule: str
    interval: Interval
    right: Right
    strategy: Strategy
    confidence: float
    session: date
    as_of: datetime
    expires_at: datetime
    because: tuple[tuple[str, float], ...]
    inputs_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A bar on which the rule did nothing, and the reason."""

    id: SignalId
    ticker: str
    rule: str
    interval: Interval
    session: date
    as_of: datetime
    reason: str
    because: tuple[tuple[str, float], ...] = ()


def signal_id(ticker: str, rule: str, interval: Interval, bar_at: datetime) -> SignalId:
    """Derive the id of the one signal that (ticker, rule, bar) can have."""
    cause = f"{ticker}|{rule}|{interval.value}|{bar_at.isoformat()}"
    return SignalId("S" + sha256(cause.encode()).hexdigest()[:15])
