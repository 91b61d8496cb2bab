"""The market stream answers with what it heard itself while that is fresh, in its plan; else REST does."""

from datetime import timedelta

import pytest

from ops_pipeline.adapters.alpaca.stream_market import (
    BASIC_OPTIONS,
    BASIC_STOCKS,
    PLUS_OPTIONS,
    PLUS_STOCKS,
    FeedPlan,
    MarketStream,
)
from ops_pipeline.adapters.alpaca.stream_news import NewsStream
from ops_pipeline.adapters.alpaca.stream_quoted import StreamedMarket
from ops_pipeline.app.clock import sleep
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.market import Feed, Interval
from ops_pipeline.domain.records import Failed
from ops_pipeline.simserver.stream_faults import StreamFaults
from ops_pipeline.simserver.terms import AccountTerms
from tests.builders_streams import KEY, HandClock, running, served, wait_for

BASIC = AccountTerms(number="PASIM0002", key="demo", secret="demo", equity=10**9, data_per_minute=200)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture(scope="module")
def server():
    with served(speed=120.0) as server:
        yield server


def stream_of(server, clock, plan, path):
    wait_for(lambda: not server.streams.lines, "the last client to be gone")
    return MarketStream(server.url(path), plan=plan, key=KEY, means=clock.means())


def near(server, count):
    with server.venue.at_work():
        return [quote.occ for quote in server.quoted()[:count]]


def test_option_quotes_are_those_of_the_market_and_confirmed_when_heard(server, clock):
    occs = near(server, 10)
    with running(stream_of(server, clock, PLUS_OPTIONS, "/v1beta1/opra")) as stream:
        assert stream.quotes(occs, within_s=60) == {}
        assert list(stream.watch(occs)) == []
        wait_for(lambda: len(stream.quotes(occs, within_s=60)) == 10, "a quote of each")
        clock.seconds += 7
        quotes = stream.quotes(occs, within_s=60)
        clock.seconds -= 7
    for occ, quote in quotes.items():
        assert (quote.occ, quote.feed) == (occ, Feed.OPRA)
        told = server.venue.world.quotes([occ], now=quote.at)[occ]
        if told.at == quote.at:
            assert (quote.bid, quote.ask) == (told.bid, told.ask)


def test_a_quote_counts_as_confirmed_when_it_was_heard_and_is_not_given_once_old(server, clock):
    (occ,) = near(server, 1)
    with running(stream_of(server, clock, PLUS_OPTIONS, "/v1beta1/opra")) as stream:
        stream.watch([occ])
        wait_for(lambda: stream.quotes([occ], within_s=60), "a quote")
        server.in_loop(lambda: server.streams.mute(pongs=True))
        sleep(0.1)
        heard_at = clock.now()
        clock.seconds += 20
        wait_for(lambda: stream.heard_at == clock.now(), "a pong")
        assert (
            stream.quotes([occ], within_s=20)[occ].confirmed_at
            == heard_at
            == clock.now() - timedelta(seconds=20)
        )
        assert stream.quotes([occ], within_s=19.9) == {}


def test_nothing_is_given_while_away_nor_from_before_the_loss(server, clock):
    (occ,) = near(server, 1)
    with running(stream_of(server, clock, PLUS_OPTIONS, "/v1beta1/opra")) as stream:
        stream.watch([occ])
        wait_for(lambda: stream.quotes([occ], within_s=60), "a quote")
        server.streams.faults = StreamFaults(drop=1.0)
        server.in_loop(server.streams.cut)
        wait_for(lambda: stream.heard_at is None, "the cut to be noticed")
        assert stream.quotes([occ], within_s=60) == {}
        clock.seconds += 2
        wait_for(lambda: stream.state.greeted == 2, "the next connection")
        sleep(0.2)
        assert stream.quotes([occ], within_s=60) == {}
        server.streams.faults = StreamFaults()
        wait_for(lambda: stream.quotes([occ], within_s=60), "a quote again: it subscribed anew")


