"""Builders of simulated worlds over a small hand-made calendar. Pure."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache

from ops_pipeline.adapters.calendar.sessions import SessionCalendar
from ops_pipeline.adapters.simulator.names import DEFAULT_NAMES
from ops_pipeline.adapters.simulator.world import World
from ops_pipeline.adapters.simulator.world_rules import WorldRules
from ops_pipeline.domain.market import Session

FIRST = date(2026, 3, 2)
HALF_DAY = date(2026, 3, 11)
# Good Friday and two more Mondays without a session.
HOLIDAYS = (date(2026, 4, 3), date(2026, 5, 25), date(2026, 9, 7))
FAULTS = (
    "wide_rate",
    "stale_rate",
    "one_sided_rate",
    "crossed_rate",
    "impossible_rate",
    "outage",
    "missing_greeks_rate",
)


@cache
def calendar() -> SessionCalendar:
    """Weekdays of 2024-06 to 2027-12, 14:30 to 21:00 UTC, with three holidays and one half day."""
    first, last = date(2024, 6, 3), date(2027, 12, 31)
    sessions = []
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        if day.weekday() < 5 and day not in HOLIDAYS:
            open_at = datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC)
            minutes = 210 if day == HALF_DAY else 390
            close_at = open_at + timedelta(minutes=minutes)
            sessions.append(Session(date=day, open_at=open_at, close_at=close_at))
    return SessionCalendar(sessions, first=first, last=last)


def session(offset: int) -> Session:
    """The session `offset` sessions after the world's first one (negative: before)."""
    known = calendar().between(date(2024, 6, 3), date(2027, 6, 30))
    place = next(index for index, found in enumerate(known) if found.date == FIRST)
    return known[place + offset]


def at(offset: int, minute: float) -> datetime:
    """An instant `minute` minutes after the open of session `offset`."""
    return session(offset).open_at + timedelta(minutes=minute)


def world(*tickers: str, seed: int = 7, **changes) -> World:
    """A world of the named companies (all by default), with other rules where given."""
    names = tuple(name for name in DEFAULT_NAMES if not tickers or name.ticker in tickers)
    return World(WorldRules(seed=seed, first_session=FIRST, names=names, **changes), calendar())


def world_of(*names, seed: int = 7) -> World:
    """A world of the given companies alone."""
    return World(WorldRules(seed=seed, first_session=FIRST, names=names), calendar())


def company(ticker: str, **changes):
    """A default company, changed."""
    return replace(next(name for name in DEFAULT_NAMES if name.ticker == ticker), **changes)


def without_faults(*tickers: str, **changes) -> World:
    """A world whose quotes are never spoiled and never missing."""
    clean = dict.fromkeys(FAULTS, 0.0)
    return world(*tickers, **{**clean, "no_bid_tickers": (), **changes})
