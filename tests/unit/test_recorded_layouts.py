"""Recorded files are known by their columns; what they lack is missing and what is wrong is counted."""

import zipfile
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.recorded.recording import open_recording
from ops_pipeline.domain.errors import MissingDataError
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.market import Interval, QuoteRules, Trust, trust_of
from ops_pipeline.domain.units import Occ

SESSION = date(2026, 7, 16)
NEXT = date(2026, 7, 17)
EXPIRY = date(2026, 8, 21)
MORNING = datetime(2026, 7, 16, 14, 30, tzinfo=UTC)
CLOSE = datetime(2026, 7, 16, 20, 0, tzinfo=UTC)
CALL = Occ("ABC260821C00100000")
RULES = QuoteRules(
    confirmed_within_s=60, stamped_within_s=900, impossible_slack=500, wide_bp=2_000, wide_floor=1_000,
    allow_delayed=0, jump_bp=5_000, jump_agrees_bp=1_000, blind_stop_after_s=300, read_gap_s=10,
    sparse_after_s=300,
)  # fmt: skip


def chain_row(**changes):
    row = {
        "underlying": "ABC", "session": SESSION, "asof": MORNING, "captured": MORNING, "window": "morning",
        "spot": 101.0, "spot_synced": True, "expiry": EXPIRY, "right": "C", "strike": 100.0, "bid": 2.01,
        "ask": 2.05, "last": 2.03, "volume": 250, "open_interest": 900, "iv": 0.3, "commit": "x",
    }  # fmt: skip
    return row | changes


def daily_row(symbol="ABC", session=SESSION, close=99.5, **changes):
    row = {
        "symbol": symbol, "session": session, "open": close, "high": close + 1, "low": close - 1,
        "close": close, "adj_close": close, "volume": 1_000,
    }  # fmt: skip
    return row | changes


def write(folder, name, rows):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows).write_parquet(path)


def opened(*folders, symbols=None, first=SESSION, last=SESSION):
    return open_recording(folders, calendar=exchange_calendar(), symbols=symbols, first=first, last=last)


def quote_of(recording, occ, now):
    return recording.quotes([occ], now=now).get(occ)


def test_a_quote_carries_its_prices_times_and_counts_as_written(tmp_path):
    write(tmp_path, "some/where/a.parquet", [chain_row(), chain_row(right="P", bid=1.0, ask=1.1)])
    recording = opened(tmp_path)
    assert recording.next_instant(CLOSE - timedelta(days=1)) == MORNING
    chain = recording.chain("ABC", now=MORNING, first=SESSION, last=EXPIRY, right=Right.CALL)
    assert (chain.spot, list(chain.quotes)) == (1_010_000, [CALL])
    quote = chain.quotes[CALL]
    assert (quote.bid, quote.ask, quote.volume, quote.open_interest) == (20_100, 20_500, 250, 900)
    assert (quote.iv, quote.bid_size, quote.at, quote.confirmed_at) == (0.3, None, MORNING, MORNING)
    assert trust_of(quote, chain.contracts[CALL], spot=chain.spot, now=MORNING, rules=RULES) is Trust.FRESH


def test_what_is_missing_is_none_and_a_zero_bid_stays_a_zero_bid(tmp_path):
    write(tmp_path, "a.parquet", [chain_row(iv=0.0, volume=None, open_interest=None, bid=0.0, ask=None)])
    quote = quote_of(opened(tmp_path), CALL, MORNING)
    assert (quote.iv, quote.volume, quote.open_interest) == (None, None, None)
    assert (quote.bid, quote.ask) == (0, None)


def test_columns_that_are_not_there_are_missing_values(tmp_path):
    row = {key: value for key, value in chain_row().items() if key not in ("volume", "open_interest", "iv")}
    write(tmp_path, "a.parquet", [row])
    quote = quote_of(opened(tmp_path), CALL, MORNING)
    assert (quote.iv, quote.volume, quote.open_interest) == (None, None, None)
    assert quote.bid == 20_100


