"""IV rank, ATR and feature rows (RULEBOOK 5 and 9, LESSONS 8.1)."""

import math
import statistics
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
import talib

from ops_pipeline.domain.features import IvStatus
from ops_pipeline.domain.market import Bar, Interval
from ops_pipeline.stages.feature_computer.features import (
    DayContext,
    calculate_atr,
    calculate_daily_features,
    calculate_iv_rank,
    calculate_minute_features,
    iv_rank_of,
)
from ops_pipeline.stages.feature_computer.news_score import NO_NEWS, read_news
from tests.builders_signals import DAY, DAY_BEFORE, SESSION, classification, daily_bars, minute_bars

NOW = SESSION.open_at + timedelta(minutes=100)


def wave(count: int) -> list[float]:
    """A path on the cent grid that rises, falls and never repeats a step for long."""
    return [round(600 + 3 * math.sin(k / 7) + 0.05 * k + 0.11 * (k * k % 5), 2) for k in range(count)]


def minute_row(bars: list[Bar], **changes):
    arguments = {"session": SESSION, "day": DAY, "news": NO_NEWS, "now": bars[-1].end_at, "chop_bars": 20}
    return calculate_minute_features(bars, **(arguments | changes))


def daily_row(bars: list[Bar], *, price: float, **changes):
    arguments = {
        "price": round(price * 10_000),
        "session": SESSION,
        "previous": DAY_BEFORE.date,
        "day": DAY,
        "news": NO_NEWS,
        "now": NOW,
        "chop_bars": 5,
    }
    return calculate_daily_features(bars, **(arguments | changes))


@pytest.mark.parametrize(
    ("current", "low", "high", "rank"),
    [(0.45, 0.20, 0.60, 0.625), (0.80, 0.30, 0.90, 0.8333), (0.35, 0.20, 0.65, 0.3333)],
)
def test_iv_rank_golden_values(current, low, high, rank):
    history = [low, high] * 15
    assert calculate_iv_rank(current, history) == pytest.approx(rank, abs=5e-5)
    assert iv_rank_of(current, history).status is IvStatus.OK


def test_feature_13_history_grows_on_day_one_and_the_rank_says_what_it_rests_on():
    history: list[float] = []
    for day in range(30):
        found = iv_rank_of(0.30, history)
        assert (found.rank, found.status, found.readings) == (0.5, IvStatus.INSUFFICIENT, day)
        history.append(0.20 + 0.01 * day)
    found = iv_rank_of(0.30, history)
    assert (found.status, found.readings) == (IvStatus.OK, 30)
    assert found.rank == pytest.approx(10 / 29)


def test_a_flat_year_is_neutral_and_says_so():
    found = iv_rank_of(0.30, [0.25] * 40)
    assert (found.rank, found.status) == (0.5, IvStatus.FLAT)


def test_a_missing_iv_is_never_taken_for_zero():
    for current in (None, 0.0, math.nan):
        found = iv_rank_of(current, [0.2, 0.4] * 20)
        assert (found.iv, found.rank, found.percentile, found.status) == (None, 0.5, None, IvStatus.MISSING)


def test_an_iv_outside_its_year_is_clamped():
    assert calculate_iv_rank(0.95, [0.2, 0.6] * 20) == 1.0
    assert calculate_iv_rank(0.10, [0.2, 0.6] * 20) == 0.0


def test_only_the_newest_252_readings_count():
    assert calculate_iv_rank(0.4, [5.0] * 10 + [0.2, 0.6] * 126) == pytest.approx(0.5)
    assert iv_rank_of(0.4, [5.0] * 10 + [0.2, 0.6] * 126).readings == 252


def test_the_percentile_is_another_number_than_the_rank():
    found = iv_rank_of(0.30, [0.20] * 30 + [0.60] * 10)
    assert found.rank == pytest.approx(0.25)
    assert found.percentile == pytest.approx(0.75)


def test_an_impossible_reading_in_the_history_is_refused():
    with pytest.raises(ValueError, match="expected readings > 0"):
        iv_rank_of(0.3, [0.2, 0.0, 0.4])


@pytest.mark.parametrize(
    ("symbol", "low", "high"),
    [("AAPL", 0.172, 0.334), ("NVDA", 0.315, 0.552), ("SPY", 0.111, 0.268), ("AMZN", 0.232, 0.500)],
)
def test_iv_rank_equals_a_vendors_published_ranks(shared_data, symbol, low, high):
    # The range of the vendor's year, to 0.1 vol points, did not move from June 2026 on.
    table = pl.read_parquet(shared_data / "iv_history" / "iv30_ivrank_optioncharts_2026.parquet")
    rows = table.filter((pl.col("symbol") == symbol) & (pl.col("date") >= date(2026, 6, 1)))
    published = rows.select("iv30", "iv_rank_vendor").rows()
    assert len(published) > 35
    for iv, rank in published:
        assert calculate_iv_rank(iv / 100, [low, high] * 15) == pytest.approx(rank / 100, abs=0.003)


