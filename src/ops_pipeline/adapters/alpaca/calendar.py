"""The venue's own sessions and clock, and where its calendar differs from ours. Shell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

from ops_pipeline.adapters.alpaca import wire
from ops_pipeline.adapters.alpaca.client import AlpacaClient
from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.adapters.alpaca.instants import instant, on_day
from ops_pipeline.adapters.alpaca.reading import fetch
from ops_pipeline.domain.market import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueClock:
    """The venue's present, and its next open and close."""

    at: datetime
    is_open: bool
    next_open: datetime
    next_close: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """A day on which the two calendars differ; None: no session."""

    day: date
    ours: Session | None
    theirs: Session | None


def read_clock(client: AlpacaClient) -> VenueClock:
    """Ask the venue for its clock."""
    row = fetch(client, "/v2/clock", wire.Clock)
    return VenueClock(
        at=instant(row.timestamp, where="clock timestamp"),
        is_open=row.is_open,
        next_open=instant(row.next_open, where="clock next_open"),
        next_close=instant(row.next_close, where="clock next_close"),
    )


def read_sessions(client: AlpacaClient, first: date, last: date) -> tuple[Session, ...]:
    """Ask the venue for its sessions in [first, last], oldest first."""
    params = {"start": first.isoformat(), "end": last.isoformat()}
    rows = fetch(client, "/v2/calendar", list[wire.CalendarDay], params)
    found = [session_of(row) for row in rows if first <= row.date <= last]
    return tuple(sorted(found, key=lambda session: session.date))


def session_of(row: wire.CalendarDay) -> Session:
    """Read a day of the calendar, whose times are New York's."""
    opened, closed = (_instant(row.date, text) for text in (row.open, row.close))
    if opened >= closed:
        raise WireError(f"calendar {row.date}: expected open < close, was {row.open} to {row.close}")
    return Session(date=row.date, open_at=opened, close_at=closed)


def disagreements(ours: Sequence[Session], theirs: Sequence[Session]) -> tuple[Disagreement, ...]:
    """Give the days on which two calendars of the same period differ, oldest first."""
    mine = {session.date: session for session in ours}
    yours = {session.date: session for session in theirs}
    return tuple(
        Disagreement(day=day, ours=mine.get(day), theirs=yours.get(day))
        for day in sorted(mine.keys() | yours.keys())
        if mine.get(day) != yours.get(day)
    )


def _instant(day: date, text: str) -> datetime:
    try:
        wall = time.fromisoformat(text)
    except ValueError:
        raise WireError(f"calendar {day}: expected a time HH:MM, was {text!r}") from None
    return on_day(day, wall, where="calendar")