def test_a_quote_that_was_overtaken_changes_nothing(server, clock):
    (occ,) = near(server, 1)
    with running(stream_of(server, clock, PLUS_OPTIONS, "/v1beta1/opra")) as stream:
        stream.watch([occ])
        wait_for(lambda: stream.quotes([occ], within_s=60), "a quote")
        server.in_loop(lambda: server.streams.mute(pongs=True))
        sleep(0.1)
        newest = stream.quotes([occ], within_s=60)[occ]
        late = {"T": "q", "S": occ, "bp": 9_999.0, "ap": 9_999.5, "bs": 1, "as": 1}
        line = server.streams.lines[0]

        def push(at):
            line.muted = False
            line.answer([{**late, "t": at}])
            line.muted = True

        server.in_loop(lambda: push(newest.at - timedelta(seconds=1)))
        sleep(0.1)
        assert stream.quotes([occ], within_s=60)[occ] == newest


def test_trades_of_stocks_give_the_spot_and_minutes_come_beside(server, clock):
    tickers = server.venue.world.tickers[:5]
    with running(stream_of(server, clock, PLUS_STOCKS, "/v2/iex")) as stream:
        stream.watch(tickers)
        wait_for(lambda: all(stream.spot(ticker, within_s=60) for ticker in tickers), "a spot of each")
        wait_for(lambda: stream.minute(tickers[0]), "a minute")
        spots = [stream.spot(ticker, within_s=60) for ticker in tickers]
        assert stream.quotes(tickers, within_s=60) == {}
        assert stream.unreadable == 0
    for spot in spots:
        assert spot.price == server.venue.world.spot(spot.ticker, now=spot.at).price


def test_a_trade_that_was_cancelled_is_not_given_any_more(server, clock):
    ticker = server.venue.world.tickers[0]
    with running(stream_of(server, clock, PLUS_STOCKS, "/v2/iex")) as stream:
        stream.watch([ticker])
        wait_for(lambda: stream.spot(ticker, within_s=60), "a spot")
        server.streams.faults = StreamFaults(drop=1.0)
        sleep(0.1)
        for letter in ("x", "c"):
            server.in_loop(lambda said=letter: server.streams.lines[0].answer([{"T": said, "S": ticker}]))
        wait_for(lambda: stream.spot(ticker, within_s=60) is None, "the trade to be taken back")
        server.streams.faults = StreamFaults()


def test_what_is_watched_no_more_is_unsubscribed_first_and_forgotten(server, clock):
    first, second = near(server, 6)[:3], near(server, 6)[3:]
    plan = FeedPlan(channels=("quotes",), most=3, packed=True, feed=Feed.OPRA)
    with running(stream_of(server, clock, plan, "/v1beta1/opra")) as stream:
        stream.watch(first)
        wait_for(lambda: len(stream.quotes(first, within_s=60)) == 3, "the first three")
        assert stream.watch(second) == ()
        wait_for(lambda: len(stream.quotes(second, within_s=60)) == 3, "the second three")
        assert stream.quotes(first, within_s=60) == {}
        assert stream.state.attempts == 1


def test_what_the_plan_has_no_room_for_is_named_and_left_to_rest(server, clock):
    occs = near(server, 12)
    plan = FeedPlan(channels=("quotes",), most=4, packed=True, feed=Feed.OPRA)
    with running(stream_of(server, clock, plan, "/v1beta1/opra")) as stream:
        assert list(stream.watch(occs)) == occs[4:]
        wait_for(lambda: len(stream.quotes(occs, within_s=60)) == 4, "as many as fit")
        assert list(stream.quotes(occs, within_s=60)) == occs[:4]