def test_wilders_atr_equals_ta_lib():
    bars = daily_bars(wave(120))
    bars = [replace(bar, high=bar.high + 731 * k % 9_000) for k, bar in enumerate(bars)]
    columns = [
        np.array([getattr(bar, name) for bar in bars], dtype=float) for name in ("high", "low", "close")
    ]
    expected = talib.ATR(*columns, timeperiod=14)
    for end in (15, 16, 60, 120):
        assert calculate_atr(bars[:end]) == pytest.approx(expected[end - 1], rel=1e-12)
    assert calculate_atr(bars[:14]) is None


def test_atr_counts_gaps_between_sessions():
    # Ranges of 0.04 and closes 1.00 apart: every true range is 1.02.
    assert calculate_atr(daily_bars([600 + k for k in range(15)])) == pytest.approx(10_200)


def test_minute_features_by_their_definitions():
    closes = wave(120)
    row = minute_row(minute_bars(closes))
    usd4 = np.array([c * 10_000 for c in closes])
    sma20, sma50 = talib.SMA(usd4, 20), talib.SMA(usd4, 50)
    returns = [math.log(b / a) for a, b in pairwise(closes)]
    sigma = statistics.stdev(returns[-20:])
    assert row.close == round(usd4[-1])
    assert row.sma20 == pytest.approx(sma20[-1])
    assert row.sma50 == pytest.approx(sma50[-1])
    assert row.slope == pytest.approx(sma20[-1] - sma20[-2], abs=1e-6)
    assert row.distance == pytest.approx(usd4[-1] - sma20[-1], abs=1e-6)
    assert row.sma20_change == pytest.approx(sma20[-1] - sma20[-21], abs=1e-6)
    assert row.return_5 == pytest.approx(closes[-1] / closes[-6] - 1, abs=1e-9)
    assert row.return_15 == pytest.approx(closes[-1] / closes[-16] - 1, abs=1e-9)
    assert row.sigma == pytest.approx(sigma, abs=1e-9)
    assert row.volatility_ratio == pytest.approx(sigma / statistics.stdev(returns[-80:-20]), abs=1e-8)
    # Equal volumes and symmetric bars: the session's VWAP is the mean close.
    assert row.vwap_distance == pytest.approx(usd4[-1] - usd4.mean(), abs=1e-6)
    assert (row.volume_ratio, row.atr, row.return_since_close) == (1.0, 50_000.0, None)
    assert (row.iv, row.iv_rank, row.news_score) == (0.45, 0.625, None)
    assert row.bar_at == row.as_of == SESSION.open_at + timedelta(minutes=120)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("return_5", 6),
        ("return_15", 16),
        ("sma20", 20),
        ("slope", 21),
        ("sigma", 21),
        ("sma20_change", 40),
        ("sma50", 50),
        ("volatility_ratio", 81),
    ],
)
def test_minute_windows_fill_within_the_session_and_are_missing_before(name, first):
    yesterday = minute_bars(wave(390), session=DAY_BEFORE)
    today = minute_bars(wave(first))
    assert getattr(minute_row(yesterday + today[:-1]), name) is None
    assert getattr(minute_row(yesterday + today), name) is not None


def test_the_volume_ratio_looks_across_the_open_and_leaves_its_own_bar_out_of_the_mean():
    yesterday = minute_bars(wave(30), [5_000] * 10 + [1_000] * 20, session=DAY_BEFORE)
    assert minute_row(yesterday + minute_bars([600.0], [2_500])).volume_ratio == 2.5
    assert minute_row(yesterday[-19:] + minute_bars([600.0], [2_500])).volume_ratio is None


def test_an_unknown_volume_leaves_ratio_and_vwap_unknown():
    row = minute_row(minute_bars(wave(30), [1_000] * 25 + [None] + [1_000] * 4))
    assert (row.volume_ratio, row.vwap_distance) == (None, None)


def test_no_trade_in_twenty_bars_leaves_the_ratio_unknown():
    assert minute_row(minute_bars(wave(21), [0] * 20 + [500])).volume_ratio is None


def test_the_vwap_is_unknown_where_the_sessions_first_minutes_are_not_at_hand():
    assert minute_row(minute_bars(wave(60))[10:]).vwap_distance is None


def test_a_quiet_tape_has_no_volatility_ratio():
    assert minute_row(minute_bars([600.0] * 61 + wave(20))).volatility_ratio is None


