"""Prices and headlines that are older, rarer or stranger than they look."""

from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest

from ops_pipeline.adapters.alpaca.market import AlpacaMarket, Feeds, Outside
from ops_pipeline.adapters.alpaca.news import AlpacaNews
from ops_pipeline.adapters.alpaca.stream_frames import Headline, option_quote, read_market
from ops_pipeline.adapters.alpaca.stream_link import StreamKey, StreamMeans
from ops_pipeline.adapters.alpaca.stream_news import NewsStream
from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.domain.market import Feed, Interval
from ops_pipeline.domain.units import Occ
from tests.builders_alpaca import CALL, NOW, client_of
from tests.builders_http import Answer, serving

FIRST, LAST = date(2026, 10, 1), date(2026, 12, 31)


def market_of(url, clock):
    return AlpacaMarket(
        client_of(url, clock),
        client_of(url, clock),
        feeds=Feeds(stocks="iex", options=Feed.OPRA),
        calendar=exchange_calendar(),
        clock=clock,
        outside=Outside(
            rate=lambda _: 0.04,
            dividend_yield=lambda _: 0.0,
            volatility_index=lambda _: None,
            earnings=lambda *_: None,
        ),
    )


def at(seconds):
    """Write the instant so many seconds before NOW."""
    return (NOW - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def quote_row(bid, ask, *, age_s=0):
    return {"t": at(age_s), "bp": bid, "ap": ask, "bs": 9, "as": 9}


def test_a_second_look_at_a_jump_is_a_second_read_however_soon(clock):
    told = [quote_row(3.9, 4.1), quote_row(2.0, 2.1)]

    def answer(asked):
        row = told[len([one for one in venue.asked if one is not asked])]
        return Answer(body={"snapshots": {CALL: {"latestQuote": row}}, "next_page_token": None})

    with serving(answer) as venue:
        market = market_of(venue.url, clock)
        first = market.quotes([CALL], now=NOW)[CALL]
        assert market.quotes([CALL], now=NOW)[CALL] == first
        clock.at += timedelta(milliseconds=900)
        assert market.quotes([CALL], now=clock.at)[CALL].bid == 20_000
    assert (first.bid, len(venue.asked)) == (39_000, 2)


def test_spots_and_chains_of_another_cycle_are_read_anew(clock):
    def answer(asked):
        if asked.path == "/v2/stocks/snapshots":
            return Answer(body={"ACME": {"latestTrade": {"t": at(1), "p": 50}}})
        if asked.path == "/v2/options/contracts":
            return Answer(body={"option_contracts": [], "next_page_token": None})
        return Answer(body={"snapshots": {}, "next_page_token": None})

    with serving(answer) as venue:
        market = market_of(venue.url, clock)
        for now in (NOW, NOW, NOW + timedelta(milliseconds=500)):
            market.chain("ACME", now=now, first=FIRST, last=LAST)
            market.spot("ACME", now=now)
    paths = [one.path for one in venue.asked]
    assert paths.count("/v2/stocks/snapshots") == 2
    assert paths.count("/v1beta1/options/snapshots/ACME") == 2


def spot_at(clock, **row):
    with serving(lambda _: Answer(body={"ACME": row})) as venue:
        return market_of(venue.url, clock).spot("ACME", now=clock.at)


def trade_row(price, *, age_s):
    return {"t": at(age_s), "p": price, "s": 1}


def minute_row(close, *, ended_s):
    return {"t": at(ended_s + 60), "o": 50, "h": 60, "l": 40, "c": close, "v": 10}


@pytest.mark.parametrize(
    ("row", "price", "age_s"),
    [
        ({"latestTrade": trade_row(56, age_s=59)}, 560_000, 59),
        ({"latestTrade": trade_row(56, age_s=61)}, None, None),
        ({"latestTrade": trade_row(56, age_s=10_800)}, None, None),
        ({"latestQuote": quote_row(51.1, 51.3, age_s=2)}, 512_000, 2),
        ({"latestTrade": trade_row(56, age_s=61), "latestQuote": quote_row(51.1, 51.3)}, 512_000, 0),
        (
            {"latestTrade": trade_row(56, age_s=61), "latestQuote": quote_row(51.1, 51.3, age_s=61)},
            None,
            None,
        ),
        # An exchange's quote that was left standing, one without a side, one that is crossed.
        ({"latestTrade": trade_row(56, age_s=61), "latestQuote": quote_row(40, 60)}, None, None),
        ({"latestTrade": trade_row(56, age_s=61), "latestQuote": quote_row(0, 60)}, None, None),
        ({"latestTrade": trade_row(56, age_s=61), "latestQuote": quote_row(52, 51)}, None, None),
        ({"latestTrade": trade_row(56, age_s=99), "minuteBar": minute_row(51.2, ended_s=30)}, 512_000, 30),
        ({"latestTrade": trade_row(56, age_s=99), "minuteBar": minute_row(51.2, ended_s=60)}, None, None),
    ],
)
def test_while_shares_trade_an_old_price_is_no_spot(clock, row, price, age_s):
    found = spot_at(clock, **row)
    assert (found and found.price) == price
    assert age_s is None or found.at == NOW - timedelta(seconds=age_s)


@pytest.mark.parametrize(
    "now", [datetime(2026, 9, 14, 13, 29, tzinfo=UTC), datetime(2026, 9, 14, 20, 0, tzinfo=UTC)]
)
def test_before_the_open_and_after_the_close_the_last_print_stands(clock, now):
    clock.at = now
    found = spot_at(clock, latestTrade=trade_row(56, age_s=10_800))
    assert (found.price, found.at) == (560_000, NOW - timedelta(seconds=10_800))


def article_row(number, **changes):
    row = {"id": number, "headline": f"Story {number}", "created_at": at(60), "symbols": ["ACME"]}
    return row | changes


NEVER = "0001-01-01T00:00:00Z"


def test_an_article_that_cannot_be_read_spoils_no_other_and_is_counted(clock):
    rows = [article_row(1), article_row(2, created_at=NEVER), article_row(3)]
    with serving(lambda _: Answer(body={"news": rows, "next_page_token": None})) as venue:
        source = AlpacaNews(client_of(venue.url, clock))
        found = source.fetch(since=NOW, now=NOW)
        (told,) = source.troubles()
    assert {item.headline for item in found} == {"Story 1", "Story 3"}
    assert not source.failed
    assert told.item == "articles of alpaca"
    assert told.error.startswith("left out 1, the last one for article 2: expected an instant")
    assert source.troubles() == ()


class NoRest:
    """A REST side that has nothing and never fails."""

    failed = False

    def fetch(self, *, since, now):
        return ()

    def troubles(self):
        return ()


def test_a_pushed_headline_that_cannot_be_read_spoils_no_other_and_is_counted(clock):
    means = StreamMeans(clock=clock, elapsed=lambda: 0.0, draws=Random(1))
    key = StreamKey(key_id="k", secret="s")
    stream = NewsStream("ws://127.0.0.1:9/news", rest=NoRest(), key=key, means=means)
    stream._take([Headline(**article_row(1) | {"created_at": datetime(1, 1, 1, tzinfo=UTC)})])
    stream._take([Headline(**article_row(2) | {"created_at": NOW})])
    assert [item.headline for item in stream.fetch(since=NOW, now=NOW)] == ["Story 2"]
    assert [one.item for one in stream.troubles()] == ["articles of alpaca"]


def test_a_quote_is_confirmed_as_of_when_its_page_was_asked_for(clock):
    occs = [Occ(f"ACME261016C000{strike}000") for strike in (50, 51, 52)]
    fields = {"expiration_date": "2026-10-16", "underlying_symbol": "ACME", "type": "call", "tradable": True}
    listed = [{"symbol": occ, "strike_price": str(int(occ[-8:]) / 1000), **fields} for occ in occs]

    def answer(asked):
        if asked.path == "/v2/stocks/snapshots":
            return Answer(body={"ACME": {"latestTrade": {"t": at(1), "p": 50}}})
        if asked.path == "/v2/options/contracts":
            return Answer(body={"option_contracts": listed, "next_page_token": None})
        # Each page takes two seconds to come.
        clock.at += timedelta(seconds=2)
        page = int(asked.params.get("page_token", 0))
        token = str(page + 1) if page < 2 else None
        quote = {"latestQuote": quote_row(1.2, 1.3)}
        return Answer(body={"snapshots": {occs[page]: quote}, "next_page_token": token})

    with serving(answer) as venue:
        market = market_of(venue.url, clock)
        chain = market.chain("ACME", now=NOW, first=FIRST, last=LAST)
        assert [chain.quotes[occ].confirmed_at for occ in occs] == [
            NOW + timedelta(seconds=seconds) for seconds in (0, 2, 4)
        ]


@pytest.mark.parametrize(("minutes", "days"), [(0.5, [11]), (15.9, [11]), (16.1, [11, 14])])
def test_a_day_s_bar_is_whole_once_the_tape_has_its_close(clock, minutes, days):
    clock.at = datetime(2026, 9, 14, 20, 0, tzinfo=UTC) + timedelta(minutes=minutes)
    bar = {"o": 50, "h": 52, "l": 49, "c": 51, "v": 100}
    rows = [{"t": f"2026-09-{day}T04:00:00Z", **bar} for day in (11, 14)]
    with serving(lambda _: Answer(body={"bars": {"ACME": rows}, "next_page_token": None})) as venue:
        found = market_of(venue.url, clock).bars(
            "ACME", interval=Interval.DAY, after=datetime(2026, 9, 10, 20, 0, tzinfo=UTC), now=clock.at
        )
    assert [bar.session.day for bar in found] == days


def test_a_pushed_quote_without_sizes_has_none():
    frame = b'[{"T": "q", "S": "ACME261016C00050000", "t": "2026-09-14T15:30:00Z", "bp": 1.0, "ap": 1.1}]'
    ((message,), _) = read_market(frame)
    quote = option_quote(message, confirmed_at=NOW, feed=Feed.OPRA)
    assert (quote.bid, quote.bid_size, quote.ask, quote.ask_size) == (10_000, None, 11_000, None)
