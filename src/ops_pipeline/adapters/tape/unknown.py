"""Ports that know nothing: what a replay asks where the recording has no answer. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from ops_pipeline.domain.accounts import BrokerAccount, BrokerPosition
from ops_pipeline.domain.instruments import Right, Split
from ops_pipeline.domain.market import Bar, Chain, Interval, IvReading, OptionQuote, SpotQuote
from ops_pipeline.domain.news import NewsItem
from ops_pipeline.domain.orders import Activity, Approved, BrokerOrder, OrderUpdate, SubmitOutcome, Unknown
from ops_pipeline.domain.records import EarningsDate, RegimeReading
from ops_pipeline.domain.units import ClientOrderId, Occ
from ops_pipeline.ports import BrokerUnavailable

_WHY = "the recording has no answer"


class UnknownMarket:
    """Implements `ports.MarketData` and `ports.NewsSource` without a price or a headline."""

    def spot(self, ticker: str, *, now: datetime) -> SpotQuote | None:
        return None

    def bars(self, ticker: str, *, interval: Interval, after: datetime, now: datetime) -> Sequence[Bar]:
        return ()

    def chain(
        self, ticker: str, *, now: datetime, first: date, last: date, right: Right | None = None
    ) -> Chain | None:
        return None

    def quotes(self, occs: Sequence[Occ], *, now: datetime) -> Mapping[Occ, OptionQuote]:
        return {}

    def iv_history(self, ticker: str, *, before: date, limit: int) -> Sequence[IvReading]:
        return ()

    def splits(self, ticker: str, *, first: date, last: date) -> Sequence[Split]:
        return ()

    def volatility_index(self, *, before: date) -> RegimeReading | None:
        return None

    def earnings(self, ticker: str, *, now: datetime) -> EarningsDate | None:
        return None

    def rate(self, session: date) -> float:
        return 0.0

    def dividend_yield(self, ticker: str) -> float:
        return 0.0

    def next_instant(self, now: datetime) -> datetime | None:
        return None

    def fetch(self, *, since: datetime, now: datetime) -> Sequence[NewsItem]:
        return ()


class UnknownBroker:
    """Implements `ports.Broker`: no read is answered, and what becomes of a send nobody knows."""

    def account(self) -> BrokerAccount:
        raise BrokerUnavailable(_WHY)

    def positions(self) -> Sequence[BrokerPosition]:
        raise BrokerUnavailable(_WHY)

    def submit(self, order: Approved) -> SubmitOutcome:
        return Unknown(_WHY)

    def cancel(self, broker_order_id: str) -> None:
        raise BrokerUnavailable(_WHY)

    def suspend(self, *, on: bool) -> None:
        raise BrokerUnavailable(_WHY)

    def order(self, client_order_id: ClientOrderId) -> BrokerOrder | None:
        raise BrokerUnavailable(_WHY)

    def orders(self, *, since: datetime) -> Sequence[BrokerOrder]:
        raise BrokerUnavailable(_WHY)

    def activities(self, *, since: datetime) -> Sequence[Activity]:
        raise BrokerUnavailable(_WHY)


class UnknownStream:
    """Implements `ports.OrderStream` that is not connected."""

    heard_at: datetime | None = None

    def drain(self) -> Sequence[OrderUpdate]:
        return ()

    def reconnect(self, why: str) -> None:
        """Do nothing: nobody is there."""
