"""Market data of the served market: pages, bounds, adjustments, days and hours. Shell."""

from datetime import UTC, date, datetime, timedelta

import pytest

from ops_pipeline.domain.market import Interval
from tests.builders_simserver import served, usd


@pytest.fixture
def market():
    with served() as running:
        yield running


def pages(market, path, key, **query):
    """Go through all pages; give them, and what they hold joined by symbol."""
    found, whole, token = [], {}, {}
    while True:
        body = market.get(path, **query, **token)
        found.append(body[key])
        for symbol, rows in body[key].items():
            whole.setdefault(symbol, []).extend(rows)
        if body["next_page_token"] is None:
            return found, whole
        token = {"page_token": body["next_page_token"]}


@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 7, 30, 31])
def test_bars_are_paged_symbol_by_symbol(market, sort, limit):
    query = {"symbols": "TORQ,CLRN", "timeframe": "1Min", "sort": sort}
    whole = market.get("/v2/stocks/bars", **query)["bars"]
    assert [len(whole[symbol]) for symbol in ("CLRN", "TORQ")] == [30, 30]
    found, joined = pages(market, "/v2/stocks/bars", "bars", **query, limit=limit)
    assert joined == whole
    assert [sum(map(len, page.values())) for page in found[:-1]] == [limit] * (len(found) - 1)
    times = [bar["t"] for bar in whole["CLRN"]]
    assert times == sorted(times, reverse=sort == "desc")


def test_bars_begin_within_their_bounds_and_are_made_of_the_market_s_own(market):
    query = {"symbols": "CLRN", "start": "2026-07-13T13:40:00Z", "end": "2026-07-13T13:49:00Z"}
    minutes = market.get("/v2/stocks/bars", **query, timeframe="1Min")["bars"]["CLRN"]
    assert [bar["t"] for bar in minutes] == [f"2026-07-13T13:{minute}:00Z" for minute in range(40, 50)]
    with market.venue.at_work() as now:
        own = market.venue.world.bars(
            "CLRN", interval=Interval.MINUTE, after=datetime(2026, 7, 13, 13, 40, tzinfo=UTC), now=now
        )[:10]
    assert [(bar["o"], bar["h"], bar["l"], bar["c"], bar["v"]) for bar in minutes] == [
        (bar.open / 10_000, bar.high / 10_000, bar.low / 10_000, bar.close / 10_000, bar.volume)
        for bar in own
    ]
    (ten,) = market.get("/v2/stocks/bars", **query, timeframe="10Min")["bars"]["CLRN"]
    assert (ten["t"], ten["o"], ten["c"]) == ("2026-07-13T13:40:00Z", minutes[0]["o"], minutes[-1]["c"])
    assert ten["h"] == max(bar["h"] for bar in minutes)
    assert ten["v"] == sum(bar["v"] for bar in minutes)


@pytest.mark.parametrize(
    ("frame", "starts"),
    [("1Hour", ["2026-07-13T13:00:00Z", "2026-07-13T14:00:00Z"]), ("1Day", ["2026-07-13T04:00:00Z"])],
)
def test_the_bar_that_is_growing_is_there_like_the_broker_s(market, frame, starts):
    market.pass_market(minutes=10)
    before = market.get("/v2/stocks/bars", symbols="CLRN", timeframe=frame)["bars"]["CLRN"]
    market.pass_market(minutes=10)
    after = market.get("/v2/stocks/bars", symbols="CLRN", timeframe=frame)["bars"]["CLRN"]
    assert [bar["t"] for bar in before] == [bar["t"] for bar in after] == starts
    assert before[:-1] == after[:-1]
    assert before[-1]["v"] < after[-1]["v"]
    assert before[-1]["o"] == after[-1]["o"]