def test_the_free_plan_carries_30_stocks_and_200_option_quotes():
    tickers = [f"A{chr(65 + number // 26)}{chr(65 + number % 26)}" for number in range(40)]
    contracts = [f"AAPL260821C{strike * 1000:08d}" for strike in range(1, 251)]
    clock = HandClock()
    with served(accounts=(BASIC,)) as server:
        with running(stream_of(server, clock, BASIC_STOCKS, "/v2/iex")) as stream:
            assert list(stream.watch(tickers)) == tickers[30:]
            wait_for(lambda: stream._subscriptions.stand, "the subscription")
            assert stream.state.attempts == 1
        with running(stream_of(server, clock, BASIC_OPTIONS, "/v1beta1/indicative")) as stream:
            assert list(stream.watch(contracts)) == contracts[200:]
            wait_for(lambda: stream._subscriptions.stand, "the subscription")
            assert stream.state.attempts == 1


def test_a_server_that_grants_less_than_the_plan_is_asked_for_less():
    clock = HandClock()
    contracts = [f"AAPL260821C{strike * 1000:08d}" for strike in range(1, 501)]
    plan = FeedPlan(channels=("quotes",), most=1_000, packed=True, feed=Feed.INDICATIVE)
    with (
        served(accounts=(BASIC,)) as server,
        running(stream_of(server, clock, plan, "/v1beta1/indicative")) as stream,
    ):
        assert list(stream.watch(contracts)) == []
        # 500 and 250 are too many; 125 are granted.
        wait_for(lambda: stream._subscriptions.stand and len(stream.left_out) == 375, "what is granted")
        assert list(stream.left_out) == contracts[125:]
        assert stream.state.attempts == 1


def test_symbols_the_server_does_not_take_are_left_out_and_the_others_stay(server, clock):
    ticker = server.venue.world.tickers[0]
    with running(stream_of(server, clock, PLUS_STOCKS, "/v2/iex")) as stream:
        stream.watch([ticker])
        wait_for(lambda: stream._subscriptions.stand, "the first subscription")
        stream.watch([ticker, "not a symbol"])
        wait_for(lambda: stream.left_out == ("not a symbol",), "the refusal")
        wait_for(lambda: stream.spot(ticker, within_s=60), "a spot of the other")
        assert stream.state.attempts == 1


def test_a_plan_that_does_not_have_the_feed_is_a_refusal():
    clock = HandClock()
    with (
        served(accounts=(BASIC,)) as server,
        running(stream_of(server, clock, PLUS_OPTIONS, "/v1beta1/opra")) as stream,
    ):
        wait_for(lambda: stream.state.refused, "the refusal")
        assert "409" in stream.state.trouble


class RestNews:
    """Answers as REST would, from the same market; counts what it was asked."""

    def __init__(self, server):
        self.server = server
        self.asked = []
        self.failed = False

    def fetch(self, *, since, now):
        self.asked.append(since)
        return ()

    def troubles(self):
        return (Failed(item="news", error="timeout"),) if self.failed else ()


def test_news_comes_by_the_stream_and_rest_fills_what_may_be_missing(clock):
    with served(speed=3_600.0) as server:
        rest = RestNews(server)
        stream = NewsStream(server.url("/v1beta1/news"), rest=rest, key=KEY, means=clock.means())
        times = iter(clock.now() + timedelta(minutes=number) for number in range(100))
        with running(stream):
            first = next(times)
            stream.fetch(since=first, now=first)
            assert rest.asked == [first]
            wait_for(lambda: stream._connection, "the subscription")
            # The stream is whole from here on; what came before it is REST's once more.
            second = next(times)
            stream.fetch(since=first, now=second)
            assert rest.asked == [first, first]
            items = []
            wait_for(lambda: items.extend(stream.fetch(since=second, now=next(times))) or items, "an article")
            assert len(rest.asked) == 2
            told = {
                item.headline
                for item in server.venue.world.fetch(since=server.demo.opened_at, now=server.venue.now)
            }
            assert {item.headline for item in items} <= told
            assert all(item.source and item.first_seen_at > second for item in items)
            lost_from = items[-1].first_seen_at
            server.in_loop(server.streams.cut)
            wait_for(lambda: not stream.state.listening, "the cut to be noticed")
            rest.failed = True
            later = next(times)
            stream.fetch(since=later, now=later)
            rest.failed = False
            again = next(times)
            stream.fetch(since=again, now=again)
            # Both reach back to the last call that was sure to have everything: the first of them failed.
            assert rest.asked[2:] == [lost_from, lost_from]
            assert not stream.troubles()


