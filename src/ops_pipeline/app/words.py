"""How rows spell amounts and instants: dollars as numbers, instants as ISO UTC. Pure."""

from datetime import UTC, datetime
from typing import Any

from ops_pipeline.domain.units import Usd4

Row = dict[str, Any]


def dollars(amount: Usd4 | float | None) -> float | None:
    """Give Usd4 as dollars, rounded to their ten-thousandths; None stays None."""
    return None if amount is None else round(amount / 10_000, 4)


def stamp(at: datetime | None) -> str | None:
    """Write an instant as ISO, in UTC and whole seconds; None stays None."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
