"""A session's turnover, carried on bar by bar, is what all its bars together give."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from ops_pipeline.domain.market import Bar, Interval, Session
from ops_pipeline.stages.feature_computer.turnover import turnover_of

OPEN = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
SESSION = Session(date=date(2026, 3, 2), open_at=OPEN, close_at=OPEN + timedelta(minutes=390))


def bar(minute, price, volume, session=SESSION.date):
    return Bar(
        ticker="META",
        interval=Interval.MINUTE,
        session=session,
        end_at=OPEN + timedelta(minutes=minute),
        open=price,
        high=price + 200,
        low=price - 200,
        close=price,
        volume=volume,
    )


BARS = [bar(1, 1_000_000, 100), bar(2, 1_010_000, 300), bar(3, 1_020_000, 100)]


def test_the_mean_price_is_weighted_by_volume():
    # (100 x 100 + 101 x 300 + 102 x 100) / 500 = 101
    assert turnover_of(BARS, session=SESSION).vwap == pytest.approx(1_010_000)


def test_bars_added_one_by_one_give_the_same_as_all_at_once():
    first = turnover_of(BARS[:1], session=SESSION)
    assert first.with_bars(BARS[:2]).with_bars(BARS) == turnover_of(BARS, session=SESSION)
    assert first.with_bars(BARS[:1]) == first


def test_bars_that_begin_after_the_open_give_no_mean():
    assert turnover_of(BARS[1:], session=SESSION) is None
    yesterday = bar(-60, 900_000, 50, session=date(2026, 2, 27))
    assert turnover_of([yesterday, *BARS[1:]], session=SESSION) is not None
    assert turnover_of([yesterday], session=SESSION) is None
    assert turnover_of([], session=SESSION) is None


def test_an_unknown_or_no_volume_leaves_the_mean_unknown():
    unknown = [BARS[0], replace(BARS[1], volume=None), BARS[2]]
    assert turnover_of(unknown, session=SESSION).vwap is None
    assert turnover_of([replace(row, volume=0) for row in BARS], session=SESSION).vwap is None
