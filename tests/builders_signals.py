"""Builders of bars, chains, readings and feature rows; prices are dollars. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from ops_pipeline.app.settings import load_settings
from ops_pipeline.domain.features import FeatureRow, IvStatus
from ops_pipeline.domain.instruments import OptionContract, Right, format_occ
from ops_pipeline.domain.market import Bar, Chain, Feed, Interval, OptionQuote, QuoteRules, Session
from ops_pipeline.domain.news import Classification, EventKind
from ops_pipeline.domain.rules import SignalRules, WatchlistRules
from ops_pipeline.stages.feature_computer.features import DayContext, iv_rank_of

# Friday 2026-01-09 and the day before it, full sessions in winter: 14:30 to 21:00 UTC.
SESSION = Session(
    date=date(2026, 1, 9),
    open_at=datetime(2026, 1, 9, 14, 30, tzinfo=UTC),
    close_at=datetime(2026, 1, 9, 21, 0, tzinfo=UTC),
)
DAY_BEFORE = Session(
    date=date(2026, 1, 8),
    open_at=datetime(2026, 1, 8, 14, 30, tzinfo=UTC),
    close_at=datetime(2026, 1, 8, 21, 0, tzinfo=UTC),
)
DAY = DayContext(atr=50_000.0, iv=iv_rank_of(0.45, [0.20, 0.60] * 20))


def signal_rules(interval: Interval = Interval.MINUTE) -> SignalRules:
    """The shipped signal rules of an interval."""
    return load_settings().signal_rules(interval)


def watchlist_rules() -> WatchlistRules:
    """The shipped watchlist rules."""
    return load_settings().watchlist_rules()


def quote_rules() -> QuoteRules:
    """The shipped limits of quote trust."""
    return load_settings().quote_rules()


def minute_bars(
    closes: Sequence[float], volumes: Sequence[int | None] | None = None, *, session: Session = SESSION
) -> list[Bar]:
    """Minute bars from the open whose high and low lie 0.02 around the close."""
    volumes = volumes or [1_000] * len(closes)
    return [
        _bar(close, volume, Interval.MINUTE, session.date, session.open_at + timedelta(minutes=place))
        for place, (close, volume) in enumerate(zip(closes, volumes, strict=True), start=1)
    ]


def daily_bars(closes: Sequence[float], *, last: Session = DAY_BEFORE) -> list[Bar]:
    """Daily bars of consecutive calendar days that end with `last`."""
    bars = []
    for place, close in enumerate(closes):
        back = timedelta(days=len(closes) - 1 - place)
        bars.append(_bar(close, 1_000_000, Interval.DAY, last.date - back, last.close_at - back))
    return bars


def _bar(close: float, volume: int | None, interval: Interval, session: date, end_at: datetime) -> Bar:
    price = round(close * 10_000)
    return Bar(
        ticker="META",
        interval=interval,
        session=session,
        end_at=end_at,
        open=price,
        high=price + 200,
        low=price - 200,
        close=price,
        volume=volume,
    )


def feature_row(interval: Interval = Interval.MINUTE, **changes) -> FeatureRow:
    """A healthy uptrend: every part of the confidence is 1 but news, which is absent."""
    daily = interval is Interval.DAY
    bar_at = SESSION.close_at if daily else SESSION.open_at + timedelta(minutes=100)
    row = FeatureRow(
        ticker="META",
        interval=interval,
        session=SESSION.date,
        bar_at=bar_at,
        as_of=SESSION.open_at + timedelta(minutes=100),
        close=6_010_000,
        sma20=6_000_000.0,
        sma50=5_980_000.0,
        slope=500.0,
        distance=10_000.0,
        return_5=0.002,
        return_15=0.01,
        return_since_close=0.06 if daily else None,
        vwap_distance=5_000.0,
        sigma=0.001,
        volatility_ratio=1.0,
        volume_ratio=3.0,
        atr=100_000.0,
        sma20_change=15_000.0,
        iv=0.35,
        iv_rank=0.4,
        iv_status=IvStatus.OK,
        news_score=None,
        news_count=0,
        inputs_hash="0123456789abcdef",
    )
    if daily:
        row = replace(row, sigma=0.02)
    return replace(row, **changes)


def classification(
    sentiment: float, *, age_s: float = 0, relevance: float = 1.0, novelty: float = 1.0
) -> Classification:
    """A classification published `age_s` before the session's 100th minute."""
    at = SESSION.open_at + timedelta(minutes=100) - timedelta(seconds=age_s)
    return Classification(
        news_id="n1",
        ticker="META",
        sentiment=sentiment,
        relevance=relevance,
        novelty=novelty,
        kind=EventKind.OTHER,
        model_version="test",
        published_at=at,
        first_seen_at=at,
    )


def option(
    expiration: date,
    right: Right,
    strike: float,
    *,
    mid: float,
    iv: float | None,
    at: datetime,
    spread: float = 0.02,
) -> tuple[OptionContract, OptionQuote]:
    """A contract and its two-sided recorded quote around `mid` dollars."""
    usd4 = round(strike * 10_000)
    occ = format_occ("META", expiration, right, usd4)
    contract = OptionContract(occ=occ, underlying="META", right=right, strike=usd4, expiration=expiration)
    quote = OptionQuote(
        occ=occ,
        bid=round((mid - spread / 2) * 10_000),
        ask=round((mid + spread / 2) * 10_000),
        bid_size=10,
        ask_size=10,
        at=at,
        confirmed_at=at,
        feed=Feed.RECORDED,
        iv=iv,
    )
    return contract, quote


def chain_of(options: Sequence[tuple[OptionContract, OptionQuote]], *, spot: float, at: datetime) -> Chain:
    """A chain of the given contracts."""
    return Chain(
        underlying="META",
        at=at,
        spot=round(spot * 10_000),
        contracts={contract.occ: contract for contract, _ in options},
        quotes={quote.occ: quote for _, quote in options},
    )
