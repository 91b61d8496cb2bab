"""The venue's prices and headlines over HTTP, as MarketData and NewsSource."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from ops_pipeline.adapters.alpaca.calendar import Disagreement, disagreements, read_clock, read_sessions
from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.adapters.alpaca.kept import Kept
from ops_pipeline.adapters.alpaca.listing import list_contracts
from ops_pipeline.adapters.alpaca.market import AlpacaMarket, Feeds, Outside
from ops_pipeline.adapters.alpaca.news import AlpacaNews, plain
from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.domain.instruments import Right, Split
from ops_pipeline.domain.market import Feed, Interval, SpotQuote
from ops_pipeline.domain.news import identify_news
from ops_pipeline.domain.records import EarningsDate, RegimeReading
from ops_pipeline.domain.units import Occ
from tests.builders_alpaca import CALL, LATER_CALL, NOW, Standing, client_of
from tests.builders_http import Answer, serving

TODAY = NOW.date()
PUT = Occ("ACME261016P00050000")
FIRST, LAST = date(2026, 10, 1), date(2026, 12, 31)


@pytest.fixture
def clock():
    standing = Standing()
    yield standing
    standing.close()


def market_of(url, clock, *, feed=Feed.OPRA):
    return AlpacaMarket(
        client_of(url, clock),
        client_of(url, clock),
        feeds=Feeds(stocks="iex", options=feed),
        calendar=exchange_calendar(),
        clock=clock,
        outside=Outside(
            rate=lambda _: 0.04,
            dividend_yield=lambda ticker: 0.01 if ticker == "ACME" else 0.0,
            volatility_index=lambda before: RegimeReading(session=before, value=17.5, source="file"),
            earnings=lambda ticker, _: EarningsDate(ticker=ticker, session=None),
        ),
    )


def spot_row(price=50.0, volume=1000, at="2026-09-14T15:29:58Z"):
    return {
        "latestTrade": {"t": at, "p": price, "s": 10},
        "dailyBar": {"t": "2026-09-14T04:00:00Z", "o": 49, "h": 51.5, "l": 48.25, "c": price, "v": volume},
    }


def snapshot_row(bid=1.2, ask=1.3):
    return {
        "latestQuote": {"t": "2026-09-14T15:29:50.123456789Z", "bp": bid, "ap": ask, "bs": 11, "as": 7},
        "greeks": {"delta": 0.52, "gamma": 0.03, "theta": -0.02, "vega": 0.06, "rho": 0.01},
        "impliedVolatility": 0.31,
        "dailyBar": {"t": "2026-09-14T04:00:00Z", "o": 1, "h": 2, "l": 1, "c": 1, "v": 321},
        "prevDailyBar": {"t": "2026-09-11T04:00:00Z", "o": 1, "h": 2, "l": 1, "c": 1, "v": 654},
    }


def contract_row(occ, *, interest="1500", tradable=True, **changes):
    right = "call" if occ[-9] == "C" else "put"
    row = {
        "symbol": occ,
        "underlying_symbol": "ACME",
        "root_symbol": "ACME",
        "type": right,
        "style": "american",
        "expiration_date": f"20{occ[4:6]}-{occ[6:8]}-{occ[8:10]}",
        "strike_price": str(int(occ[-8:]) / 1000),
        "size": "100",
        "multiplier": "100",
        "open_interest": interest,
        "open_interest_date": "2026-09-11",
        "tradable": tradable,
        "ppind": True,
        "status": "active",
    }
    return row | changes


class World:
    """A venue of one stock, whose lists are cut into pages of `page` rows."""

    def __init__(self, *, page=1000, snapshots=None, contracts=None):
        self.page = page
        self.snapshots = snapshots if snapshots is not None else {CALL: snapshot_row(), PUT: snapshot_row()}
        self.contracts = contracts or [contract_row(occ) for occ in (CALL, PUT)]
        self.down = set()
        self.spot = spot_row()

    def __call__(self, asked):
        if asked.path in self.down:
            return Answer(status=500)
        if asked.path == "/v2/stocks/snapshots":
            return Answer(body={"ACME": self.spot} if asked.params["symbols"] == "ACME" else {})
        if asked.path == "/v2/options/contracts":
            rows, token = self.cut(self.contracts, asked)
            return Answer(body={"option_contracts": rows, "next_page_token": token})
        wanted = asked.params.get("symbols")
        items = [(k, v) for k, v in self.snapshots.items() if wanted is None or k in wanted.split(",")]
        rows, token = self.cut(items, asked)
        return Answer(body={"snapshots": dict(rows), "next_page_token": token})

    def cut(self, rows, asked):
        begin = int(asked.params.get("page_token", 0))
        end = begin + self.page
        return rows[begin:end], str(end) if end < len(rows) else None


def test_a_spot_is_the_newest_trade_with_its_day(clock):
    with serving(World()) as venue:
        found = market_of(venue.url, clock).spot("ACME", now=NOW)
    assert found == SpotQuote(
        ticker="ACME",
        price=500_000,
        at=datetime(2026, 9, 14, 15, 29, 58, tzinfo=UTC),
        volume=1000,
        day_high=515_000,
        day_low=482_500,
    )
    assert venue.asked[0].params == {"symbols": "ACME", "feed": "iex"}


def test_the_range_of_another_day_is_not_this_day_s(clock):
    row = spot_row() | {"latestTrade": {"t": "2026-09-15T13:30:01Z", "p": 50}}
    with serving(lambda _: Answer(body={"ACME": row})) as venue:
        found = market_of(venue.url, clock).spot("ACME", now=NOW)
    assert (found.volume, found.day_high, found.day_low) == (None, None, None)


@pytest.mark.parametrize(
    "row", [None, {}, {"latestTrade": None}, {"latestTrade": {"t": "2026-09-14T15:00:00Z", "p": 0}}]
)
def test_a_stock_without_a_trade_has_no_spot_and_is_no_trouble(clock, row):
    with serving(lambda _: Answer(body={"ACME": row})) as venue:
        market = market_of(venue.url, clock)
        assert market.spot("ACME", now=NOW) is None
    assert market.troubles() == ()


def test_one_cycle_asks_once_and_the_next_one_again(clock):
    with serving(World()) as venue:
        market = market_of(venue.url, clock)
        for _ in range(2):
            market.spot("ACME", now=NOW)
            market.quotes([CALL, PUT, CALL], now=NOW)
        assert len(venue.asked) == 2
        clock.at += timedelta(seconds=2)
        market.spot("ACME", now=clock.at)
        market.quotes([CALL], now=clock.at)
        assert len(venue.asked) == 4


def test_quotes_carry_greeks_volumes_feed_and_both_times(clock):
    with serving(World()) as venue:
        (quote,) = market_of(venue.url, clock, feed=Feed.INDICATIVE).quotes([CALL], now=NOW).values()
    assert (quote.bid, quote.ask, quote.bid_size, quote.ask_size) == (12_000, 13_000, 11, 7)
    assert quote.at == datetime(2026, 9, 14, 15, 29, 50, 123457, tzinfo=UTC)
    assert (quote.confirmed_at, quote.feed) == (NOW, Feed.INDICATIVE)
    assert (quote.iv, quote.delta, quote.theta_per_day, quote.vega_per_point) == (0.31, 0.52, -0.02, 0.06)
    assert (quote.volume, quote.previous_volume) == (321, 654)
    assert venue.asked[0].params["feed"] == "indicative"


def test_a_hundred_symbols_go_into_a_request(clock):
    occs = [Occ(f"ACME261016C{number:05d}000") for number in range(1, 251)]
    with serving(World(snapshots={occ: snapshot_row() for occ in occs}, page=60)) as venue:
        found = market_of(venue.url, clock).quotes(occs, now=NOW)
    assert list(found) == occs
    first_pages = [one for one in venue.asked if "page_token" not in one.params]
    assert [len(one.params["symbols"].split(",")) for one in first_pages] == [100, 100, 50]
    assert len(venue.asked) == 2 + 2 + 1


def test_one_bad_quote_is_left_out_and_counted(clock):
    snapshots = {CALL: snapshot_row(bid=-1.0), PUT: snapshot_row(), LATER_CALL: {"greeks": {"delta": 0.5}}}
    with serving(World(snapshots=snapshots)) as venue:
        market = market_of(venue.url, clock)
        assert set(market.quotes([CALL, PUT, LATER_CALL], now=NOW)) == {PUT}
    assert (market.refused, market.troubles()) == (1, ())


def test_a_symbol_that_the_venue_does_not_take_costs_no_other_its_quote(clock):
    occs = [Occ(f"ACME261016C{number:05d}000") for number in range(1, 9)]
    world = World(snapshots={occ: snapshot_row() for occ in occs})

    def answer(asked):
        if occs[5] in asked.params["symbols"].split(","):
            return Answer(status=400, body={"message": f"invalid symbol: {occs[5]}"})
        return world(asked)

    with serving(answer) as venue:
        market = market_of(venue.url, clock)
        found = market.quotes(occs, now=NOW)
    assert set(found) == set(occs) - {occs[5]}
    assert (market.refused, market.troubles()) == (1, ())
    assert len(venue.asked) == 7


def test_what_was_kept_is_forgotten_in_time(clock):
    kept = Kept(clock, timedelta(seconds=1))
    for number in range(1000):
        clock.at += timedelta(seconds=0.1)
        kept.put(number, number)
    assert kept.get(999) == 999
    assert kept.get(980) is None
    assert len(kept) <= 20


def test_a_read_that_fails_is_noted_until_one_succeeds(clock):
    world = World()
    with serving(world) as venue:
        market = market_of(venue.url, clock)
        world.down = {"/v1beta1/options/snapshots", "/v2/stocks/snapshots"}
        assert market.quotes([CALL], now=NOW) == {}
        assert market.spot("ACME", now=NOW) is None
        assert market.chain("ACME", now=NOW, first=FIRST, last=LAST) is None
        assert [one.item for one in market.troubles()] == ["quotes", "spot ACME"]
        assert (
            market.troubles()[0].error == "GET /v1beta1/options/snapshots: expected an answer, was 500: null"
        )
        world.down = set()
        assert set(market.quotes([CALL], now=NOW)) == {CALL}
        assert market.spot("ACME", now=NOW) is not None
    assert market.troubles() == ()


def test_a_chain_joins_all_pages_of_quotes_with_all_pages_of_contracts(clock):
    occs = [Occ(f"ACME261016C{number:05d}000") for number in range(1, 24)]
    world = World(
        page=10,
        snapshots={occ: snapshot_row() for occ in occs} | {LATER_CALL: snapshot_row()},
        contracts=[contract_row(occ, interest=str(at)) for at, occ in enumerate(occs)],
    )
    with serving(world) as venue:
        chain = market_of(venue.url, clock).chain("ACME", now=NOW, first=FIRST, last=LAST, right=Right.CALL)
    assert list(chain.contracts) == list(chain.quotes) == occs
    assert [quote.open_interest for quote in chain.quotes.values()] == list(range(23))
    assert (chain.underlying, chain.spot, chain.at) == ("ACME", 500_000, NOW)
    listed = [one.params for one in venue.asked if one.path == "/v2/options/contracts"]
    assert listed[0]["expiration_date_lte"] == "2026-12-31"
    assert listed[0]["expiration_date_gte"] == "2026-10-01"
    assert (listed[0]["type"], listed[0]["limit"], len(listed)) == ("call", "10000", 3)
    quoted = [one.params for one in venue.asked if one.path == "/v1beta1/options/snapshots/ACME"]
    assert (quoted[0]["type"], quoted[0]["limit"], quoted[0]["feed"], len(quoted)) == (
        "call",
        "1000",
        "opra",
        3,
    )


def test_a_chain_leaves_out_what_does_not_trade_or_does_not_fit(clock):
    contracts = [
        contract_row(CALL, tradable=False),
        contract_row(PUT, strike_price="51"),
        contract_row(LATER_CALL, size="150"),
    ]
    snapshots = {occ: snapshot_row() for occ in (CALL, PUT, LATER_CALL)}
    with serving(World(snapshots=snapshots, contracts=contracts)) as venue:
        market = market_of(venue.url, clock)
        chain = market.chain("ACME", now=NOW, first=FIRST, last=LAST)
    assert set(chain.contracts) == set(chain.quotes) == {LATER_CALL}
    assert chain.contracts[LATER_CALL].adjusted
    assert market.refused == 1


def test_a_listing_is_kept_for_minutes_and_quotes_are_not(clock):
    world = World()
    with serving(world) as venue:
        market = market_of(venue.url, clock)
        for minutes in (0, 5, 12):
            clock.at = NOW + timedelta(minutes=minutes)
            world.spot = spot_row(at=clock.at.isoformat())
            market.chain("ACME", now=clock.at, first=FIRST, last=LAST)
    paths = [one.path for one in venue.asked]
    assert paths.count("/v2/options/contracts") == 2
    assert paths.count("/v1beta1/options/snapshots/ACME") == 3


def test_pages_that_lead_in_a_circle_are_no_list(clock):
    row = {"option_contracts": [], "next_page_token": "again"}
    with serving(lambda _: Answer(body=row)) as venue, pytest.raises(WireError, match="'again' once more"):
        list_contracts(client_of(venue.url, clock), "ACME", first=FIRST, last=LAST)
    assert len(venue.asked) == 2


def bar_row(stamp, close=50.0, volume=100):
    return {"t": stamp, "o": 50, "h": 52, "l": 49, "c": close, "v": volume, "n": 5, "vw": 50}


def bars_answer(*pages):
    def answer(asked):
        at = int(asked.params.get("page_token", 0))
        token = str(at + 1) if at + 1 < len(pages) else None
        return Answer(body={"bars": {"ACME": pages[at]}, "next_page_token": token})

    return answer


def test_minute_bars_are_complete_and_of_the_session(clock):
    pages = (
        [bar_row("2026-09-14T13:29:00Z"), bar_row("2026-09-14T13:30:00Z"), bar_row("2026-09-14T15:28:00Z")],
        [
            bar_row("2026-09-14T15:29:00Z", 51),
            bar_row("2026-09-14T15:30:00Z"),
            bar_row("2026-09-14T20:00:00Z"),
        ],
    )
    with serving(bars_answer(*pages)) as venue:
        found = market_of(venue.url, clock).bars(
            "ACME", interval=Interval.MINUTE, after=NOW - timedelta(hours=6), now=NOW
        )
    assert [(bar.end_at.strftime("%H:%M"), bar.close) for bar in found] == [
        ("13:31", 500_000),
        ("15:29", 500_000),
        ("15:30", 510_000),
    ]
    params = venue.asked[0].params
    assert (params["adjustment"], params["feed"], params["timeframe"]) == ("raw", "iex", "1Min")
    assert params["end"] == "2026-09-14T15:30:00Z"


def test_bars_begin_after_the_instant_asked_for(clock):
    with serving(bars_answer([bar_row("2026-09-14T15:28:00Z"), bar_row("2026-09-14T15:29:00Z")])) as venue:
        after = NOW - timedelta(minutes=1)
        found = market_of(venue.url, clock).bars("ACME", interval=Interval.MINUTE, after=after, now=NOW)
    assert [bar.end_at for bar in found] == [NOW]
    assert venue.asked[0].params["start"] == "2026-09-14T15:28:00Z"


def test_daily_bars_end_at_their_close_and_an_unfinished_one_is_none(clock):
    rows = [bar_row("2026-09-10T04:00:00Z"), bar_row("2026-09-11T04:00:00Z"), bar_row("2026-09-14T04:00:00Z")]
    with serving(bars_answer(rows)) as venue:
        after = datetime(2026, 9, 10, 20, 0, tzinfo=UTC)
        found = market_of(venue.url, clock).bars("ACME", interval=Interval.DAY, after=after, now=NOW)
    assert [(bar.session, bar.end_at) for bar in found] == [
        (date(2026, 9, 11), datetime(2026, 9, 11, 20, 0, tzinfo=UTC))
    ]
    assert (venue.asked[0].params["feed"], venue.asked[0].params["end"]) == ("sip", "2026-09-14T15:14:00Z")


def test_an_impossible_bar_is_left_out_and_counted(clock):
    rows = [bar_row("2026-09-14T15:27:00Z", close=99), bar_row("2026-09-14T15:28:00Z")]
    with serving(bars_answer(rows)) as venue:
        market = market_of(venue.url, clock)
        found = market.bars("ACME", interval=Interval.MINUTE, after=NOW - timedelta(hours=1), now=NOW)
    assert (len(found), market.refused) == (1, 1)


def test_the_spot_of_a_past_close_is_that_of_its_last_minute(clock):
    close = datetime(2026, 9, 11, 20, 0, tzinfo=UTC)
    rows = [bar_row("2026-09-11T19:58:00Z", 50), bar_row("2026-09-11T19:59:00Z", 51)]
    with serving(bars_answer(rows)) as venue:
        found = market_of(venue.url, clock).spot("ACME", now=close)
    assert found == SpotQuote(ticker="ACME", price=510_000, at=close)
    assert venue.asked[0].params["end"] == "2026-09-11T20:00:00Z"


def actions(**kinds):
    return Answer(body={"corporate_actions": kinds, "next_page_token": None})


def test_splits_are_told_by_their_ex_date_and_kept(clock):
    answer = actions(
        forward_splits=[
            {"symbol": "ACME", "ex_date": "2026-08-03", "new_rate": 3, "old_rate": 2},
            {"symbol": "ACME", "ex_date": "2026-09-14", "new_rate": 4, "old_rate": 1},
            {"symbol": "OTHER", "ex_date": "2026-09-14", "new_rate": 4, "old_rate": 1},
        ],
        reverse_splits=[{"symbol": "ACME", "ex_date": "2026-09-01", "new_rate": 1, "old_rate": 10}],
        stock_dividends=[{"symbol": "ACME", "ex_date": "2026-09-02", "rate": 0.05}],
        cash_dividends=[{"symbol": "ACME", "ex_date": "2026-09-02", "rate": 0.5}],
    )
    with serving(lambda _: answer) as venue:
        market = market_of(venue.url, clock)
        found = market.splits("ACME", first=date(2026, 8, 10), last=TODAY)
        again = market.splits("ACME", first=date(2026, 9, 2), last=TODAY)
        assert len(venue.asked) == 1
        assert len(market.splits("ACME", first=date(2026, 8, 1), last=TODAY)) == 4
        assert len(venue.asked) == 2
        clock.at += timedelta(hours=2)
        venue.asked.clear()
        market.splits("ACME", first=date(2026, 9, 2), last=TODAY)
    assert found == [
        Split(ticker="ACME", session=date(2026, 9, 1), new=1, old=10),
        Split(ticker="ACME", session=date(2026, 9, 2), new=21, old=20),
        Split(ticker="ACME", session=date(2026, 9, 14), new=4, old=1),
    ]
    assert again == found[1:]
    assert venue.asked[0].params["types"] == "forward_split,reverse_split,stock_dividend"


def test_splits_once_known_outlast_a_failure(clock):
    answers = [
        actions(forward_splits=[{"symbol": "ACME", "ex_date": "2026-09-14", "new_rate": 4, "old_rate": 1}])
    ]
    with serving(lambda _: answers[0]) as venue:
        market = market_of(venue.url, clock)
        assert market.splits("OTHER", first=TODAY, last=TODAY) == []
        known = market.splits("ACME", first=TODAY, last=TODAY)
        answers[0] = Answer(status=500)
        clock.at += timedelta(hours=2)
        assert market.splits("ACME", first=TODAY, last=TODAY) == known
    assert len(known) == 1
    assert [one.item for one in market.troubles()] == ["splits ACME"]


def test_what_the_venue_has_no_source_of_is_asked_elsewhere(clock):
    with serving(World()) as venue:
        market = market_of(venue.url, clock)
        assert market.rate(TODAY) == 0.04
        assert market.dividend_yield("ACME") == 0.01
        assert market.volatility_index(before=TODAY).value == 17.5
        assert market.earnings("ACME", now=NOW).session is None
        assert market.iv_history("ACME", before=TODAY, limit=10) == ()
        assert market.next_instant(NOW) is None
    assert venue.asked == []


def article(number, **changes):
    row = {
        "id": number,
        "headline": f"Story {number}",
        "created_at": "2026-09-14T15:00:00Z",
        "updated_at": "2026-09-14T15:10:00Z",
        "author": "A",
        "summary": "",
        "content": "<p>long</p>",
        "source": "benzinga",
        "url": f"https://news.example/{number}",
        "symbols": ["ACME", "ACME", "XYZ"],
        "images": [],
    }
    return row | changes


def test_news_are_read_to_the_last_page(clock):
    rows = [article(number) for number in range(120)]

    def answer(asked):
        begin = int(asked.params.get("page_token", 0))
        end = begin + int(asked.params["limit"])
        token = str(end) if end < len(rows) else None
        return Answer(body={"news": rows[begin:end], "next_page_token": token})

    with serving(answer) as venue:
        source = AlpacaNews(client_of(venue.url, clock), symbols=("ACME", "XYZ"))
        found = source.fetch(since=NOW - timedelta(minutes=10), now=NOW)
    assert len({item.news_id for item in found}) == 120
    assert found[0].tickers == ("ACME", "XYZ")
    assert {item.first_seen_at for item in found} == {NOW}
    assert identify_news("alpaca", "7") in {item.news_id for item in found}
    assert venue.asked[0].params == {
        "start": "2026-09-14T15:15:00Z",
        "end": "2026-09-14T15:30:00Z",
        "sort": "asc",
        "limit": "50",
        "symbols": "ACME,XYZ",
    }


def test_a_news_outage_is_noted_and_gives_nothing(clock):
    answers = [Answer(status=500)]
    with serving(lambda _: answers[0]) as venue:
        source = AlpacaNews(client_of(venue.url, clock))
        assert source.fetch(since=NOW, now=NOW) == ()
        assert [one.item for one in source.troubles()] == ["news of alpaca"]
        answers[0] = Answer(body={"news": [article(1, headline=" "), article(2)], "next_page_token": None})
        assert [item.headline for item in source.fetch(since=NOW, now=NOW)] == ["Story 2"]
    assert source.troubles() == ()


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("Waymo&#39;s <b>chief</b>", "Waymo's chief"),
        ("a<script>steal()</script>b", "a b"),
        ("<p>one</p><p>two</p>", "one two"),
        ("zero\u200bwidth \u202eturned\x00", "zerowidth turned"),
        ("5 < 6 & 7", "5 < 6 & 7"),
        ("x" * 600, "x" * 500),
    ],
)
def test_markup_becomes_plain_text(markup, text):
    assert plain(markup, limit=500) == text


def test_sessions_and_clock_of_the_venue(clock):
    def answer(asked):
        if asked.path == "/v2/clock":
            body = {
                "timestamp": "2026-11-27T12:59:59-05:00",
                "is_open": True,
                "next_open": "2026-11-30T09:30:00-05:00",
                "next_close": "2026-11-27T13:00:00-05:00",
            }
            return Answer(body=body)
        days = [("2026-11-25", "16:00"), ("2026-11-27", "13:00"), ("2026-11-30", "16:00")]
        return Answer(body=[{"date": day, "open": "09:30", "close": close} for day, close in days])

    with serving(answer) as venue:
        client = client_of(venue.url, clock)
        now = read_clock(client)
        sessions = read_sessions(client, date(2026, 11, 25), date(2026, 11, 30))
    assert (now.at, now.is_open) == (datetime(2026, 11, 27, 17, 59, 59, tzinfo=UTC), True)
    assert now.next_close == datetime(2026, 11, 27, 18, 0, tzinfo=UTC)
    ours = exchange_calendar().between(date(2026, 11, 25), date(2026, 11, 30))
    assert disagreements(ours, sessions) == ()


def test_days_on_which_the_calendars_differ_are_named():
    ours = exchange_calendar().between(date(2026, 11, 25), date(2026, 11, 30))
    text = json.dumps([{"date": "2026-11-26", "open": "09:30", "close": "16:00"}])
    with serving(lambda _: Answer(body=json.loads(text))) as venue:
        standing = Standing()
        theirs = read_sessions(client_of(venue.url, standing), date(2026, 11, 25), date(2026, 11, 27))
        standing.close()
    found = disagreements(ours, [*theirs, *ours[1:]])
    assert found == (
        Disagreement(day=date(2026, 11, 25), ours=ours[0], theirs=None),
        Disagreement(day=date(2026, 11, 26), ours=None, theirs=theirs[0]),
    )
