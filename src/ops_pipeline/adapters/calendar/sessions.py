"""A calendar over known sessions, looked up without any library. Shell."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from ops_pipeline.domain.errors import MissingDataError
from ops_pipeline.domain.market import Session

NEW_YORK = ZoneInfo("America/New_York")


class SessionCalendar:
    """Answers the Calendar port from `sessions`, which cover every day of [first, last].

    A question outside the coverage raises MissingDataError: silence would read as a holiday.
    """

    def __init__(self, sessions: Sequence[Session], *, first: date, last: date) -> None:
        _check_coverage(sessions, first, last)
        self._sessions = tuple(sessions)
        self._dates = [session.date for session in sessions]
        self._by_date = {session.date: session for session in sessions}
        self._first = first
        self._last = last

    def session_on(self, day: date) -> Session | None:
        """Give the session of a New York date; None on a day without one."""
        session = self._by_date.get(day)
        if session is None:
            self._require(day)
        return session

    def session_at(self, now: datetime) -> Session | None:
        """Give the session of the New York date of `now`, open or not; None without one."""
        if now.tzinfo is None:
            raise ValueError(f"instant: expected an aware UTC time, was naive {now.isoformat()}")
        return self.session_on(now.astimezone(NEW_YORK).date())

    def previous(self, day: date) -> Session:
        """Give the last session before `day`."""
        self._require(day)
        index = bisect_left(self._dates, day)
        if index == 0:
            raise MissingDataError(f"calendar: expected a session before {day}, was the first of {self}")
        return self._sessions[index - 1]

    def following(self, day: date) -> Session:
        """Give the first session after `day`."""
        self._require(day)
        index = bisect_right(self._dates, day)
        if index == len(self._dates):
            raise MissingDataError(f"calendar: expected a session after {day}, was the last of {self}")
        return self._sessions[index]

    def between(self, first: date, last: date) -> tuple[Session, ...]:
        """Give the sessions in [first, last], in order; none where last < first."""
        self._require(first)
        self._require(last)
        return self._sessions[bisect_left(self._dates, first) : bisect_right(self._dates, last)]

    def count(self, first: date, last: date) -> int:
        """Count sessions after `first` up to and including `last`; 0 where last <= first."""
        self._require(first)
        self._require(last)
        return max(0, bisect_right(self._dates, last) - bisect_right(self._dates, first))

    def __repr__(self) -> str:
        return f"calendar of {self._first} to {self._last}"

    def _require(self, day: date) -> None:
        if not self._first <= day <= self._last:
            raise MissingDataError(f"calendar: expected a day in {self._first}..{self._last}, was {day}")


def _check_coverage(sessions: Sequence[Session], first: date, last: date) -> None:
    dates = [session.date for session in sessions]
    if dates != sorted(set(dates)):
        raise ValueError("calendar: expected sessions in order, each once, was another order")
    if dates and not first <= dates[0] <= dates[-1] <= last:
        raise ValueError(f"calendar: expected sessions in {first}..{last}, was {dates[0]}..{dates[-1]}")
