"""Query parameters and body fields, read or refused in words. Pure."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, DecimalException

from ops_pipeline.adapters.calendar.closures import FIRST_DAY
from ops_pipeline.adapters.calendar.sessions import NEW_YORK
from ops_pipeline.domain.units import Usd4, to_usd4
from ops_pipeline.simserver.calls import INVALID_REQUEST, ApiError

Query = Mapping[str, str]

# Outside of these nothing ever happened here, so that an earlier or later bound means the same.
FIRST_SERVED, LAST_SERVED = FIRST_DAY + timedelta(days=14), date(2029, 12, 31)
_DATE_CHARACTERS = len("2026-01-05")


def refused(name: str, expected: str, found: object) -> ApiError:
    """Give the 400 of a parameter that cannot be read."""
    return ApiError(INVALID_REQUEST, f"invalid {name}: expected {expected}, was {found!r}")


def count_of(query: Query, name: str, *, default: int, most: int) -> int:
    """Read a number of items in [1, most]."""
    found = query.get(name) or str(default)
    if not found.isascii() or not found.isdecimal() or not 1 <= int(found) <= most:
        raise refused(name, f"a whole number from 1 to {most}", found)
    return int(found)


def choice_of(query: Query, name: str, options: Sequence[str], *, default: str) -> str:
    """Read one of a few words."""
    found = query.get(name) or default
    if found not in options:
        raise refused(name, f"one of {', '.join(options)}", found)
    return found


def flag_of(query: Query, name: str) -> bool:
    """Read a flag; absent is no."""
    return (
        choice_of({name: (query.get(name) or "").lower()}, name, ("true", "false"), default="false") == "true"
    )


def words_of(query: Query, name: str) -> tuple[str, ...]:
    """Read a comma-separated list; absent is empty."""
    return tuple(word.strip() for word in (query.get(name) or "").split(",") if word.strip())


def instant_of(query: Query, name: str) -> datetime | None:
    """Read an RFC 3339 instant, or a date: its midnight in New York. Held within the calendar's years."""
    found = query.get(name)
    if not found:
        return None
    day = day_of(query, name)
    assert day is not None
    if len(found) == _DATE_CHARACTERS or not FIRST_SERVED < day < LAST_SERVED:
        return datetime.combine(day, time(), tzinfo=NEW_YORK).astimezone(UTC)
    try:
        # A plus sign that was not escaped comes as a space.
        clock = found[_DATE_CHARACTERS + 1 :].replace(" ", "+")
        read = datetime.fromisoformat(f"{found[:_DATE_CHARACTERS]}T{clock}")
    except ValueError:
        raise refused(name, "a date or an RFC 3339 time", found) from None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def day_of(query: Query, name: str) -> date | None:
    """Read a date, or the date of an instant, held within the calendar's years."""
    found = query.get(name)
    if not found:
        return None
    try:
        read = date.fromisoformat(found[:_DATE_CHARACTERS])
    except ValueError:
        raise refused(name, "a date (YYYY-MM-DD)", found) from None
    return min(max(read, FIRST_SERVED), LAST_SERVED)


def price_of(query: Query, name: str) -> Usd4 | None:
    """Read an amount in dollars."""
    found = query.get(name)
    if not found:
        return None
    try:
        return to_usd4(found)
    except ValueError:
        raise refused(name, "a number of dollars", found) from None


def decimal_of(value: object) -> Decimal | None:
    """Read a number as JSON may spell it, a text included; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        read = Decimal(str(value))
    except DecimalException:
        return None
    return read if read.is_finite() else None


def token(place: str) -> str:
    """Give the page token that goes on after `place`."""
    return base64.urlsafe_b64encode(place.encode()).decode()


def place_of(query: Query) -> str:
    """Give the place a page token goes on after; nothing without one."""
    found = query.get("page_token")
    if not found:
        return ""
    try:
        return base64.urlsafe_b64decode(found.encode()).decode()
    except (binascii.Error, ValueError):
        raise refused("page_token", "one that an answer gave", found) from None