def test_splits_are_adjusted_for_where_that_is_wished():
    start = datetime(2026, 9, 11, 14, 0, tzinfo=UTC)
    with served(start=start) as market:
        query = {"symbols": "TORQ", "timeframe": "1Day", "start": "2026-09-08", "end": "2026-09-10"}
        raw, split = (
            market.get("/v2/stocks/bars", **query, adjustment=kind)["bars"]["TORQ"]
            for kind in ("raw", "split")
        )
        assert [bar["t"][:10] for bar in raw] == ["2026-09-08", "2026-09-09", "2026-09-10"]
        # 2:1 on the 10th: half the price, twice the shares before it, unchanged from it on.
        for before, after in zip(raw[:2], split[:2], strict=True):
            assert after["c"] == pytest.approx(before["c"] / 2, abs=1e-4)
            assert after["v"] == 2 * before["v"]
        assert raw[2] == split[2]


def test_option_chains_are_filtered_and_paged(market):
    path = "/v1beta1/options/snapshots/CLRN"
    query = {
        "expiration_date_gte": "2026-08-01", "expiration_date_lte": "2026-08-31", "type": "put",
        "strike_price_gte": "440", "strike_price_lte": "480.5",
    }  # fmt: skip
    whole = market.get(path, **query, limit=1000)["snapshots"]
    assert len(whole) > 15
    for occ in whole:
        assert (occ[4:8], occ[10]) == ("2608", "P")
        assert 440_000 <= int(occ[-8:]) <= 480_500
    seen, token = [], {}
    while True:
        page = market.get(path, **query, limit=4, **token)
        seen += page["snapshots"]
        if page["next_page_token"] is None:
            break
        assert len(page["snapshots"]) == 4
        token = {"page_token": page["next_page_token"]}
    assert seen == list(whole) == sorted(whole)
    since = "2026-07-13T13:59:55Z"
    fresh = market.get(path, **query, limit=1000, updated_since=since)["snapshots"]
    assert set(fresh) == {occ for occ, row in whole.items() if row["latestQuote"]["t"] >= since}
    assert 0 < len(fresh) < len(whole)
    assert market.get("/v1beta1/options/snapshots/NONE") == {"snapshots": {}, "next_page_token": None}


def test_an_absent_side_is_zero_and_missing_greeks_are_left_out():
    with served() as market:
        quotes = {}
        for ticker in market.venue.world.tickers:
            quotes |= market.get(f"/v1beta1/options/snapshots/{ticker}", limit=1000)["snapshots"]
        with market.venue.at_work() as now:
            truth = market.venue.world.quotes(list(quotes), now=now)
        one_sided = [occ for occ, quote in truth.items() if quote.bid is None or quote.ask is None]
        bare = [occ for occ, quote in truth.items() if quote.iv is None]
        assert one_sided
        assert bare
        for occ in one_sided:
            side = "b" if truth[occ].bid is None else "a"
            shown = quotes[occ]["latestQuote"]
            assert (shown[f"{side}p"], shown[f"{side}s"]) == (0, 0)
        for occ in bare:
            assert not {"greeks", "impliedVolatility"} & set(quotes[occ])


def test_activities_are_bounded_by_time_and_by_day(market):
    quote = market.calls("VLTC")[0]
    at = []
    for _ in range(3):
        at.append(market.order(symbol=quote.occ, qty="1", side="buy", limit_price=usd(quote.ask)).json())
        market.pass_market(minutes=5)
        quote = market.calls("VLTC")[0]
    times = [row["filled_at"] for row in at]

    def told(**query):
        return [row["transaction_time"] for row in market.get("/v2/account/activities", **query)]

    assert told() == times[::-1]
    assert told(direction="asc", after=times[0]) == times[1:]
    assert told(direction="asc", until=times[2]) == times[:2]
    assert told(date="2026-07-13", direction="asc") == times
    assert told(date="2026-07-12") == told(category="non_trade_activity") == []
    first = market.get("/v2/account/activities", page_size=2)
    rest = market.get("/v2/account/activities", page_size=2, page_token=first[-1]["id"])
    assert [row["transaction_time"] for row in (*first, *rest)] == times[::-1]
    wrong = market.http.get("/v2/account/activities", params={"page_token": "20260713::none"})
    assert wrong.status_code == 422


