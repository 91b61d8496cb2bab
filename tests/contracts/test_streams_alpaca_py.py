"""The broker's own Python library receives from the venue's websockets what the venue does."""

import asyncio
from contextlib import contextmanager
from threading import Thread

import pytest
from alpaca.data.enums import DataFeed, OptionsFeed
from alpaca.data.live import NewsDataStream, OptionDataStream, StockDataStream
from alpaca.data.models import Bar, News, Quote, Trade
from alpaca.trading.enums import OrderClass, OrderStatus, TradeEvent
from alpaca.trading.models import TradeUpdate
from alpaca.trading.stream import TradingStream

from tests.builders_streams import PATIENCE_S, served, wait_for

KEYS = ("demo", "demo")


@pytest.fixture(scope="module")
def server():
    with served(speed=120.0) as server:
        yield server


@contextmanager
def running(stream, server):
    """Run the library's stream in a thread of its own until the end of the block."""
    failed = []

    def run():
        try:
            asyncio.run(stream._run_forever())
        except Exception as error:  # noqa: BLE001 - whatever ended it is what the test is to see
            failed.append(error)

    thread = Thread(target=run, daemon=True)
    wait_for(lambda: not server.streams.lines, "the last client to be gone")
    thread.start()
    wait_for(lambda: stream._running and server.streams.lines, "the library to connect")
    try:
        yield
    finally:
        stream.stop()
        # Else the library looks at its wish to stop only once five seconds have passed.
        server.in_loop(server.streams.cut)
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
        wait_for(lambda: not server.streams.lines, "the server to let go")
        assert not failed


def collector():
    """Give a list and the handler that fills it."""
    heard = []

    async def hear(told):
        heard.append(told)

    return heard, hear


@contextmanager
def trading(server, tag=None):
    """Give what the library is told; with a tag of that order alone, whatever others' rests still do."""
    heard, hear = collector()

    async def hear_of_one(told):
        if tag in (None, told.order.client_order_id):
            await hear(told)

    stream = TradingStream(*KEYS, url_override=server.url("/stream"))
    stream.subscribe_trade_updates(hear_of_one)
    with running(stream, server):
        wait_for(lambda: server.streams._trading._listening, "the server to know it listens")
        yield heard


def test_a_buy_is_new_and_then_filled(server):
    with trading(server, tag="bought by alpaca-py's side") as heard:
        intent = server.buy(tag="bought by alpaca-py's side")
        wait_for(lambda: len(heard) == 2, ("two updates, not", heard))
    new, fill = heard
    assert all(isinstance(update, TradeUpdate) for update in heard)
    assert (new.event, new.order.status, new.qty) == (TradeEvent.NEW, OrderStatus.NEW, None)
    assert (fill.event, fill.order.status, fill.qty) == (TradeEvent.FILL, OrderStatus.FILLED, 1.0)
    assert (fill.order.client_order_id, fill.order.symbol) == ("bought by alpaca-py's side", intent.occ)
    assert 0 < fill.price * 10_000 <= intent.limit
    assert fill.position_qty == server.demo.book.holdings[intent.occ].qty
    assert fill.execution_id is not None


def test_a_partial_fill_is_told_as_one_and_the_rest_as_a_fill(server):
    with server.venue.at_work():
        cheap = min(server.quoted(), key=lambda quote: (quote.ask, quote.occ))
    with trading(server) as heard:
        # Paper fills one order in ten in parts; of many orders some are. The limit lets the rest fill too.
        for number in range(80):
            server.buy(qty=4, occ=cheap.occ, limit=2 * cheap.ask, tag=f"in parts {number}")
        wait_for(lambda: parts(heard), "a partial fill and its rest")
        *earlier, last = parts(heard)[0]
    first = earlier[0]
    assert (first.order.status, last.order.status) == (OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED)
    assert 0 < first.qty < 4
    assert sum(update.qty for update in earlier) + last.qty == 4
    assert (first.order.filled_qty, last.order.filled_qty) == (str(int(first.qty)), "4")


def parts(heard):
    """Give, of each order that filled in parts, its partial fills and the fill that ended it."""
    told = list(heard)
    ended = {update.order.id: update for update in told if update.event == TradeEvent.FILL}
    partial = [update for update in told if update.event == TradeEvent.PARTIAL_FILL]
    return [
        [*(update for update in partial if update.order.id == key), fill]
        for key, fill in ended.items()
        if any(update.order.id == key for update in partial)
    ]


