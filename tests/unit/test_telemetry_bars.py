"""Which bars are stored, and what is missing."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ops_pipeline.domain.market import Interval
from ops_pipeline.stages.telemetry.bars import (
    calculate_session_bar,
    is_stale,
    missing_minutes,
    missing_sessions,
    select_complete_bars,
)
from tests.builders_signals import DAY_BEFORE, SESSION, daily_bars, minute_bars

MINUTE = timedelta(minutes=1)


def test_a_forming_bar_waits_and_a_repeated_one_is_dropped():
    bars = minute_bars([600, 601, 602])
    kept, refused = select_complete_bars(
        [bars[1], bars[0], bars[0], bars[2]], session=SESSION, now=bars[1].end_at
    )
    assert kept == (bars[0], bars[1])
    assert refused == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"high": 5_000_000}, "expected low <= open, close <= high"),
        ({"low": 0}, "expected prices > 0"),
        ({"volume": -1}, "expected volume >= 0"),
        ({"session": DAY_BEFORE.date}, "expected session 2026-01-09"),
        ({"end_at": SESSION.open_at}, "expected an end in the session"),
    ],
)
def test_an_impossible_bar_is_refused_with_its_reason(changes, reason):
    bar = replace(minute_bars([600])[0], **changes)
    kept, (refused,) = select_complete_bars([bar], session=SESSION, now=SESSION.close_at)
    assert kept == ()
    assert reason in refused.reason


def test_minutes_add_up_to_the_session_bar_at_the_close():
    bars = minute_bars([600, 610, 590, 605], [100, 200, 300, 400])
    day = calculate_session_bar(bars, session=SESSION, now=SESSION.close_at)
    assert (day.open, day.high, day.low, day.close) == (6_000_000, 6_100_200, 5_899_800, 6_050_000)
    assert (day.volume, day.interval, day.end_at) == (1_000, Interval.DAY, SESSION.close_at)
    assert calculate_session_bar(bars, session=SESSION, now=SESSION.close_at - MINUTE) is None
    assert calculate_session_bar(bars, session=DAY_BEFORE, now=SESSION.close_at) is None


def test_one_unknown_volume_makes_the_sessions_volume_unknown():
    bars = minute_bars([600, 601], [100, None])
    assert calculate_session_bar(bars, session=SESSION, now=SESSION.close_at).volume is None


def test_gaps_are_named():
    bars = minute_bars([600, 601, 602, 603])
    del bars[1]
    now = SESSION.open_at + 5.5 * MINUTE
    assert missing_minutes(bars, session=SESSION, now=now) == (
        SESSION.open_at + 2 * MINUTE,
        SESSION.open_at + 5 * MINUTE,
    )
    assert missing_minutes([], session=SESSION, now=SESSION.open_at - MINUTE) == ()
    assert missing_sessions(daily_bars([1, 2]), [DAY_BEFORE, SESSION]) == (SESSION.date,)


def test_minute_bars_are_stale_after_two_intervals_within_the_session():
    now = SESSION.open_at + 10 * MINUTE

    def stale(last):
        return is_stale(last, interval=Interval.MINUTE, session=SESSION, now=now)

    assert not stale(now - 2 * MINUTE)
    assert stale(now - 3 * MINUTE)
    assert stale(None)
    assert not is_stale(None, interval=Interval.MINUTE, session=SESSION, now=SESSION.open_at + 2 * MINUTE)
    assert not is_stale(None, interval=Interval.MINUTE, session=SESSION, now=SESSION.open_at - MINUTE)


def test_daily_bars_are_stale_when_the_previous_session_is_missing():
    def stale(last):
        return is_stale(
            last, interval=Interval.DAY, session=SESSION, now=SESSION.open_at, previous=DAY_BEFORE
        )

    assert not stale(DAY_BEFORE.close_at)
    assert stale(DAY_BEFORE.close_at - timedelta(days=1))
    assert stale(None)
