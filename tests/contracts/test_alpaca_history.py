"""Bars, splits, headlines and sessions over REST."""

import json
from datetime import UTC, date, datetime, timedelta

from ops_pipeline.adapters.alpaca.calendar import Disagreement, disagreements, read_clock, read_sessions
from ops_pipeline.adapters.alpaca.news import AlpacaNews
from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.domain.instruments import Split
from ops_pipeline.domain.market import Interval, SpotQuote
from ops_pipeline.domain.news import identify_news
from tests.builders_alpaca import NOW, Standing, client_of
from tests.builders_alpaca_market import World, market_of
from tests.builders_http import Answer, serving

TODAY = NOW.date()


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
