"""Instants and days of the venue, each refused by name where it cannot be one of its own. Pure."""

from datetime import UTC, date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

from ops_pipeline.adapters.alpaca.errors import WireError

NEW_YORK: Final = ZoneInfo("America/New_York")
# No market of this program's was or will be open outside these years.
_YEARS: Final = range(1970, 2200)


def instant(at: datetime, *, where: str) -> datetime:
    """Take an instant over in UTC."""
    if at.year not in _YEARS:
        raise WireError(f"{where}: expected an instant of {_YEARS[0]} to {_YEARS[-1]}, was {at.isoformat()}")
    return at.astimezone(UTC)


def day_of(at: datetime, *, where: str) -> date:
    """Give the New York date of an instant."""
    return instant(at, where=where).astimezone(NEW_YORK).date()


def on_day(day: date, wall: time, *, where: str) -> datetime:
    """Give the instant of a New York wall time in UTC."""
    if day.year not in _YEARS:
        raise WireError(f"{where}: expected a day of {_YEARS[0]} to {_YEARS[-1]}, was {day}")
    return datetime.combine(day, wall, tzinfo=NEW_YORK).astimezone(UTC)
