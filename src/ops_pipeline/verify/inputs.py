"""What the laboratory's services are fed: features, signals, accounts, and no news. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ops_pipeline.domain.accounts import AccountProfile, DayTradePolicy, Mode
from ops_pipeline.domain.features import FeatureRow, IvStatus
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.market import Interval, Session
from ops_pipeline.domain.news import NewsItem, TextScore
from ops_pipeline.domain.signals import Signal, Strategy, signal_id
from ops_pipeline.verify.terms import LabAccount


class Silence:
    """No news, and a model that is never asked."""

    version = "none"

    def fetch(self, *, since: datetime, now: datetime) -> Sequence[NewsItem]:
        return ()

    def score(self, text: str) -> TextScore:
        raise AssertionError(f"the laboratory reads no text, was asked for {text!r}")


def signal_of(
    ticker: str, strategy: Strategy, right: Right, *, session: Session, now: datetime, life: timedelta
) -> Signal:
    """Give a signal of this instant."""
    interval = interval_of(strategy)
    return Signal(
        id=signal_id(ticker, "laboratory", interval, now),
        ticker=ticker,
        rule="laboratory",
        interval=interval,
        right=right,
        strategy=strategy,
        confidence=0.9,
        session=session.date,
        as_of=now,
        expires_at=now + life,
        because=(),
        inputs_hash="laboratory",
    )


def interval_of(strategy: Strategy) -> Interval:
    """Give the interval a strategy's signals come from."""
    return Interval.DAY if strategy is Strategy.SWING else Interval.MINUTE


def profile_of(account: LabAccount) -> AccountProfile:
    """Give an account's profile."""
    return AccountProfile(
        id=account.id,
        number=account.number,
        mode=Mode.TRADE,
        start_equity=account.cash,
        day_trade_policy=DayTradePolicy.NONE,
    )


def features_of(ticker: str, interval: Interval, session: Session, now: datetime) -> FeatureRow:
    """Give features that every gate on them lets pass."""
    return FeatureRow(
        ticker=ticker,
        interval=interval,
        session=session.date,
        bar_at=now,
        as_of=now,
        close=5_000_000,
        sma20=4_990_000.0,
        sma50=4_980_000.0,
        slope=100.0,
        distance=0.005,
        return_5=0.001,
        return_15=0.002,
        return_since_close=0.01,
        vwap_distance=0.001,
        sigma=0.001,
        volatility_ratio=1.0,
        volume_ratio=1.5,
        atr=100_000.0,
        sma20_change=0.002,
        iv=0.35,
        iv_rank=0.3,
        iv_status=IvStatus.OK,
        news_score=0.2,
        news_count=1,
        inputs_hash="laboratory",
    )
