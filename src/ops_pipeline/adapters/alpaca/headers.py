"""Numbers and instants as headers spell them; None for what cannot be read. Pure."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime


def whole(text: str | None) -> int | None:
    """Read a whole number."""
    try:
        return int(text) if text else None
    except ValueError:
        return None


def reset_at(text: str | None) -> datetime | None:
    """Read an instant in seconds since 1970."""
    seconds = whole(text)
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return None


def retry_after(text: str | None, now: datetime) -> datetime | None:
    """Read Retry-After: seconds, or a date."""
    seconds = whole(text)
    try:
        return date_of(text) if seconds is None else now + timedelta(seconds=seconds)
    except OverflowError:
        return None


def date_of(text: str | None) -> datetime | None:
    """Read a date of HTTP, which is of whole seconds."""
    try:
        return parsedate_to_datetime(text).astimezone(UTC) if text else None
    except (OverflowError, ValueError):
        return None