def test_bad_rows_are_counted_with_their_reason_and_the_rest_is_served(tmp_path):
    rows = [
        chain_row(),
        chain_row(strike=0.0),
        chain_row(strike=105.0, right="X"),
        chain_row(strike=110.0, expiry=SESSION - timedelta(days=1)),
        chain_row(strike=115.0, bid=-1.0),
        chain_row(strike=120.0, asof=MORNING - timedelta(hours=3)),
    ]
    write(tmp_path, "a.parquet", rows)
    recording = opened(tmp_path)
    assert recording.coverage.refused_rows == {
        "no strike": 1,
        "neither call nor put": 1,
        "expired or no expiry": 1,
        "a negative price": 1,
        "outside its session": 1,
    }
    chain = recording.chain("ABC", now=MORNING, first=SESSION, last=EXPIRY)
    assert list(chain.quotes) == [CALL]


def test_unknown_files_are_listed_and_a_broken_one_is_named(tmp_path):
    write(tmp_path, "a.parquet", [chain_row()])
    write(tmp_path, "odd.parquet", [{"colour": "red"}])
    assert opened(tmp_path).coverage.ignored_files == ("odd.parquet",)
    (tmp_path / "broken.parquet").write_bytes(b"not a table")
    with pytest.raises(MissingDataError, match=r"broken\.parquet"):
        opened(tmp_path)


