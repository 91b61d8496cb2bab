"""The New York exchange's calendar: at once from the shipped table, or from exchange_calendars. Shell."""

import warnings
from datetime import UTC, date, datetime, time, timedelta
from functools import cache

from ops_pipeline.adapters.calendar.closures import FIRST_DAY, LAST_DAY, closed_weekdays, early_closes
from ops_pipeline.adapters.calendar.sessions import NEW_YORK, SessionCalendar
from ops_pipeline.domain.market import Session

_OPEN = time(9, 30)
_CLOSE = time(16, 0)
_EARLY_CLOSE = time(13, 0)
_SATURDAY = 5


@cache
def exchange_calendar() -> SessionCalendar:
    """Build the XNYS calendar of 2014 to 2030 from the shipped table, in milliseconds."""
    return SessionCalendar(tabulated_sessions(), first=FIRST_DAY, last=LAST_DAY)


def tabulated_sessions() -> tuple[Session, ...]:
    """Give the sessions of the shipped table, oldest first."""
    closed, early = closed_weekdays(), early_closes()
    days = (FIRST_DAY + timedelta(days=count) for count in range((LAST_DAY - FIRST_DAY).days + 1))
    return tuple(
        Session(
            date=day,
            open_at=_instant(day, _OPEN),
            close_at=_instant(day, _EARLY_CLOSE if day in early else _CLOSE),
        )
        for day in days
        if day.weekday() < _SATURDAY and day not in closed
    )


def library_sessions(first: date, last: date) -> tuple[Session, ...]:
    """Give the sessions in [first, last] as exchange_calendars knows them, oldest first.

    It loads pandas, which takes longer than most commands: it is what the table is checked against.
    """
    from exchange_calendars import get_calendar

    with warnings.catch_warnings():
        # The library still uses a spelling that newer pandas deprecates; the values are tested.
        warnings.simplefilter("ignore", DeprecationWarning)
        calendar = get_calendar("XNYS", start=first.isoformat(), end=last.isoformat())
    rows = calendar.schedule[["open", "close"]].itertuples()
    return tuple(
        Session(
            date=day.date(),
            open_at=opened.to_pydatetime().astimezone(UTC),
            close_at=closed.to_pydatetime().astimezone(UTC),
        )
        for day, opened, closed in rows
    )


def _instant(day: date, wall: time) -> datetime:
    return datetime.combine(day, wall, tzinfo=NEW_YORK).astimezone(UTC)