def test_a_cancelled_order_is_told_as_cancelled(server):
    with trading(server, tag="far from the market") as heard:
        intent = server.buy(limit=100, tag="far from the market")
        with server.venue.at_work():
            broker_id = server.demo.book.by_client_id[intent.client_order_id]
            assert server.venue.cancel(server.demo, broker_id)
        wait_for(lambda: len(heard) == 2, ("two updates, not", heard))
    assert [update.event for update in heard] == [TradeEvent.NEW, TradeEvent.CANCELED]
    assert (heard[1].order.status, heard[1].order.filled_qty) == (OrderStatus.CANCELED, "0")
    assert heard[1].order.canceled_at == heard[1].timestamp


def test_a_roll_is_told_with_its_legs(server):
    with server.venue.at_work():
        old, new = server.quoted()[:2]
    server.buy(occ=old.occ, tag="to be rolled")
    with trading(server, tag="rolled") as heard:
        server.roll(old.occ, new.occ, tag="rolled")
        wait_for(lambda: len(heard) == 2, ("two updates, not", heard))
    fill = heard[1]
    assert (fill.event, fill.order.order_class) == (TradeEvent.FILL, OrderClass.MLEG)
    assert [leg.symbol for leg in fill.order.legs] == [old.occ, new.occ]
    assert [leg.filled_qty for leg in fill.order.legs] == ["1", "1"]
    assert [leg.status for leg in fill.order.legs] == [OrderStatus.FILLED, OrderStatus.FILLED]


def test_stock_trades_quotes_and_bars_arrive_as_the_market_makes_them(server):
    ticker = server.venue.world.tickers[1]
    heard, hear = collector()
    stream = StockDataStream(*KEYS, feed=DataFeed.IEX, url_override=server.url("/v2/iex"))
    stream.subscribe_trades(hear, ticker)
    stream.subscribe_quotes(hear, ticker)
    stream.subscribe_bars(hear, ticker)
    with running(stream, server):
        wait_for(lambda: {Trade, Quote, Bar} <= {type(told) for told in heard}, "one of each")
    assert {told.symbol for told in heard} == {ticker}
    trade = next(told for told in heard if isinstance(told, Trade))
    assert round(trade.price * 10_000) == server.venue.world.spot(ticker, now=trade.timestamp).price
    quote = next(told for told in heard if isinstance(told, Quote))
    assert 0 < quote.bid_price < quote.ask_price
    bar = next(told for told in heard if isinstance(told, Bar))
    assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
    assert bar.timestamp.second == 0


@pytest.mark.parametrize("feed", [OptionsFeed.INDICATIVE, OptionsFeed.OPRA])
def test_option_quotes_arrive_as_the_market_makes_them(server, feed):
    with server.venue.at_work():
        occs = [quote.occ for quote in server.quoted()[:20]]
    heard, hear = collector()
    stream = OptionDataStream(*KEYS, feed=feed, url_override=server.url(f"/v1beta1/{feed.value}"))
    stream.subscribe_quotes(hear, *occs)
    with running(stream, server):
        wait_for(lambda: {told.symbol for told in heard} == set(occs), "a quote of each")
    for told in heard:
        assert isinstance(told, Quote)
        assert 0 <= told.bid_price <= told.ask_price
        assert told.timestamp.tzinfo is not None


def test_option_trades_arrive_as_volume_grows(server):
    with server.venue.at_work():
        occs = [quote.occ for quote in server.quoted()[:200]]
    heard, hear = collector()
    stream = OptionDataStream(*KEYS, url_override=server.url("/v1beta1/indicative"))
    stream.subscribe_trades(hear, *occs)
    with running(stream, server):
        wait_for(lambda: heard, "a trade")
    assert isinstance(heard[0], Trade)
    assert heard[0].symbol in occs
    assert heard[0].size > 0
    assert heard[0].price > 0


def test_news_arrives_as_it_is_published():
    heard, hear = collector()
    with served(speed=3_600.0) as server:
        stream = NewsDataStream(*KEYS, url_override=server.url("/v1beta1/news"))
        stream.subscribe_news(hear, "*")
        with running(stream, server):
            wait_for(lambda: heard, "an article")
        items = server.venue.world.fetch(since=server.demo.opened_at, now=server.venue.now)
    assert isinstance(heard[0], News)
    (item,) = [item for item in items if (item.headline, item.url) == (heard[0].headline, heard[0].url)]
    assert heard[0].symbols == list(item.tickers)
    assert heard[0].created_at == item.published_at


def test_a_lost_connection_is_made_again_by_the_library(server):
    with trading(server, tag="after the cut") as heard:
        server.in_loop(server.streams.cut)
        wait_for(lambda: not server.streams._trading._listening, "the cut to be noticed")
        wait_for(lambda: server.streams._trading._listening, "the library to come back")
        server.buy(tag="after the cut")
        wait_for(lambda: len(heard) == 2, ("two updates, not", heard))
    assert [update.event for update in heard] == [TradeEvent.NEW, TradeEvent.FILL]