def test_no_row_before_the_sessions_first_bar():
    yesterday = minute_bars(wave(30), session=DAY_BEFORE)
    assert minute_row(yesterday, now=SESSION.open_at) is None
    assert (
        calculate_minute_features([], session=SESSION, day=DAY, news=NO_NEWS, now=NOW, chop_bars=20) is None
    )


def test_a_bar_from_the_future_is_refused():
    bars = minute_bars(wave(30))
    with pytest.raises(ValueError, match="expected bars that ended by"):
        minute_row(bars, now=bars[-2].end_at)


def test_the_forming_day_enters_trend_and_return_but_not_volatility_and_volume():
    closes = wave(90)
    row = daily_row(daily_bars(closes), price=612.34)
    priced = [*closes, 612.34]
    assert row.close == 6_123_400
    assert row.sma20 == pytest.approx(10_000 * statistics.fmean(priced[-20:]))
    assert row.sma50 == pytest.approx(10_000 * statistics.fmean(priced[-50:]))
    assert row.slope == pytest.approx(row.sma20 - 10_000 * statistics.fmean(closes[-20:]), abs=1e-6)
    change = row.sma20 - 10_000 * statistics.fmean(priced[-25:-5])
    assert row.sma20_change == pytest.approx(change, abs=1e-6)
    assert row.return_since_close == pytest.approx(612.34 / closes[-1] - 1, abs=1e-9)
    returns = [math.log(b / a) for a, b in pairwise(closes)]
    assert row.sigma == pytest.approx(statistics.stdev(returns[-20:]), abs=1e-9)
    assert row.return_5 == pytest.approx(closes[-1] / closes[-6] - 1, abs=1e-9)
    assert (row.volume_ratio, row.vwap_distance) == (1.0, None)
    assert (row.bar_at, row.interval) == (SESSION.close_at, Interval.DAY)


def test_a_daily_history_that_misses_the_last_session_gives_no_features():
    row = daily_row(daily_bars(wave(90))[:-1], price=612.34)
    assert (row.sma20, row.return_since_close, row.sigma, row.volume_ratio) == (None, None, None, None)


def test_the_sessions_own_daily_bar_may_not_be_used_before_it_is_complete():
    with pytest.raises(ValueError, match="expected bars before 2026-01-09"):
        daily_row(daily_bars(wave(90), last=SESSION), price=612.34, now=SESSION.close_at)


def test_a_missing_iv_stays_missing_in_the_row():
    row = minute_row(minute_bars(wave(30)), day=DayContext(atr=None, iv=iv_rank_of(None, [])))
    assert (row.iv, row.iv_rank, row.iv_status, row.atr) == (None, None, IvStatus.MISSING, None)


def test_the_hash_changes_with_any_input_and_with_nothing_else():
    bars = minute_bars(wave(100))
    first = minute_row(bars)
    assert minute_row(bars, now=bars[-1].end_at + timedelta(seconds=5)).inputs_hash == first.inputs_hash
    news = read_news([classification(0.5)], now=NOW, half_life_s=1_800)
    others = (
        minute_row([*bars[:-1], replace(bars[-1], volume=1_001)]),
        minute_row([*bars[:50], replace(bars[50], close=bars[50].close + 100), *bars[51:]]),
        minute_row(bars, news=news),
        minute_row(bars, day=replace(DAY, atr=50_001.0)),
    )
    assert len({first.inputs_hash, *(row.inputs_hash for row in others)}) == 5


def test_news_fades_by_half_each_half_life():
    # Weights 1 and 1/2: (0.8 - 0.2) / 1.5 = 0.4.
    items = [classification(0.8), classification(-0.4, age_s=1_800)]
    reading = read_news(items, now=NOW, half_life_s=1_800)
    assert reading.score == pytest.approx(0.4)
    assert reading.count == 2


def test_one_faint_item_is_not_blown_up():
    # Weight 0.25 under the floor of 1: 0.25 * 0.8 = 0.2, not 0.8.
    reading = read_news([classification(0.8, relevance=0.25)], now=NOW, half_life_s=1_800)
    assert reading.score == pytest.approx(0.2)


def test_repeats_old_and_future_items_carry_nothing():
    items = [
        classification(0.9, novelty=0.0),
        classification(0.9, age_s=6 * 1_800 + 1),
        classification(0.9, age_s=-1),
    ]
    assert read_news(items, now=NOW, half_life_s=1_800) == NO_NEWS
    half = [classification(0.9), classification(0.9, novelty=0.0)]
    assert read_news(half, now=NOW, half_life_s=1_800).novelty == 0.5
