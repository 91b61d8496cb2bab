"""Amounts, instants and rates as Alpaca spells them. Pure."""

from datetime import UTC, datetime
from decimal import Decimal

from ops_pipeline.domain.units import ONE_DOLLAR, Usd4, to_decimal


def text(amount: Usd4) -> str:
    """Write Usd4 as dollars without needless zeros: `121000`, `3.05`."""
    return plain(to_decimal(amount))


def plain(value: Decimal) -> str:
    """Write a decimal without an exponent or needless zeros."""
    return f"{value.normalize():f}" if value else "0"


def ratio(part: int, whole: int) -> str:
    """Write `part` over `whole` to eight places; 0 over nothing."""
    return plain(round(Decimal(part) / Decimal(whole), 8)) if whole else "0"


def number(amount: Usd4) -> float:
    """Express Usd4 as the number of dollars that market data carries."""
    return amount / ONE_DOLLAR


def stamp(at: datetime) -> str:
    """Write an instant in RFC 3339, UTC, to the microsecond where it has any."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def optional(at: datetime | None) -> str | None:
    """Write an instant, or nothing."""
    return None if at is None else stamp(at)