def test_the_calendar_knows_when_trades_settle(market):
    # 2026-07-03 is a holiday: what is traded on the 2nd settles on Monday the 6th.
    query = {"start": "2026-07-06", "end": "2026-07-06"}
    (traded,) = market.get("/v2/calendar", **query)
    (settled,) = market.get("/v2/calendar", **query, date_type="SETTLEMENT")
    assert (traded["date"], traded["settlement_date"]) == ("2026-07-06", "2026-07-07")
    assert (settled["date"], settled["settlement_date"]) == ("2026-07-02", "2026-07-06")
    whole = market.get("/v2/calendar")
    assert whole[-1]["date"] == "2029-12-31"
    # A half day: the Friday after Thanksgiving.
    half = next(day for day in whole if day["date"] == "2026-11-27")
    assert (half["open"], half["close"]) == ("09:30", "13:00")


@pytest.mark.parametrize(
    ("at", "is_open", "opens", "closes"),
    [
        (datetime(2026, 7, 13, 13, 29, 59, tzinfo=UTC), False, "2026-07-13", "2026-07-13"),
        (datetime(2026, 7, 13, 13, 30, tzinfo=UTC), True, "2026-07-14", "2026-07-13"),
        (datetime(2026, 7, 17, 20, 0, tzinfo=UTC), False, "2026-07-20", "2026-07-20"),
        (datetime(2026, 7, 19, 12, 0, tzinfo=UTC), False, "2026-07-20", "2026-07-20"),
    ],
)
def test_the_clock_tells_what_comes_next(at, is_open, opens, closes):
    with served(start=at, first_session=date(2026, 7, 13)) as market:
        clock = market.get("/v2/clock")
        assert clock["is_open"] is is_open
        assert clock["next_open"] == f"{opens}T09:30:00-04:00"
        assert clock["next_close"] == f"{closes}T16:00:00-04:00"


def test_equity_is_told_over_time(market):
    quote = market.calls()[0]
    market.order(symbol=quote.occ, qty="2", side="buy", limit_price=usd(quote.ask))
    market.pass_market(hours=5)
    told = market.get("/v2/account/portfolio/history", period="1D", timeframe="15Min")
    with market.venue.at_work() as now:
        assert told["timestamp"][-1] == int(now.timestamp())
        world = market.venue.world
        for stamp, equity in zip(told["timestamp"], told["equity"], strict=True):
            at = datetime.fromtimestamp(stamp, tz=UTC)
            mark = world.quotes([quote.occ], now=at)[quote.occ]
            worth = (mark.bid + mark.ask) / 2 * 200 / 10_000
            assert equity == pytest.approx(121_000 - quote.ask / 50 + worth, abs=0.02)
    assert told["equity"][-1] == pytest.approx(float(market.get("/v2/account")["equity"]))
    market.pass_market(days=2)
    daily = market.get("/v2/account/portfolio/history", period="1W", timeframe="1D")
    closes = [datetime(2026, 7, day, 20, 0, tzinfo=UTC).timestamp() for day in (13, 14)]
    assert daily["timestamp"][:2] == closes
    assert daily["base_value"] == 121_000


def test_news_is_told_when_it_is_first_seen_and_paged_by_time(market):
    start = datetime(2026, 7, 10, tzinfo=UTC)
    seen, token = [], {}
    while True:
        body = market.get("/v1beta1/news", start=start.isoformat(), sort="asc", limit=6, **token)
        seen += body["news"]
        if body["next_page_token"] is None:
            break
        token = {"page_token": body["next_page_token"]}
    with market.venue.at_work() as now:
        truth = [
            item
            for item in market.venue.world.fetch(since=start - timedelta(days=1), now=now)
            if item.published_at >= start
        ]
    assert sorted(row["headline"] for row in seen) == sorted(item.headline for item in truth)
    assert [row["created_at"] for row in seen] == sorted(row["created_at"] for row in seen)
