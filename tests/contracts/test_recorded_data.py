"""The recorded market answers as the recorded rows say, at their time and never before it."""

import statistics
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.recorded.recording import open_recording
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.market import Interval
from ops_pipeline.domain.units import Occ

FIRST, LAST = date(2026, 7, 22), date(2026, 7, 24)
NAMES = ("AAPL", "META", "SPY", "MOD")
# Median distance of our readings from a vendor's IV30, in volatility points; few readings, wider.
VENDOR_WITHIN = {
    "AAPL": 0.3,
    "AMZN": 0.5,
    "META": 0.4,
    "MSFT": 0.4,
    "NVDA": 0.4,
    "QQQ": 0.4,
    "SPY": 0.3,
    "TSLA": 0.4,
}


def opened(folders, names, first, last):
    return open_recording(folders, calendar=exchange_calendar(), symbols=names, first=first, last=last)


def instants_of(recording, start):
    found, now = [], start
    while (now := recording.next_instant(now)) is not None:
        found.append(now)
    return found


@pytest.fixture(scope="module")
def recording(shared_data):
    return opened([shared_data], NAMES, FIRST, LAST)


@pytest.fixture(scope="module")
def instants(recording):
    return instants_of(recording, datetime(2026, 7, 22, tzinfo=UTC))


@pytest.fixture(scope="module")
def five_minutes(shared_data):
    day = date(2020, 12, 17)
    return opened([shared_data / "options_5min_2020-12-17"], ("AAPL", "FB"), day, day)


@pytest.fixture(scope="module")
def year_2014(shared_data):
    return opened([shared_data / "lean_2014_2015"], ("AAPL", "TWX"), date(2014, 6, 5), date(2014, 6, 9))


def test_three_rounds_a_session_are_seven_instants_where_one_day_has_the_close_alone(recording, instants):
    assert len(instants) == 7
    assert recording.coverage.chains == {"AAPL": 7, "META": 7, "SPY": 7, "MOD": 3}


@pytest.mark.parametrize("name", ["AAPL", "META", "SPY"])
def test_every_quote_of_a_snapshot_equals_its_row(recording, shared_data, instants, name):
    rows = pl.read_parquet(shared_data / "options_intraday_2026" / f"{name}.parquet")
    expiry = date(2026, 7, 31)
    for now in instants[:2]:
        chain = recording.chain(name, now=now, first=expiry, last=expiry, right=Right.PUT)
        asof = rows.filter(pl.col("asof") <= now)["asof"].max()
        written = rows.filter(pl.col("asof") == asof, pl.col("expiry") == expiry, pl.col("right") == "P")
        assert chain.spot == round(written["spot"][0] * 10_000)
        assert len(chain.quotes) == written.height > 20
        for row in written.iter_rows(named=True):
            quote = chain.quotes[Occ(f"{name}260731P{round(row['strike'] * 1000):08d}")]
            assert (quote.bid, quote.ask) == (round(row["bid"] * 10_000), round(row["ask"] * 10_000))
            assert (quote.volume, quote.open_interest) == (row["volume"], row["open_interest"])
            assert quote.iv == (row["iv"] or None)
            assert quote.at == asof


def test_nothing_is_seen_before_its_time(recording, instants):
    for now in instants:
        for name in NAMES:
            spot = recording.spot(name, now=now)
            assert spot is None or spot.at <= now
            days = recording.bars(name, interval=Interval.DAY, after=now - timedelta(days=9), now=now)
            assert all(bar.end_at <= now for bar in days)
            chain = recording.chain(name, now=now, first=FIRST, last=date(2026, 12, 31))
            if chain is not None:
                assert chain.at <= now
                assert all(quote.at <= quote.confirmed_at <= now for quote in chain.quotes.values())
        items = recording.fetch(since=now - timedelta(days=1), now=now)
        assert all(item.published_at <= now for item in items)
        before = recording.iv_history("AAPL", before=now.date(), limit=252)
        assert all(reading.session < now.date() for reading in before)


def test_an_end_of_day_file_that_repeats_yesterdays_chain_is_frozen_and_gives_way(recording, shared_data):
    # On 2026-07-23 the end-of-day file still holds the session before; the intraday close is live.
    close = datetime(2026, 7, 23, 20, 0, tzinfo=UTC)
    chain = recording.chain("SPY", now=close, first=LAST, last=date(2026, 8, 31))
    assert all(quote.at >= close - timedelta(seconds=1) for quote in chain.quotes.values())
    stale = recording.chain("MOD", now=close, first=LAST, last=date(2026, 8, 31))
    assert stale is None
    daily = pl.read_parquet(shared_data / "underlying" / "daily_2024-07_2026-08-07.parquet")
    row = daily.filter(pl.col("symbol") == "SPY", pl.col("session") == date(2026, 7, 23))
    assert chain.spot == round(row["close"][0] * 10_000)


