"""The served market read back through the venue's adapter is the market itself."""

import time
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from ops_pipeline.adapters.alpaca.calendar import disagreements, read_clock, read_sessions
from ops_pipeline.adapters.alpaca.client import AlpacaClient, Keys
from ops_pipeline.adapters.alpaca.market import AlpacaMarket, Feeds, Outside
from ops_pipeline.adapters.alpaca.news import AlpacaNews
from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.market import Feed, Interval
from ops_pipeline.simserver.terms import DEMO_ACCOUNT
from tests.builders_brokers import TICKER
from tests.builders_simserver import served

HOUR = timedelta(hours=1)


class Market:
    """A served world and the adapter that reads it."""

    def __init__(self, running) -> None:
        self.running = running
        self.world = running.venue.world
        self.client = AlpacaClient(
            running.url,
            Keys(DEMO_ACCOUNT.key, DEMO_ACCOUNT.secret),
            clock=self,
            elapsed=time.perf_counter,
            sleep=lambda _: None,
            jitter=Random(1),
        )
        self.read = AlpacaMarket(
            self.client,
            self.client,
            feeds=Feeds(stocks="sip", options=Feed.OPRA),
            calendar=exchange_calendar(),
            clock=self,
            outside=Outside(
                rate=self.world.rate,
                dividend_yield=self.world.dividend_yield,
                volatility_index=lambda before: self.world.volatility_index(before=before),
                earnings=lambda ticker, now: self.world.earnings(ticker, now=now),
            ),
        )

    def now(self):
        with self.running.venue.at_work() as now:
            return now


@pytest.fixture
def market():
    account = replace(DEMO_ACCOUNT, trading_per_minute=1_000_000, data_per_minute=1_000_000)
    with served(accounts=(account,)) as running:
        found = Market(running)
        running.pass_market(minutes=75)
        yield found
        found.client.close()


def check_alike(ours, theirs, *, interest=True):
    """Hold two quotes to each other, greeks to the wire's digits; when and from whom we heard is our own.

    Volumes come in bars, and the served market draws one of a day for every contract that has a volume.
    """
    for name in ("occ", "bid", "ask", "bid_size", "ask_size", "at"):
        assert getattr(ours, name) == getattr(theirs, name), (name, ours.occ)
    for name in ("volume", "previous_volume"):
        one, other = getattr(ours, name), getattr(theirs, name)
        assert one == other, (name, ours.occ, one, other)
    for name in ("iv", "delta", "gamma", "theta_per_day", "vega_per_point"):
        one, other = getattr(ours, name), getattr(theirs, name)
        assert one == (None if other is None else pytest.approx(other, abs=0.000051)), (name, ours.occ)
    assert ours.open_interest == (theirs.open_interest if interest else None)


def test_spots_agree(market):
    now = market.now()
    for ticker in market.world.tickers:
        ours, theirs = market.read.spot(ticker, now=now), market.world.spot(ticker, now=now)
        assert (ours.price, ours.volume) == (theirs.price, theirs.volume), ticker
        assert (ours.day_high, ours.day_low) == (theirs.day_high, theirs.day_low), ticker
    assert market.read.spot("NOSUCH", now=now) is None
    assert market.read.troubles() == ()


def test_minute_bars_agree(market):
    now = market.now()
    ours = market.read.bars(TICKER, interval=Interval.MINUTE, after=now - HOUR, now=now)
    assert ours == market.world.bars(TICKER, interval=Interval.MINUTE, after=now - HOUR, now=now)
    assert len(ours) == 60


def test_daily_bars_agree(market):
    now = market.now()
    after = now - timedelta(days=90)
    ours = market.read.bars(TICKER, interval=Interval.DAY, after=after, now=now)
    assert ours == market.world.bars(TICKER, interval=Interval.DAY, after=after, now=now)
    assert len(ours) > 55


@pytest.mark.parametrize("right", [None, Right.CALL, Right.PUT])
def test_chains_agree(market, right):
    now = market.now()
    span = {"first": now.date() + timedelta(days=20), "last": now.date() + timedelta(days=60), "right": right}
    ours = market.read.chain(TICKER, now=now, **span)
    theirs = market.world.chain(TICKER, now=now, **span)
    assert ours.spot == theirs.spot
    assert set(ours.contracts) == set(theirs.contracts)
    assert all(ours.contracts[occ] == contract for occ, contract in theirs.contracts.items())
    assert set(ours.quotes) == set(theirs.quotes)
    for occ, quote in theirs.quotes.items():
        check_alike(ours.quotes[occ], quote)
    assert len(ours.quotes) > 150
    assert market.read.refused == 0


def test_quotes_agree_in_their_hundreds(market):
    now = market.now()
    chain = market.world.chain(TICKER, now=now, first=now.date(), last=now.date() + timedelta(days=120))
    occs = list(chain.contracts)
    ours, theirs = market.read.quotes(occs, now=now), market.world.quotes(occs, now=now)
    assert len(occs) > 100
    assert set(ours) == set(theirs)
    for occ, quote in ours.items():
        check_alike(quote, theirs[occ], interest=False)


def test_splits_agree(market):
    first = market.now().date()
    last = first + timedelta(days=200)
    for ticker in market.world.tickers:
        ours = market.read.splits(ticker, first=first, last=last)
        assert list(ours) == list(market.world.splits(ticker, first=first, last=last)), ticker


def test_the_venue_s_calendar_agrees_with_ours(market):
    now = market.now()
    first, last = now.date() - timedelta(days=300), now.date() + timedelta(days=300)
    theirs = read_sessions(market.client, first, last)
    assert disagreements(exchange_calendar().between(first, last), theirs) == ()
    clock = read_clock(market.client)
    assert (clock.at, clock.is_open) == (now, True)


def test_news_agree(market):
    now = market.now()
    source = AlpacaNews(market.client)
    ours = source.fetch(since=now - timedelta(days=1), now=now)
    theirs = market.world.fetch(since=now - timedelta(days=1, minutes=5), now=now)
    assert source.troubles() == ()
    assert sorted(item.headline for item in ours) == sorted(item.headline for item in theirs)
    assert len(ours) > 3
