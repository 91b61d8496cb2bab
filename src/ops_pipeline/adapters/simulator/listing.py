"""Which expirations and strikes are listed, as the options exchanges would list them. Pure."""

import math
from bisect import bisect_left
from collections.abc import Iterable
from datetime import date, timedelta

from ops_pipeline.adapters.simulator.names import NameProfile
from ops_pipeline.domain.units import ONE_DOLLAR, Usd4
from ops_pipeline.ports import Calendar

WEEKLY_DAYS = 56
MONTHLY_DAYS = 250
_FRIDAY = 4
# Strikes up to the first number (dollars) are listed in steps of the second.
_WEEKLY_GRID = ((50.0, 0.5), (150.0, 1.0), (350.0, 2.5), (math.inf, 5.0))
_MONTHLY_GRID = ((25.0, 0.5), (50.0, 1.0), (150.0, 2.5), (350.0, 5.0), (math.inf, 10.0))


def list_expirations(calendar: Calendar, session: date) -> tuple[date, ...]:
    """Give the expirations listed on `session`, oldest first, the day's own included.

    Every Friday for eight weeks and each month's third Friday for eight months; where Friday is a
    holiday, the session before it.
    """
    friday = session + timedelta(days=(_FRIDAY - session.weekday()) % 7)
    expirations = []
    while (friday - session).days <= MONTHLY_DAYS:
        if (friday - session).days <= WEEKLY_DAYS or is_third_friday(friday):
            day = calendar.session_on(friday)
            expirations.append(friday if day is not None else calendar.previous(friday).date)
        friday += timedelta(days=7)
    return tuple(day for day in expirations if day >= session)


def is_third_friday(day: date) -> bool:
    """Tell whether `day` is the third Friday of its month."""
    return day.weekday() == _FRIDAY and 15 <= day.day <= 21


def is_monthly(expiration: date) -> bool:
    """Tell whether an expiration is its month's standard one, moved by a holiday or not."""
    return is_third_friday(expiration + timedelta(days=(_FRIDAY - expiration.weekday()) % 7))


def list_strikes(
    name: NameProfile, *, closes: Iterable[tuple[float, int]], monthly: bool, near: bool
) -> tuple[Usd4, ...]:
    """Give the strikes (Usd4) listed so far for one expiration, ascending.

    `closes` are the closes in dollars since it was listed, each with the split ratio that has come
    into force since (1 mostly). A listed strike stays; after a split it is divided by the ratio.
    `near`: within eight weeks, when a monthly expiration gets the weekly grid.
    """
    width = min(0.6, max(0.15, (2.6 if monthly else 2.0) * name.iv * math.sqrt(WEEKLY_DAYS / 365.0)))
    ranges: dict[int, tuple[float, float]] = {}
    for close, ratio in closes:
        low, high = ranges.get(ratio, (close, close))
        ranges[ratio] = (min(low, close), max(high, close))
    strikes: dict[Usd4, None] = {}
    for ratio, (low, high) in ranges.items():
        for strike in _on_grids(low * (1.0 - width), high * (1.0 + width), monthly=monthly, near=near):
            strikes[strike // ratio] = None
    return tuple(sorted(strikes))


def _on_grids(low: float, high: float, *, monthly: bool, near: bool) -> list[Usd4]:
    coarse = _grid_between(_MONTHLY_GRID, low, high) if monthly else []
    return coarse + (_grid_between(_WEEKLY_GRID, low, high) if near or not monthly else [])


def _grid_between(grid: tuple[tuple[float, float], ...], low: float, high: float) -> list[Usd4]:
    strikes = []
    strike = 0.0
    while strike < high:
        step = next(step for bound, step in grid if strike < bound)
        strike += step
        if low <= strike <= high:
            strikes.append(round(strike * ONE_DOLLAR))
    return strikes


def bracket(expirations: tuple[date, ...], session: date, days: int) -> tuple[date, date]:
    """Give the listed expirations at or before, and after, `days` days from `session`."""
    place = bisect_left(expirations, session + timedelta(days=days + 1))
    place = min(max(place, 1), len(expirations) - 1)
    return expirations[place - 1], expirations[place]
