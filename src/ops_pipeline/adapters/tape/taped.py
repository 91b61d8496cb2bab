"""The ports of a run with a tape in between, which notes each answer or gives the noted one. Shell."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Protocol, TypeVar

from ops_pipeline.adapters.tape.forms import CHAIN, OUTCOME, QUOTES, Form, form_of
from ops_pipeline.domain.accounts import BrokerAccount, BrokerPosition
from ops_pipeline.domain.instruments import Right, Split
from ops_pipeline.domain.market import Bar, Chain, Interval, IvReading, OptionQuote, SpotQuote
from ops_pipeline.domain.news import NewsItem
from ops_pipeline.domain.orders import Activity, Approved, BrokerOrder, OrderUpdate, SubmitOutcome
from ops_pipeline.domain.records import EarningsDate, RegimeReading
from ops_pipeline.domain.units import ClientOrderId, Occ
from ops_pipeline.ports import Broker, Clock, MarketData, NewsSource, OrderStream

Answer = TypeVar("Answer")

_NOTHING: Form[None] = form_of(None)
_NUMBER: Form[float] = form_of(float)
_INSTANT: Form[datetime] = form_of(datetime)
_MAYBE_INSTANT: Form[datetime | None] = form_of(datetime | None)
SPOT: Form[SpotQuote | None] = form_of(SpotQuote | None)
BARS: Form[Sequence[Bar]] = form_of(tuple[Bar, ...])
READINGS: Form[Sequence[IvReading]] = form_of(tuple[IvReading, ...])
_SPLITS: Form[Sequence[Split]] = form_of(tuple[Split, ...])
REGIME: Form[RegimeReading | None] = form_of(RegimeReading | None)
_EARNINGS: Form[EarningsDate | None] = form_of(EarningsDate | None)
NEWS: Form[Sequence[NewsItem]] = form_of(tuple[NewsItem, ...])
_ACCOUNT: Form[BrokerAccount] = form_of(BrokerAccount)
_POSITIONS: Form[Sequence[BrokerPosition]] = form_of(tuple[BrokerPosition, ...])
_ORDER: Form[BrokerOrder | None] = form_of(BrokerOrder | None)
_ORDERS: Form[Sequence[BrokerOrder]] = form_of(tuple[BrokerOrder, ...])
_ACTIVITIES: Form[Sequence[Activity]] = form_of(tuple[Activity, ...])
_UPDATES: Form[Sequence[OrderUpdate]] = form_of(tuple[OrderUpdate, ...])


class Tape(Protocol):
    """Stands between a question and its answer."""

    def ask(
        self, port: str, call: str, about: Sequence[Any], form: Form[Answer], live: Callable[[], Answer]
    ) -> Answer:
        """Answer what `call` of `port` says `about` something; `live` asks the port itself."""


class TapedMarket:
    """Implements `ports.MarketData`."""

    def __init__(self, tape: Tape, market: MarketData) -> None:
        self._tape = tape
        self._market = market

    def spot(self, ticker: str, *, now: datetime) -> SpotQuote | None:
        return self._ask("spot", [ticker], SPOT, lambda: self._market.spot(ticker, now=now))

    def bars(self, ticker: str, *, interval: Interval, after: datetime, now: datetime) -> Sequence[Bar]:
        return self._ask(
            "bars",
            [ticker, interval, after],
            BARS,
            lambda: self._market.bars(ticker, interval=interval, after=after, now=now),
        )

    def chain(
        self, ticker: str, *, now: datetime, first: date, last: date, right: Right | None = None
    ) -> Chain | None:
        return self._ask(
            "chain",
            [ticker, first, last, right],
            CHAIN,
            lambda: self._market.chain(ticker, now=now, first=first, last=last, right=right),
        )

    def quotes(self, occs: Sequence[Occ], *, now: datetime) -> Mapping[Occ, OptionQuote]:
        return self._ask("quotes", list(occs), QUOTES, lambda: self._market.quotes(occs, now=now))

    def iv_history(self, ticker: str, *, before: date, limit: int) -> Sequence[IvReading]:
        return self._ask(
            "iv_history",
            [ticker, before, limit],
            READINGS,
            lambda: self._market.iv_history(ticker, before=before, limit=limit),
        )

    def splits(self, ticker: str, *, first: date, last: date) -> Sequence[Split]:
        return self._ask(
            "splits",
            [ticker, first, last],
            _SPLITS,
            lambda: self._market.splits(ticker, first=first, last=last),
        )

    def volatility_index(self, *, before: date) -> RegimeReading | None:
        return self._ask(
            "volatility_index", [before], REGIME, lambda: self._market.volatility_index(before=before)
        )

    def earnings(self, ticker: str, *, now: datetime) -> EarningsDate | None:
        return self._ask("earnings", [ticker], _EARNINGS, lambda: self._market.earnings(ticker, now=now))

    def rate(self, session: date) -> float:
        return self._ask("rate", [session], _NUMBER, lambda: self._market.rate(session))

    def dividend_yield(self, ticker: str) -> float:
        return self._ask("dividend_yield", [ticker], _NUMBER, lambda: self._market.dividend_yield(ticker))

    def next_instant(self, now: datetime) -> datetime | None:
        return self._ask("next_instant", [now], _MAYBE_INSTANT, lambda: self._market.next_instant(now))

    def _ask(self, call: str, about: list[Any], form: Form[Answer], live: Callable[[], Answer]) -> Answer:
        return self._tape.ask("market", call, about, form, live)


class TapedNews:
    """Implements `ports.NewsSource`."""

    def __init__(self, tape: Tape, news: NewsSource) -> None:
        self._tape = tape
        self._news = news

    def fetch(self, *, since: datetime, now: datetime) -> Sequence[NewsItem]:
        return self._tape.ask("news", "fetch", [since], NEWS, lambda: self._news.fetch(since=since, now=now))


class TapedBroker:
    """Implements `ports.Broker` for one account; what is sent is known by its order's id."""

    def __init__(self, tape: Tape, account: str, broker: Broker) -> None:
        self._tape = tape
        self._port = f"broker {account}"
        self._broker = broker

    def account(self) -> BrokerAccount:
        return self._ask("account", [], _ACCOUNT, self._broker.account)

    def positions(self) -> Sequence[BrokerPosition]:
        return self._ask("positions", [], _POSITIONS, self._broker.positions)

    def submit(self, order: Approved) -> SubmitOutcome:
        about = [order.intent.client_order_id]
        return self._ask("submit", about, OUTCOME, lambda: self._broker.submit(order))

    def cancel(self, broker_order_id: str) -> None:
        self._ask("cancel", [broker_order_id], _NOTHING, lambda: self._broker.cancel(broker_order_id))

    def suspend(self, *, on: bool) -> None:
        self._ask("suspend", [on], _NOTHING, lambda: self._broker.suspend(on=on))

    def order(self, client_order_id: ClientOrderId) -> BrokerOrder | None:
        return self._ask("order", [client_order_id], _ORDER, lambda: self._broker.order(client_order_id))

    def orders(self, *, since: datetime) -> Sequence[BrokerOrder]:
        return self._ask("orders", [since], _ORDERS, lambda: self._broker.orders(since=since))

    def activities(self, *, since: datetime) -> Sequence[Activity]:
        return self._ask("activities", [since], _ACTIVITIES, lambda: self._broker.activities(since=since))

    def _ask(self, call: str, about: list[Any], form: Form[Answer], live: Callable[[], Answer]) -> Answer:
        return self._tape.ask(self._port, call, about, form, live)


class TapedStream:
    """Implements `ports.OrderStream` for one account."""

    def __init__(self, tape: Tape, account: str, stream: OrderStream) -> None:
        self._tape = tape
        self._port = f"stream {account}"
        self._stream = stream

    def drain(self) -> Sequence[OrderUpdate]:
        return self._tape.ask(self._port, "drain", [], _UPDATES, self._stream.drain)

    @property
    def heard_at(self) -> datetime | None:
        return self._tape.ask(self._port, "heard_at", [], _MAYBE_INSTANT, lambda: self._stream.heard_at)

    def reconnect(self, why: str) -> None:
        self._tape.ask(self._port, "reconnect", [], _NOTHING, lambda: self._stream.reconnect(why))


class TapedClock:
    """Implements `ports.Clock`; `port` tells several clocks of a run apart."""

    def __init__(self, tape: Tape, port: str, clock: Clock) -> None:
        self._tape = tape
        self._port = port
        self._clock = clock

    def now(self) -> datetime:
        return self._tape.ask(self._port, "now", [], _INSTANT, self._clock.now)
