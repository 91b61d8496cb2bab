"""Sessions of the New York exchange (RULEBOOK 1, RELIABILITY G21, LESSONS 8.6)."""

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ops_pipeline.adapters.calendar.closures import FIRST_DAY, LAST_DAY
from ops_pipeline.adapters.calendar.exchange import exchange_calendar, library_sessions
from ops_pipeline.domain.errors import MissingDataError

NEW_YORK = ZoneInfo("America/New_York")
CALENDAR = exchange_calendar()


@pytest.mark.calendar
def test_every_session_of_2014_to_2030_equals_exchange_calendars():
    assert CALENDAR.between(FIRST_DAY, LAST_DAY) == library_sessions(FIRST_DAY, LAST_DAY)


@pytest.mark.calendar
def test_sessions_of_2026_equal_the_published_hours(shared_data):
    published = json.loads((shared_data / "reference" / "xnys_calendar_2026.json").read_text())
    expected = {
        date.fromisoformat(row["tradingDate"]): (
            datetime.fromisoformat(row["regular"]["startUtc"]),
            datetime.fromisoformat(row["regular"]["endUtc"]),
        )
        for row in published["rows"]
        if row["regular"]
    }
    ours = CALENDAR.between(date(2026, 1, 1), date(2026, 12, 31))
    assert {session.date: (session.open_at, session.close_at) for session in ours} == expected


@pytest.mark.calendar
def test_every_open_is_half_past_nine_in_new_york_on_both_sides_of_daylight_saving():
    for session in CALENDAR.between(FIRST_DAY, LAST_DAY):
        local = session.open_at.astimezone(NEW_YORK)
        assert (local.hour, local.minute, local.date()) == (9, 30, session.date)


@pytest.mark.parametrize("day", [date(2026, 11, 27), date(2026, 12, 24), date(2028, 7, 3)])
def test_early_closes_end_at_one_in_new_york(day):
    session = CALENDAR.session_on(day)
    assert session.close_at.astimezone(NEW_YORK).hour == 13
    assert session.minutes_before_close(session.open_at) == 210


@pytest.mark.parametrize(
    "day",
    [
        date(2026, 2, 16),
        date(2026, 4, 3),
        date(2018, 12, 5),
        date(2025, 1, 9),
        date(2027, 6, 18),
        date(2026, 8, 8),
    ],
)
def test_holidays_days_of_mourning_and_weekends_have_no_session(day):
    assert CALENDAR.session_on(day) is None


def test_the_open_moves_by_an_hour_in_utc_when_the_clocks_change():
    assert CALENDAR.session_on(date(2026, 3, 6)).open_at == datetime(2026, 3, 6, 14, 30, tzinfo=UTC)
    assert CALENDAR.session_on(date(2026, 3, 9)).open_at == datetime(2026, 3, 9, 13, 30, tzinfo=UTC)


def test_an_instant_belongs_to_its_new_york_date():
    # 02:00 UTC on Saturday is Friday evening in New York.
    evening = datetime(2026, 8, 8, 2, 0, tzinfo=UTC)
    assert CALENDAR.session_at(evening).date == date(2026, 8, 7)
    assert CALENDAR.session_at(evening + timedelta(hours=10)) is None


def test_previous_and_following_skip_a_long_weekend():
    assert CALENDAR.previous(date(2026, 2, 17)).date == date(2026, 2, 13)
    assert CALENDAR.following(date(2026, 2, 13)).date == date(2026, 2, 17)
    assert CALENDAR.following(date(2026, 2, 15)).date == date(2026, 2, 17)


def test_counting_leaves_the_first_day_out_and_the_last_in():
    assert CALENDAR.count(date(2026, 2, 13), date(2026, 2, 17)) == 1
    assert CALENDAR.count(date(2026, 2, 14), date(2026, 2, 20)) == 4
    assert CALENDAR.count(date(2026, 2, 17), date(2026, 2, 13)) == 0


def test_a_day_outside_the_table_is_an_error_and_not_a_holiday():
    with pytest.raises(MissingDataError, match=r"expected a day in 2014-01-01\.\.2030-12-31"):
        CALENDAR.session_on(date(2031, 1, 2))


def test_a_naive_instant_is_refused():
    with pytest.raises(ValueError, match="naive"):
        CALENDAR.session_at(datetime(2026, 8, 7, 15, 0))  # noqa: DTZ001 - the fault under test


def test_the_calendar_loads_without_pandas():
    code = (
        "import sys; from ops_pipeline.adapters.calendar.exchange import exchange_calendar; "
        "exchange_calendar(); sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
