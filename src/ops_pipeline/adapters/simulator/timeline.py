"""Sessions numbered from the world's first one, and the 15-second step an instant falls on. Pure."""

from bisect import bisect_left, bisect_right
from datetime import date, datetime, timedelta
from typing import NamedTuple

from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.market import Session
from ops_pipeline.ports import Calendar

STEP_SECONDS = 15
STEPS_PER_MINUTE = 4
BURN_IN = 40


class Moment(NamedTuple):
    """The newest step at or before an instant: the session's index and steps since its open."""

    day: int
    step: int


class Timeline:
    """Numbers the calendar's sessions: 0 is the world's first, history is negative."""

    def __init__(self, calendar: Calendar, *, first_session: date, history: int) -> None:
        self._calendar = calendar
        days = history + BURN_IN
        sessions = calendar.between(first_session - timedelta(days=days * 3 // 2 + 30), first_session)
        if not sessions or sessions[-1].date != first_session:
            raise ConfigurationError(f"first_session: expected a trading session, was {first_session}")
        if len(sessions) <= days:
            raise ConfigurationError(
                f"calendar: expected {days} sessions before {first_session}, found {len(sessions) - 1}"
            )
        self._sessions = list(sessions[-days - 1 :])
        self._dates = [session.date for session in self._sessions]
        self._opens = [session.open_at for session in self._sessions]
        self.origin = -days
        self.history = history
        self._asked: datetime | None = None
        self._answer = Moment(self.origin, 0)

    def session(self, index: int) -> Session:
        """Give session `index`; before the origin raises IndexError."""
        place = index - self.origin
        if place < 0:
            raise IndexError(f"session index: expected at least {self.origin}, was {index}")
        while place >= len(self._sessions):
            self._extend()
        return self._sessions[place]

    def index_of(self, day: date) -> int:
        """Give the index of the first session on or after `day`."""
        while self._dates[-1] < day:
            self._extend()
        return bisect_left(self._dates, day) + self.origin

    def at(self, now: datetime) -> Moment:
        """Give the moment of `now`: after a close the session's last step, until the next open."""
        if now == self._asked:  # everything at one instant asks for the same
            return self._answer
        self._asked, self._answer = now, self._moment(now)
        return self._answer

    def _moment(self, now: datetime) -> Moment:
        while self._opens[-1] <= now:
            self._extend()
        place = max(bisect_right(self._opens, now) - 1, 0)
        session = self._sessions[place]
        elapsed = (min(now, session.close_at) - session.open_at).total_seconds()
        return Moment(place + self.origin, max(0, int(elapsed) // STEP_SECONDS))

    def instant(self, moment: Moment) -> datetime:
        """Give the instant of a moment."""
        return self.session(moment.day).open_at + timedelta(seconds=STEP_SECONDS * moment.step)

    def minutes(self, index: int) -> int:
        """Count the minutes of a session: 390, or 210 on a half day."""
        session = self.session(index)
        return int((session.close_at - session.open_at).total_seconds()) // 60

    def _extend(self) -> None:
        last = self._dates[-1]
        more = self._calendar.between(last + timedelta(days=1), last + timedelta(days=45))
        if not more:
            raise ConfigurationError(f"calendar: expected sessions after {last}, found none")
        self._sessions.extend(more)
        self._dates.extend(session.date for session in more)
        self._opens.extend(session.open_at for session in more)
