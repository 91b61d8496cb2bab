"""Sessions, bars, quotes and how far a quote can be trusted. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import NamedTuple

from ops_pipeline.domain.instruments import OptionContract
from ops_pipeline.domain.units import Occ, Usd4


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A trading day in New York with its open and close as aware UTC instants."""

    date: date
    open_at: datetime
    close_at: datetime

    def minutes_after_open(self, now: datetime) -> float:
        """Give minutes since the open, negative before it."""
        return (now - self.open_at) / timedelta(minutes=1)

    def minutes_before_close(self, now: datetime) -> float:
        """Give minutes left to the close, negative after it."""
        return (self.close_at - now) / timedelta(minutes=1)

    def is_open(self, now: datetime) -> bool:
        """Tell whether `now` lies in [open, close)."""
        return self.open_at <= now < self.close_at


class Interval(StrEnum):
    """The base interval of bars, features and signals."""

    MINUTE = "1m"
    DAY = "1d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A complete bar; `end_at` is the first instant it may be used; prices in Usd4."""

    ticker: str
    interval: Interval
    session: date
    end_at: datetime
    open: Usd4
    high: Usd4
    low: Usd4
    close: Usd4
    volume: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotQuote:
    """The underlying's price, when it was true, and the session's volume so far."""

    ticker: str
    price: Usd4
    at: datetime
    volume: int | None = None
    day_high: Usd4 | None = None
    day_low: Usd4 | None = None


class Feed(StrEnum):
    """Where a quote comes from: the full tape, the delayed indicative one, or a recording."""

    OPRA = "opra"
    INDICATIVE = "indicative"
    RECORDED = "recorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionQuote:
    """A two-sided option quote as the venue gave it; None means absent, never 0.

    `bid`, `ask` in Usd4 per share (None: no such side), `at` the quote's own time, `confirmed_at`
    when the feed last confirmed it. A crossed or one-sided quote is representable: trust decides.
    """

    occ: Occ
    bid: Usd4 | None
    ask: Usd4 | None
    bid_size: int | None
    ask_size: int | None
    at: datetime
    confirmed_at: datetime
    feed: Feed
    iv: float | None = None
    delta: float | None = None
    gamma: float | None = None
    theta_per_day: float | None = None
    vega_per_point: float | None = None
    volume: int | None = None
    previous_volume: int | None = None
    open_interest: int | None = None
    computed: bool = False

    def __post_init__(self) -> None:
        for name, price in (("bid", self.bid), ("ask", self.ask)):
            if price is not None and price < 0:
                raise ValueError(f"quote for {self.occ}: expected {name} >= 0, was {price}")
        if self.at.tzinfo is None or self.confirmed_at.tzinfo is None:
            raise ValueError(f"quote for {self.occ}: expected aware UTC times, was naive")


class Trust(IntEnum):
    """How far a quote can be trusted; the first that matches wins (RULEBOOK 2)."""

    IMPOSSIBLE = 0
    CROSSED = 1
    ZERO_BID = 2
    ONE_SIDED = 3
    STALE = 4
    WIDE = 5
    DELAYED = 6
    FRESH = 7


class QuoteRules(NamedTuple):
    """Limits of quote trust: seconds, bp of mid, Usd4; flags as 0 or 1."""

    confirmed_within_s: int
    stamped_within_s: int
    impossible_slack: Usd4
    wide_bp: int
    wide_floor: Usd4
    allow_delayed: int
    jump_bp: int
    jump_agrees_bp: int
    blind_stop_after_s: int
    read_gap_s: int
    sparse_after_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """All quotes asked for on one underlying at one instant, with the spot they belong to."""

    underlying: str
    at: datetime
    spot: Usd4
    contracts: Mapping[Occ, OptionContract]
    quotes: Mapping[Occ, OptionQuote]


@dataclass(frozen=True, slots=True, kw_only=True)
class IvReading:
    """The 30-day constant-maturity at-the-money IV of one underlying and session.

    `median_spread` is the near chain's, as a fraction of the mid; None where it was not measured.
    """

    ticker: str
    session: date
    at: datetime
    iv: float
    source: str
    median_spread: float | None = None


def trust_of(
    quote: OptionQuote, contract: OptionContract, *, spot: Usd4 | None, now: datetime, rules: QuoteRules
) -> Trust:
    """Classify `quote` against its contract, the underlying's price and the clock."""
    bid, ask = quote.bid, quote.ask
    if spot is not None and _impossible(bid, ask, contract, spot, rules):
        return Trust.IMPOSSIBLE
    if bid is not None and ask is not None and ask > 0 and bid > ask:
        return Trust.CROSSED
    if not bid:
        return Trust.ZERO_BID
    if not ask:
        return Trust.ONE_SIDED
    if (now - quote.confirmed_at).total_seconds() > rules.confirmed_within_s:
        return Trust.STALE
    if (now - quote.at).total_seconds() > rules.stamped_within_s:
        return Trust.STALE
    spread = ask - bid
    if 2 * spread * 10_000 > rules.wide_bp * (ask + bid) and spread > rules.wide_floor:
        return Trust.WIDE
    return Trust.DELAYED if quote.feed is Feed.INDICATIVE else Trust.FRESH


def _impossible(
    bid: Usd4 | None, ask: Usd4 | None, contract: OptionContract, spot: Usd4, rules: QuoteRules
) -> bool:
    if ask and ask < contract.intrinsic(spot) - rules.impossible_slack:
        return True
    ceiling = spot if contract.right > 0 else contract.strike
    return bid is not None and bid > ceiling


def is_usable(trust: Trust, rules: QuoteRules) -> bool:
    """Tell whether a quote of this trust may give a mark."""
    return trust is Trust.FRESH or (trust is Trust.DELAYED and rules.allow_delayed != 0)
