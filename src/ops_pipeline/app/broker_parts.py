"""Builds what a run at Alpaca trades with: verified accounts, their market, news and order streams. Shell."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from random import Random
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from ops_pipeline.adapters.alpaca.broker import AlpacaBroker
from ops_pipeline.adapters.alpaca.market import AlpacaMarket, Feeds, Outside
from ops_pipeline.adapters.alpaca.news import AlpacaNews
from ops_pipeline.adapters.alpaca.stream_link import StreamKey, StreamMeans
from ops_pipeline.adapters.alpaca.stream_market import BASIC_OPTIONS, PLUS_OPTIONS, MarketStream
from ops_pipeline.adapters.alpaca.stream_news import NewsStream
from ops_pipeline.adapters.alpaca.stream_quoted import StreamedMarket
from ops_pipeline.adapters.alpaca.streams import TradeUpdates
from ops_pipeline.adapters.calendar.sessions import NEW_YORK, SessionCalendar
from ops_pipeline.adapters.simulator.matching import MatchRules
from ops_pipeline.app.alpaca_side import AlpacaSide, Lines, open_lines
from ops_pipeline.app.answers import Answer, facts_of
from ops_pipeline.app.broker_options import BrokerOptions
from ops_pipeline.app.careful import CarefulBroker
from ops_pipeline.app.clock import WallClock, elapsed_s
from ops_pipeline.app.compose import Market
from ops_pipeline.app.credentials import Credentials, load_all
from ops_pipeline.app.go_live import LiveAccount
from ops_pipeline.app.interlocks import Identity, Venue, check_identity, refuse
from ops_pipeline.app.outside import RealisedVolatility
from ops_pipeline.app.run_clock import BrokerClock, RunClock, ServedClock, refuse_other_speed
from ops_pipeline.app.settings import Settings
from ops_pipeline.app.venues import venue_named
from ops_pipeline.domain.capabilities import ALPACA
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.market import Bar, Feed, Interval
from ops_pipeline.domain.records import Failed
from ops_pipeline.domain.units import AccountId
from ops_pipeline.ports import Clock
from ops_pipeline.stages.classifier.tickers import build_universe

_NO_MATCHING = MatchRules(seed=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerParts:
    """What a run has of its broker; `close` ends streams and connections.

    `pushed` are the streams of prices and headlines: what they do not tell is read.
    """

    clock: RunClock
    market: Market
    streams: Mapping[AccountId, TradeUpdates]
    pushed: Sequence[MarketStream | NewsStream]
    accounts: Mapping[AccountId, LiveAccount]
    opened: ExitStack

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def listen(self) -> None:
        """Connect every stream; until its order stream is authorised an account sends no entry."""
        for stream in (*self.streams.values(), *self.pushed):
            stream.start()

    def close(self) -> None:
        """End the streams, then the connections."""
        with self.opened:
            for stream in (*self.streams.values(), *self.pushed):
                stream.close()


def open_broker(
    settings: Settings,
    calendar: SessionCalendar,
    *,
    environment: Mapping[str, str],
    ledgers: Mapping[AccountId, str],
    answers: Sequence[Answer] = (),
    speed: float | None = 1.0,
) -> BrokerParts:
    """Open every account of the settings at its broker and verify who answers.

    `ledgers` names the venue of each account's ledger so far, `answers` what was probed; `speed` is that of
    a server on this machine (None: only a short look is taken, at its present). Raises ConfigurationError
    that names what does not belong together, MissingDataError for credentials, BrokerUnavailable without
    an answer.
    """
    venue, keys = venue_named(settings.broker), load_all(settings.accounts, environment=environment)
    if not keys:
        raise ConfigurationError("accounts: expected at least one account, was none")
    with ExitStack() as opened:
        clock = _clock(opened, settings.broker, next(iter(keys.values())), venue, speed=speed)
        lines: dict[AccountId, Lines] = {}
        accounts: dict[AccountId, LiveAccount] = {}
        for account, own in keys.items():
            lines[account] = open_lines(settings.broker, own, clock=clock)
            opened.callback(lines[account].close)
            side = AlpacaSide(lines[account], clock=clock)
            identity = _identity(settings, lines[account], side, ledger_venue=ledgers.get(account, ""))
            refuse(check_identity(identity), account=account)
            accounts[account] = LiveAccount(
                identity=identity, side=side, signing_key=own.secret.reveal().encode()
            )
        is_dated = venue is not Venue.LOCAL
        inner = {
            account: AlpacaBroker(
                own.trading, number=_number(settings, account), clock=clock, is_dated=is_dated
            )
            for account, own in lines.items()
        }
        brokers = {
            account: CarefulBroker(
                broker,
                profile=ALPACA.with_answers(facts_of(answers, venue=venue, account=account)),
                calendar=calendar,
                clock=clock,
            )
            for account, broker in inner.items()
        }
        first = next(iter(keys))
        market, pushed = _market(settings, calendar, lines[first], keys[first], clock)
        streams = {account: order_stream(settings.broker, own) for account, own in keys.items()}
        return BrokerParts(
            clock=clock,
            market=replace(_telling(market, inner.values()), brokers=brokers, streams=streams, venue=venue),
            streams=streams,
            pushed=pushed,
            accounts=accounts,
            opened=opened.pop_all(),
        )


def _telling(market: Market, brokers: Collection[AlpacaBroker]) -> Market:
    """Have a market tell what reads of the accounts left out with what failed of its own."""

    def troubles() -> Sequence[Failed]:
        left_out = (trouble for broker in brokers for trouble in broker.troubles())
        return (*market.news_troubles(), *left_out)

    return replace(market, news_troubles=troubles)


def _clock(
    opened: ExitStack, options: BrokerOptions, own: Credentials, venue: Venue, *, speed: float | None
) -> RunClock:
    """Give the wall for a real broker; for a server on this machine its own market time."""
    wall = WallClock()
    if venue is not Venue.LOCAL:
        if speed not in (None, 1.0):
            raise ConfigurationError(f"--speed: expected 1 at a broker, was {speed:g}")
        return BrokerClock(wall)
    lines = open_lines(options, own, clock=wall)
    opened.callback(lines.close)
    ask = AlpacaSide(lines, clock=wall).clock_at
    if speed is None:
        return ServedClock(ask, speed=1.0)
    refuse_other_speed(ask, speed)
    return ServedClock(ask, speed=speed)


def _identity(settings: Settings, lines: Lines, side: AlpacaSide, *, ledger_venue: str) -> Identity:
    shown = side.account()
    return Identity(
        account=lines.account,
        mode=settings.broker.mode,
        host=lines.host,
        key_prefix=lines.key_prefix,
        number=_number(settings, lines.account),
        broker_number=shown.number,
        blocked=shown.blocked,
        ledger_venue=ledger_venue,
    )


def _number(settings: Settings, account: AccountId) -> str:
    return next(own.number for own in settings.accounts if own.id == account)


def order_stream(options: BrokerOptions, own: Credentials) -> TradeUpdates:
    """Prepare an account's order stream; its instants are the wall's, as its silences are."""
    parts = urlsplit(options.trading_address)
    scheme = "wss" if parts.scheme == "https" else "ws"
    return TradeUpdates(f"{scheme}://{parts.netloc}/stream", key=_key(own), means=_means(own, WallClock()))


def _key(own: Credentials) -> StreamKey:
    return StreamKey(key_id=own.key.reveal(), secret=own.secret.reveal())


def _means(own: Credentials, clock: Clock) -> StreamMeans:
    return StreamMeans(clock=clock, elapsed=elapsed_s, draws=Random(f"{own.account} stream"))


def _market(
    settings: Settings, calendar: SessionCalendar, lines: Lines, own: Credentials, clock: RunClock
) -> tuple[Market, Sequence[MarketStream | NewsStream]]:
    """Read prices and news with the first account's keys, the same for all; hear them where they are pushed.

    A pushed quote's age is told by the run's clock, as every quote's is.
    """
    options = settings.broker
    plan = PLUS_OPTIONS if options.option_feed == "opra" else BASIC_OPTIONS
    quoted = MarketStream(
        f"{options.stream_address}/v1beta1/{options.option_feed}",
        plan=plan,
        key=_key(own),
        means=_means(own, clock),
    )

    def daily(symbol: str, first: date, before: date) -> Sequence[Bar]:
        begin = datetime.combine(first, time(), tzinfo=NEW_YORK).astimezone(UTC)
        end = datetime.combine(before, time(), tzinfo=NEW_YORK).astimezone(UTC)
        return data.bars(symbol, interval=Interval.DAY, after=begin, now=min(end, clock.now()))

    data = AlpacaMarket(
        lines.data,
        lines.trading,
        feeds=Feeds(stocks=options.stock_feed, options=Feed(options.option_feed)),
        calendar=calendar,
        clock=clock,
        outside=Outside(
            rate=lambda _: options.rate,
            dividend_yield=lambda symbol: options.dividend_yields.get(symbol, 0.0),
            volatility_index=RealisedVolatility(options.regime_symbol, daily),
            earnings=lambda _, __: None,
        ),
    )
    if not settings.symbols:
        raise ConfigurationError("symbols: expected the underlyings to watch, was none")
    news = NewsStream(
        f"{options.stream_address}/v1beta1/news",
        rest=AlpacaNews(lines.data, symbols=settings.symbols),
        key=_key(own),
        means=_means(own, clock),
        symbols=settings.symbols,
    )
    market = Market(
        data=StreamedMarket(data, quoted),
        news=news,
        symbols=settings.symbols,
        universe=build_universe(dict.fromkeys(settings.symbols, "")),
        recorded=False,
        match=_NO_MATCHING,
        news_troubles=lambda: (*news.troubles(), *data.troubles()),
    )
    return market, (quoted, news)
