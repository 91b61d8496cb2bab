"""Bars of any timeframe out of a market's minute and daily ones. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from typing import Any, NamedTuple

from ops_pipeline.adapters.calendar.sessions import NEW_YORK
from ops_pipeline.domain.units import Usd4
from ops_pipeline.simserver.money import number, stamp

_TIMEFRAME = re.compile(r"([1-9]\d?)(Min|T|Hour|H|Day|D|Week|W|Month|M)", re.ASCII)
_DAY_MINUTES = 24 * 60
# The market tells volumes, not prints: one print a round lot.
_SHARES_A_PRINT = 100


class Unit(Enum):
    """What a timeframe counts."""

    MINUTE = "minute"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


_UNITS = {
    "Min": Unit.MINUTE, "T": Unit.MINUTE, "Hour": Unit.MINUTE, "H": Unit.MINUTE,
    "Day": Unit.DAY, "D": Unit.DAY, "Week": Unit.WEEK, "W": Unit.WEEK, "Month": Unit.MONTH, "M": Unit.MONTH,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Timeframe:
    """So many minutes, or a day, a week, some months."""

    unit: Unit
    count: int

    def start_of(self, at: datetime) -> datetime:
        """Give the start of the bar `at` belongs to, in UTC; a day's is its midnight in New York."""
        local = at.astimezone(NEW_YORK)
        if self.unit is Unit.MINUTE:
            minutes = (local.hour * 60 + local.minute) // self.count * self.count
            return midnight(local.date()) + timedelta(minutes=minutes)
        return midnight(self._first_day(local.date()))

    def _first_day(self, day: date) -> date:
        if self.unit is Unit.WEEK:
            return day - timedelta(days=day.weekday())
        if self.unit is Unit.MONTH:
            return day.replace(day=1, month=(day.month - 1) // self.count * self.count + 1)
        return day


class Piece(NamedTuple):
    """A stretch of a market: when it begins, its prices in Usd4 and its volume."""

    at: datetime
    open: Usd4
    high: Usd4
    low: Usd4
    close: Usd4
    volume: int


def read_timeframe(text: str) -> Timeframe | None:
    """Read `1Min` to `59Min`, `1Hour` to `23Hour`, `1Day`, `1Week`, `1,2,3,4,6,12Month`; else None."""
    match = _TIMEFRAME.fullmatch(text)
    if match is None:
        return None
    count, unit = int(match[1]), _UNITS[match[2]]
    if unit is Unit.MINUTE:
        minutes = count * (60 if match[2][0] == "H" else 1)
        fits = count <= 59 if minutes == count else minutes < _DAY_MINUTES
        return Timeframe(unit, minutes) if fits else None
    fits = count == 1 if unit is not Unit.MONTH else count in (1, 2, 3, 4, 6, 12)
    return Timeframe(unit, count) if fits else None


def midnight(day: date) -> datetime:
    """Give the midnight in New York a day begins with, in UTC."""
    return datetime.combine(day, time(), tzinfo=NEW_YORK).astimezone(UTC)


def gathered(pieces: Iterable[Piece], frame: Timeframe) -> list[Piece]:
    """Join pieces, oldest first, into bars of a timeframe."""
    bars: list[Piece] = []
    for piece in pieces:
        start = frame.start_of(piece.at)
        if bars and bars[-1].at == start:
            bars[-1] = joined(start, (bars[-1], piece))
        else:
            bars.append(piece._replace(at=start))
    return bars


def joined(at: datetime, pieces: Sequence[Piece]) -> Piece:
    """Make one of several, oldest first and not none."""
    return Piece(
        at,
        pieces[0].open,
        max(piece.high for piece in pieces),
        min(piece.low for piece in pieces),
        pieces[-1].close,
        sum(piece.volume for piece in pieces),
    )


def bar_json(piece: Piece) -> dict[str, Any]:
    """Give a bar as market data spells it; its average price is the mean of its four."""
    mean = (piece.open + piece.high + piece.low + piece.close) / 4
    return {
        "t": stamp(piece.at),
        "o": number(piece.open),
        "h": number(piece.high),
        "l": number(piece.low),
        "c": number(piece.close),
        "v": piece.volume,
        "n": -(-piece.volume // _SHARES_A_PRINT),
        "vw": round(mean / 10_000, 6),
    }