def test_a_spot_known_not_to_belong_to_its_quotes_is_not_used_in_the_session(shared_data):
    day = date(2026, 7, 20)
    found = opened([shared_data / "options_intraday_2026", shared_data / "underlying"], ("META",), day, day)
    now = datetime(2026, 7, 20, 17, 5, 22, tzinfo=UTC)
    assert found.chain("META", now=now, first=day, last=date(2026, 12, 31)) is None
    assert found.coverage.without_spot == {"META": 1}


def test_our_iv_readings_lie_near_a_vendors(shared_data):
    day = date(2026, 7, 27)
    found = opened([shared_data / "options_eod_nobidask_2026"], tuple(VENDOR_WITHIN), day, day)
    table = pl.read_parquet(shared_data / "iv_history" / "iv30_ivrank_optioncharts_2026.parquet")
    vendor = {(row[0], row[1]): row[2] for row in table.select("symbol", "date", "iv30").iter_rows()}
    for name, bound in VENDOR_WITHIN.items():
        readings = found.iv_history(name, before=day, limit=252)
        gaps = [
            abs(reading.iv * 100 - vendor[name, reading.session])
            for reading in readings
            if (name, reading.session) in vendor
        ]
        assert len(gaps) >= 30
        assert statistics.median(gaps) < bound


def test_a_frozen_name_never_looks_fresh_and_a_live_one_does(five_minutes):
    assert five_minutes.coverage.chains == {"AAPL": 75, "FB": 75}
    assert five_minutes.coverage.frozen["FB"] == 75
    now = datetime(2020, 12, 17, 17, 0, tzinfo=UTC)
    quotes = five_minutes.quotes([Occ("FB201218C00230000"), Occ("AAPL201218C00125000")], now=now)
    assert quotes[Occ("FB201218C00230000")].at.date() == date(2020, 12, 11)
    assert quotes[Occ("AAPL201218C00125000")].at == now


def test_a_capture_before_the_open_is_left_out_and_the_next_ones_are_read(shared_data):
    found = opened([shared_data / "options_yahoo_2025"], ("NVDA",), date(2025, 11, 25), date(2025, 11, 25))
    assert found.coverage.refused_rows["outside its session"] > 500
    now = found.next_instant(datetime(2025, 11, 25, 14, 30, tzinfo=UTC))
    assert now > datetime(2025, 11, 25, 15, 0, tzinfo=UTC)
    rows = pl.read_parquet(shared_data / "options_yahoo_2025" / "chains.parquet")
    near = rows.filter(pl.col("underlying") == "NVDA", pl.col("enrich_captured") > now)
    # The share stood within 3 % of where it stood when the rows were enriched, half an hour later.
    enriched = near.sort("enrich_captured")["spot_at_enrich"][0]
    assert found.spot("NVDA", now=now).price / 10_000 == pytest.approx(enriched, rel=0.03)


def test_minute_quotes_of_2014_stand_at_the_end_of_their_minute(year_2014):
    now = datetime(2014, 6, 5, 13, 31, tzinfo=UTC)
    chain = year_2014.chain("TWX", now=now, first=now.date(), last=date(2016, 12, 31))
    # 34200000,1900,4900,1900,4900,44,9200,22700,9200,9400,49 of the call at 100.
    quote = chain.quotes[Occ("TWX160115C00100000")]
    assert (quote.bid, quote.bid_size, quote.ask, quote.ask_size) == (4_900, 44, 9_400, 49)
    assert (quote.at, quote.confirmed_at, quote.open_interest) == (now, now, 21)


def test_hourly_quotes_and_minute_bars_of_2014_serve_one_name(year_2014):
    # AAPL 1000 call of 2015-01-17: hour from 09:00 New York ended 1.49 at 1.68; 9,325 open.
    now = datetime(2014, 6, 6, 14, 0, tzinfo=UTC)
    occ = Occ("AAPL150116C01000000")
    quote = year_2014.quotes([occ], now=now)[occ]
    assert (quote.bid, quote.ask, quote.open_interest) == (14_900, 16_800, 9_325)
    bars = year_2014.bars("AAPL", interval=Interval.MINUTE, after=now - timedelta(minutes=30), now=now)
    assert [bar.end_at for bar in bars] == [now - timedelta(minutes=k) for k in range(29, -1, -1)]
    posts = year_2014.fetch(since=now - timedelta(days=1), now=now)
    assert posts
    assert all(item.tickers == ("AAPL",) and item.published_at <= now for item in posts)


def test_european_index_chains_are_set_apart_and_not_traded(shared_data):
    found = opened([shared_data / "options_eod_spx_2019"], None, date(2019, 5, 1), date(2019, 5, 3))
    assert (found.symbols, found.coverage.not_traded) == ((), ("chains.parquet",))