def test_a_later_folder_adds_names_and_its_row_wins(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    write(one, "a.parquet", [chain_row()])
    write(two, "b.parquet", [chain_row(ask=2.5), chain_row(underlying="XYZ")])
    recording = opened(one, two)
    assert recording.symbols == ("ABC", "XYZ")
    assert quote_of(recording, CALL, MORNING).ask == 25_000
    assert quote_of(opened(two, one), CALL, MORNING).ask == 20_500


def test_only_the_asked_names_and_sessions_are_read(tmp_path):
    later = chain_row(session=NEXT, asof=MORNING + timedelta(days=1))
    write(tmp_path, "a.parquet", [chain_row(), chain_row(underlying="XYZ"), later])
    assert opened(tmp_path, symbols=("XYZ",)).coverage.chains == {"XYZ": 1}
    assert opened(tmp_path, last=NEXT).coverage.chains == {"ABC": 2, "XYZ": 1}


def test_names_captured_together_are_one_instant_and_keep_their_own_times(tmp_path):
    second = MORNING + timedelta(seconds=20)
    write(tmp_path, "a.parquet", [chain_row(), chain_row(underlying="XYZ", asof=second)])
    recording = opened(tmp_path)
    assert recording.next_instant(MORNING - timedelta(hours=1)) == second
    assert recording.next_instant(second) is None
    quote = quote_of(recording, CALL, second)
    assert (quote.at, quote.confirmed_at) == (MORNING, second)
    assert quote_of(recording, CALL, MORNING) is None


def test_at_the_close_the_daily_close_is_the_spot_and_without_one_there_is_none(tmp_path):
    closing = chain_row(asof=CLOSE - timedelta(seconds=1), spot=130.0, spot_synced=False)
    write(tmp_path / "chains", "a.parquet", [closing])
    write(
        tmp_path / "days",
        "b.parquet",
        [daily_row(), daily_row("^VIX", session=date(2026, 7, 15), close=17.0)],
    )
    at = CLOSE - timedelta(seconds=1)
    both = opened(tmp_path, symbols=("ABC",))
    assert both.spot("ABC", now=at).price == 995_000
    assert both.volatility_index(before=SESSION).value == 17.0
    assert opened(tmp_path / "chains").spot("ABC", now=at) is None
    assert opened(tmp_path / "chains").chain("ABC", now=at, first=SESSION, last=EXPIRY) is None


def test_a_chain_in_which_nothing_traded_today_is_not_fresh(tmp_path):
    def capture(traded):
        row = {
            key: value for key, value in chain_row().items() if key not in ("asof", "spot_synced", "window")
        }
        return row | {"quote_asof": MORNING, "symbol": "ABC260821C00100000", "last_trade": traded}

    days_ago = MORNING - timedelta(days=6)
    write(tmp_path / "frozen", "a.parquet", [capture(days_ago)])
    write(tmp_path / "live", "a.parquet", [capture(days_ago), capture(MORNING) | {"strike": 105.0}])
    frozen, live = opened(tmp_path / "frozen"), opened(tmp_path / "live")
    assert (frozen.coverage.frozen, live.coverage.frozen) == ({"ABC": 1}, {})
    assert quote_of(frozen, CALL, MORNING).at == days_ago
    assert frozen.spot("ABC", now=MORNING) is None
    assert quote_of(live, CALL, MORNING).at == MORNING


def test_captures_without_a_spot_take_it_from_parity(tmp_path):
    row = {key: value for key, value in chain_row().items() if key not in ("asof", "spot", "spot_synced")}
    row |= {"quote_asof": MORNING}
    puts = row | {"right": "put", "bid": 1.01, "ask": 1.05}
    write(tmp_path, "a.parquet", [row | {"right": "call"}, puts])
    # Call mid 2.03, put mid 1.03 at strike 100.
    assert opened(tmp_path).spot("ABC", now=MORNING).price == 1_010_000


def test_an_illiquid_contract_is_judged_by_the_volume_of_the_session_before_too(tmp_path):
    later = chain_row(session=NEXT, asof=MORNING + timedelta(days=1), volume=3)
    write(tmp_path, "a.parquet", [chain_row(volume=10), chain_row(asof=CLOSE, volume=400), later])
    recording = opened(tmp_path, last=NEXT)
    quote = quote_of(recording, CALL, MORNING + timedelta(days=1))
    assert (quote.volume, quote.previous_volume) == (3, 400)
    assert quote_of(recording, CALL, MORNING).previous_volume is None


def test_ticks_follow_from_the_prices_that_stand_in_the_data(tmp_path):
    write(tmp_path / "cents", "a.parquet", [chain_row()])
    write(tmp_path / "nickels", "a.parquet", [chain_row(bid=2.0, ask=2.05)])
    for folder, penny in (("cents", True), ("nickels", False)):
        chain = opened(tmp_path / folder).chain("ABC", now=MORNING, first=SESSION, last=EXPIRY)
        assert chain.contracts[CALL].penny is penny


def test_a_ticker_with_a_hyphen_keeps_its_name_and_its_quotes_are_found(tmp_path):
    write(tmp_path, "a.parquet", [chain_row(underlying="BRK-B")])
    recording = opened(tmp_path)
    chain = recording.chain("BRK-B", now=MORNING, first=SESSION, last=EXPIRY)
    assert list(chain.contracts) == ["BRKB260821C00100000"]
    assert quote_of(recording, Occ("BRKB260821C00100000"), MORNING).ask == 20_500


def test_one_article_under_two_tickers_is_one_item_seen_when_published(tmp_path):
    at = MORNING - timedelta(minutes=30)
    row = {
        "ticker": "ABC", "published_at": at, "headline": "ABC raises guidance", "summary": None,
        "source": "Wire", "first_seen": at + timedelta(hours=11), "uid": "u1",
    }  # fmt: skip
    midnight = row | {"published_at": datetime(2026, 7, 16, tzinfo=UTC), "uid": "u2", "headline": "Midnight"}
    write(
        tmp_path, "n.parquet", [row, row | {"ticker": "XYZ"}, midnight, row | {"headline": " ", "uid": "u3"}]
    )
    write(tmp_path, "a.parquet", [chain_row(), chain_row(underlying="XYZ")])
    recording = opened(tmp_path)
    items = recording.fetch(since=MORNING - timedelta(days=1), now=MORNING)
    assert [(item.headline, item.tickers) for item in items] == [
        ("Midnight", ("ABC",)),
        ("ABC raises guidance", ("ABC", "XYZ")),
    ]
    assert items[1].first_seen_at == items[1].published_at == at
    assert recording.fetch(since=MORNING - timedelta(days=1), now=at - timedelta(seconds=1)) == items[:1]


def test_minute_bars_are_instants_of_their_own_and_end_a_minute_after_they_start(tmp_path):
    start = datetime(2026, 7, 16, 13, 30, tzinfo=UTC)
    bar = {"open": 10.0, "high": 10.5, "low": 9.5, "close": 10.2, "volume": None}
    rows = [bar | {"symbol": "ABC", "ts": start + timedelta(minutes=k)} for k in range(3)]
    rows += [rows[0] | {"ts": start + timedelta(minutes=3), "low": 11.0}]
    write(tmp_path, "m.parquet", rows)
    recording = opened(tmp_path)
    assert recording.symbols == ("ABC",)
    now = recording.next_instant(start)
    assert now == start + timedelta(minutes=1)
    found = recording.bars("ABC", interval=Interval.MINUTE, after=start, now=now)
    assert [(one.end_at, one.close, one.volume) for one in found] == [(now, 102_000, None)]
    assert recording.spot("ABC", now=now).price == 102_000
    assert recording.coverage.refused_rows == {"a bar whose close or open lies outside its range": 1}


def test_iv_history_lies_before_the_period_and_is_interpolated_in_total_variance(tmp_path):
    day = date(2026, 7, 15)
    near, far = day + timedelta(days=20), day + timedelta(days=50)
    row = {"date": day, "symbol": "ABC", "underlying": 100.0, "strike": 100.0}
    rows = [
        row | {"expiry": near, "c_iv": 39.0, "p_iv": 41.0},
        row | {"expiry": far, "c_iv": 30.0, "p_iv": 30.0},
        row | {"expiry": near, "c_iv": 90.0, "p_iv": 90.0, "date": SESSION},
        row | {"expiry": far, "c_iv": 90.0, "p_iv": 90.0, "date": SESSION},
    ]
    write(tmp_path, "i.parquet", rows)
    write(tmp_path, "a.parquet", [chain_row()])
    (reading,) = opened(tmp_path).iv_history("ABC", before=NEXT, limit=252)
    # 0.16 x 20 = 3.2 and 0.09 x 50 = 4.5 variance days; a third of the way 3.6333; / 30, root.
    assert reading.iv == pytest.approx(0.348010, abs=1e-6)
    assert (reading.session, reading.source) == (day, "chains")


def test_the_rate_is_the_last_known_three_month_yield_compounded_continuously(tmp_path):
    row = {"family": "nominal", "date": "2026-07-15", "tenor": "y3m", "yield_pct": 4.0}
    later = row | {"date": "2026-07-17", "yield_pct": 9.0}
    write(tmp_path, "r.parquet", [row, row | {"tenor": "y30", "yield_pct": 5.0}, later])
    # 2 ln(1.02).
    assert opened(tmp_path).rate(SESSION) == pytest.approx(0.039605, abs=1e-6)


def lean_zip(folder, name, entries):
    with zipfile.ZipFile(folder / name, "w") as archive:
        for file, text in entries.items():
            archive.writestr(file, text)


def test_lean_zips_are_known_by_their_entries_and_quotes_stand_at_their_bars_end(tmp_path):
    lean_zip(
        tmp_path, "1.zip", {"20140606_abc_minute_trade.csv": "34200000,1000000,1010000,1000000,1005000,300\n"}
    )
    leg = "20140606_abc_minute_quote_american_call_1000000_20140719.csv"
    quote = "34200000,1900,4900,1900,4900,44,9200,22700,9200,9400,49\n34260000,,,,,0,9400,9400,9400,9500,5\n"
    lean_zip(tmp_path, "2.zip", {leg: quote})
    interest = {"20140606_abc_minute_openinterest_american_call_1000000_20140719.csv": "23520000,21\n"}
    lean_zip(tmp_path, "3.zip", interest)
    day = date(2014, 6, 6)
    recording = opened(tmp_path, first=day, last=day)
    first = datetime(2014, 6, 6, 13, 31, tzinfo=UTC)
    chain = recording.chain("ABC", now=first, first=day, last=date(2014, 12, 31))
    ((occ, found),) = chain.quotes.items()
    # A Saturday's expiration means Friday, the last session.
    assert occ == "ABC140718C00100000"
    assert (found.bid, found.bid_size, found.ask, found.ask_size) == (4_900, 44, 9_400, 49)
    assert (found.at, found.confirmed_at, found.open_interest, found.volume) == (first, first, 21, None)
    assert chain.spot == 1_005_000
    following = recording.next_instant(first)
    assert following == first + timedelta(minutes=1)
    assert quote_of(recording, occ, following).bid is None
