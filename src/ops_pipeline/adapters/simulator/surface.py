"""Implied volatility by expiry and strike: level, term structure, earnings bump, smile. Pure."""

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ops_pipeline.domain.pricing.european import Greeks, european_greeks

_TERM_PULL = 3.0
_THIRTY_DAYS = 30.0 / 365.0
_FAR = 3.5
_LOWEST = 0.05


class Smile(NamedTuple):
    """One expiry at one instant: forward-adjusted spot in dollars, years, level and shape.

    `spot` is net of the dividends paid before expiry; `volatility` is at the forward; `skew` and
    `curvature` multiply the moneyness ln(strike/forward) / (volatility sqrt(years)) and its square.
    """

    spot: float
    years: float
    rate: float
    volatility: float
    skew: float
    curvature: float


class ChainPricer(Protocol):
    """Values many strikes of one expiry and right at once."""

    def __call__(
        self,
        smile: Smile,
        strikes: Sequence[float],
        log_strikes: Sequence[float],
        right: int,
    ) -> Sequence[tuple[float, Greeks]]:
        """Give (implied volatility, value and greeks) of each strike, in dollars per share."""


def expiry_volatility(level: float, long_run: float, years: float, event_variance: float) -> float:
    """Give the at-the-money volatility of an expiry.

    `level` is the 30-day volatility without events, `long_run` what it returns to, `event_variance`
    the variance (not annualised) of reports the market will answer before the expiry.
    """
    settled = long_run * long_run
    variance = settled + (level * level - settled) * math.exp(_TERM_PULL * (_THIRTY_DAYS - years))
    floor = 0.25 * level * level
    return math.sqrt(max(floor, variance) + event_variance / years)


def smile_volatility(smile: Smile, log_strike: float) -> float:
    """Give the implied volatility of one strike by its natural logarithm; at least 0.05."""
    deviation = smile.volatility * math.sqrt(smile.years)
    moneyness = (log_strike - math.log(smile.spot) - smile.rate * smile.years) / deviation
    bounded = max(-_FAR, min(_FAR, moneyness))
    return max(_LOWEST, smile.volatility * (1.0 + bounded * (smile.skew + bounded * smile.curvature)))


def price_strikes(
    smile: Smile, strikes: Sequence[float], log_strikes: Sequence[float], right: int
) -> list[tuple[float, Greeks]]:
    """Value each strike by Black-Scholes-Merton at its own volatility: the plain ChainPricer."""
    spot, years, rate, level = smile.spot, smile.years, smile.rate, smile.volatility
    scale = 1.0 / (level * math.sqrt(years))
    forward = math.log(spot) + rate * years
    skew, curvature = smile.skew, smile.curvature
    priced = []
    for strike, log_strike in zip(strikes, log_strikes, strict=True):
        x = (log_strike - forward) * scale
        x = _FAR if x > _FAR else max(x, -_FAR)
        volatility = level * (1.0 + x * (skew + x * curvature))
        volatility = max(volatility, _LOWEST)
        priced.append((volatility, european_greeks(spot, strike, years, rate, 0.0, volatility, right)))
    return priced