class CountedWorld:
    """The served market itself as REST's side; counts what it was asked."""

    def __init__(self, server):
        self.server = server
        self.asked = []

    def quotes(self, occs, *, now):
        self.asked.append(tuple(occs))
        with self.server.venue.at_work() as at:
            return self.server.venue.world.quotes(occs, now=at)

    def __getattr__(self, name):
        return getattr(self.server.venue.world, name)


def test_a_streamed_market_asks_rest_only_for_what_the_stream_has_not_heard(server, clock):
    first, second = near(server, 4)[:2], near(server, 4)[2:]
    with running(stream_of(server, clock, PLUS_OPTIONS, "/v1beta1/opra")) as stream:
        rest = CountedWorld(server)
        market = StreamedMarket(rest, stream)
        assert market.quotes(first, now=clock.now()).keys() == set(first)
        assert rest.asked == [tuple(first)]
        wait_for(lambda: len(stream.quotes(first, within_s=15)) == 2, "both by the stream")
        assert market.quotes(first, now=clock.now()).keys() == set(first)
        assert len(rest.asked) == 1
        assert market.quotes([*first, *second], now=clock.now()).keys() == {*first, *second}
        assert rest.asked[1:] == [tuple(second)]
        server.in_loop(server.streams.cut)
        wait_for(lambda: stream.heard_at is None, "the cut to be noticed")
        assert market.quotes(first, now=clock.now()).keys() == set(first)
        assert rest.asked[2:] == [tuple(first)]


def test_what_nobody_asks_for_is_watched_no_more(server, clock):
    old, young = near(server, 2)
    with running(stream_of(server, clock, PLUS_OPTIONS, "/v1beta1/opra")) as stream:
        market = StreamedMarket(CountedWorld(server), stream)
        market.quotes([old], now=clock.now())
        wait_for(lambda: stream._subscriptions._confirmed == {("quotes", old)}, "the first subscription")
        market.quotes([young], now=clock.now() + timedelta(minutes=15))
        wait_for(lambda: len(stream._subscriptions._confirmed) == 2, "the second one beside it")
        market.quotes([young], now=clock.now() + timedelta(minutes=16))
        wait_for(lambda: stream._subscriptions._confirmed == {("quotes", young)}, "the end of the first")


def test_the_rest_of_a_streamed_market_is_as_it_was(server, clock):
    world = server.venue.world
    ticker = world.tickers[0]
    with server.venue.at_work() as now:
        market = StreamedMarket(world, stream_of(server, clock, PLUS_OPTIONS, "/v1beta1/opra"))
        day = now.date()
        later = day + timedelta(days=60)
        hour = now - timedelta(hours=1)
        minutes = {"interval": Interval.MINUTE, "after": hour, "now": now}
        assert market.spot(ticker, now=now) == world.spot(ticker, now=now)
        assert market.bars(ticker, **minutes) == world.bars(ticker, **minutes) != []
        span = {"now": now, "first": day, "last": later, "right": Right.PUT}
        assert market.chain(ticker, **span).contracts == world.chain(ticker, **span).contracts
        history = market.iv_history(ticker, before=day, limit=5)
        assert history == world.iv_history(ticker, before=day, limit=5)
        assert market.splits(ticker, first=day, last=later) == world.splits(ticker, first=day, last=later)
        assert market.volatility_index(before=day) == world.volatility_index(before=day)
        assert market.earnings(ticker, now=now) == world.earnings(ticker, now=now)
        assert market.rate(day) == world.rate(day)
        assert market.dividend_yield(ticker) == world.dividend_yield(ticker)
        assert market.next_instant(now) is None
