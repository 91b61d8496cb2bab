"""Sessions of the New York exchange (RULEBOOK 1, RELIABILITY G21, LESSONS 8.6)."""

import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ops_pipeline.adapters.calendar.closures import FIRST_DAY, LAST_DAY
from ops_pipeline.adapters.calendar.exchange import exchange_calendar, library_sessions
from ops_pipeline.domain.errors import MissingDataError

pytestmark = pytest.mark.calendar

ROOT = Path(__file__).parents[2]
NEW_YORK = ZoneInfo("America/New_York")
# Trading days of the exchange, as published; 2025 lost one to a day of mourning.
SESSIONS = {
    2016: 252, 2017: 251, 2018: 251, 2019: 252, 2020: 253, 2021: 252, 2022: 251, 2023: 250, 2024: 252,
    2025: 250,
}  # fmt: skip
CALENDAR = exchange_calendar()


def test_every_session_of_2014_to_2030_equals_exchange_calendars():
    assert CALENDAR.between(FIRST_DAY, LAST_DAY) == library_sessions(FIRST_DAY, LAST_DAY)


def test_every_early_close_of_2016_to_2030_is_one_that_exchange_calendars_knows():
    def early(sessions):
        return {
            session.date for session in sessions if session.close_at - session.open_at < timedelta(hours=6)
        }

    first, last = date(2016, 1, 1), date(2030, 12, 31)
    ours = early(CALENDAR.between(first, last))
    assert ours == early(library_sessions(first, last))
    assert len(ours) >= 2 * 15 - 5


@pytest.mark.parametrize(("year", "sessions"), SESSIONS.items())
def test_every_past_year_has_as_many_sessions_as_were_traded(year, sessions):
    assert len(CALENDAR.between(date(year, 1, 1), date(year, 12, 31))) == sessions


@pytest.mark.parametrize("year", range(2016, 2031))
def test_the_clocks_change_after_the_second_sunday_of_march_and_the_first_of_november(year):
    def sunday(month, number):
        first = date(year, month, 1)
        return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (number - 1))

    sessions = CALENDAR.between(date(year, 1, 1), date(year, 12, 31))
    changes = [
        (one.date, later.date) for one, later in pairwise(sessions) if one.open_at.hour != later.open_at.hour
    ]
    assert [session.open_at.hour for session in (sessions[0], sessions[-1])] == [14, 14]
    assert len(changes) == 2
    for (before, after), change in zip(changes, (sunday(3, 2), sunday(11, 1)), strict=True):
        assert before < change < after
        assert after - before <= timedelta(days=4)


def test_no_line_of_the_package_makes_a_naive_time(tmp_path):
    def found(*arguments):
        lint = [sys.executable, "-m", "ruff", "check", "--select", "DTZ", "--ignore-noqa", "--no-cache"]
        done = subprocess.run(
            [*lint, "--output-format", "concise", *map(str, arguments)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        return [line for line in done.stdout.splitlines() if "DTZ" in line]

    planted = tmp_path / "naive.py"
    planted.write_text("from datetime import datetime\n\nNOON = datetime(2026, 3, 2, 12)\n")
    assert len(found(planted)) == 1
    # The one exception reads a day, and takes its date at once.
    assert [line.split(":")[0] for line in found("src")] == ["src/ops_pipeline/adapters/recorded/factors.py"]


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
