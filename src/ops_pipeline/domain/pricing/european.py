"""Black-Scholes-Merton value and greeks of European options as scalar kernels. Pure.

`years` is time to expiry in actual/365, `rate` and `dividend_yield` are continuous, `right` is +1
for a call and -1 for a put. Inputs are trusted here; `checks` refuses the impossible ones.
Without time or volatility left an option is worth its discounted forward intrinsic value.
"""

import math
from typing import NamedTuple

from ops_pipeline.domain.pricing.normal import (
    INVERSE_ROOT_TWO,
    INVERSE_ROOT_TWO_PI,
    normal_cdf,
    normal_density,
)
from ops_pipeline.domain.units import kernel

DAYS_PER_YEAR = 365.0


class Greeks(NamedTuple):
    """Value per share with its sensitivities: per dollar, per calendar day, per vol point."""

    value: float
    delta: float
    gamma: float
    theta_per_day: float
    vega_per_point: float


@kernel
def discounted_intrinsic(
    spot: float, strike: float, years: float, rate: float, dividend_yield: float, right: int
) -> float:
    """Give the value at zero volatility, the lower bound of a European option."""
    forward_spot = spot * math.exp(-dividend_yield * years)
    return max(0.0, right * (forward_spot - strike * math.exp(-rate * years)))


@kernel
def european_d1(
    spot: float, strike: float, years: float, rate: float, dividend_yield: float, volatility: float
) -> float:
    """Give d1; `years` and `volatility` > 0."""
    deviation = volatility * math.sqrt(years)
    return (math.log(spot / strike) + (rate - dividend_yield) * years) / deviation + 0.5 * deviation


@kernel
def european_value(
    spot: float,
    strike: float,
    years: float,
    rate: float,
    dividend_yield: float,
    volatility: float,
    right: int,
) -> float:
    """Give the value in dollars per share."""
    deviation = volatility * math.sqrt(years)
    if deviation <= 0.0:
        return discounted_intrinsic(spot, strike, years, rate, dividend_yield, right)
    d1 = (math.log(spot / strike) + (rate - dividend_yield) * years) / deviation + 0.5 * deviation
    scale = -right * INVERSE_ROOT_TWO
    asset = spot * math.exp(-dividend_yield * years) * math.erfc(scale * d1)
    cash = strike * math.exp(-rate * years) * math.erfc(scale * (d1 - deviation))
    return max(0.0, 0.5 * right * (asset - cash))


@kernel
def european_delta(
    spot: float,
    strike: float,
    years: float,
    rate: float,
    dividend_yield: float,
    volatility: float,
    right: int,
) -> float:
    """Give the change of value per dollar of spot."""
    growth = math.exp(-dividend_yield * years)
    if volatility * math.sqrt(years) <= 0.0:
        return _zero_volatility_delta(spot, strike, years, rate, dividend_yield, right)
    d1 = european_d1(spot, strike, years, rate, dividend_yield, volatility)
    return right * growth * normal_cdf(right * d1)


@kernel
def _zero_volatility_delta(
    spot: float, strike: float, years: float, rate: float, dividend_yield: float, right: int
) -> float:
    growth = math.exp(-dividend_yield * years)
    if right * (spot * growth - strike * math.exp(-rate * years)) > 0.0:
        return right * growth
    return 0.0


@kernel
def european_gamma(
    spot: float, strike: float, years: float, rate: float, dividend_yield: float, volatility: float
) -> float:
    """Give the change of delta per dollar of spot."""
    deviation = volatility * math.sqrt(years)
    if deviation <= 0.0:
        return 0.0
    d1 = european_d1(spot, strike, years, rate, dividend_yield, volatility)
    return math.exp(-dividend_yield * years) * normal_density(d1) / (spot * deviation)


@kernel
def european_vega(
    spot: float, strike: float, years: float, rate: float, dividend_yield: float, volatility: float
) -> float:
    """Give the change of value per 1.00 of volatility (100 vol points)."""
    if volatility * math.sqrt(years) <= 0.0:
        return 0.0
    d1 = european_d1(spot, strike, years, rate, dividend_yield, volatility)
    return spot * math.exp(-dividend_yield * years) * normal_density(d1) * math.sqrt(years)


@kernel
def european_vega_per_point(
    spot: float, strike: float, years: float, rate: float, dividend_yield: float, volatility: float
) -> float:
    """Give the change of value per vol point (0.01), as quote screens show it."""
    return 0.01 * european_vega(spot, strike, years, rate, dividend_yield, volatility)


@kernel
def european_rho(
    spot: float,
    strike: float,
    years: float,
    rate: float,
    dividend_yield: float,
    volatility: float,
    right: int,
) -> float:
    """Give the change of value per 1.00 of the interest rate."""
    discounted = strike * math.exp(-rate * years)
    deviation = volatility * math.sqrt(years)
    if deviation <= 0.0:
        in_money = right * (spot * math.exp(-dividend_yield * years) - discounted) > 0.0
        return right * discounted * years if in_money else 0.0
    d2 = european_d1(spot, strike, years, rate, dividend_yield, volatility) - deviation
    return right * discounted * years * normal_cdf(right * d2)


@kernel
def european_theta_per_day(
    spot: float,
    strike: float,
    years: float,
    rate: float,
    dividend_yield: float,
    volatility: float,
    right: int,
) -> float:
    """Give the change of value per calendar day that passes; mostly negative."""
    return european_greeks(spot, strike, years, rate, dividend_yield, volatility, right).theta_per_day


@kernel
def european_greeks(
    spot: float,
    strike: float,
    years: float,
    rate: float,
    dividend_yield: float,
    volatility: float,
    right: int,
) -> Greeks:
    """Give value and greeks at once, for the price of little more than the value."""
    root_years = math.sqrt(years)
    deviation = volatility * root_years
    present_spot = spot * math.exp(-dividend_yield * years)
    present_strike = strike * math.exp(-rate * years)
    if deviation <= 0.0:
        value = max(0.0, right * (present_spot - present_strike))
        in_money = 1.0 if value > 0.0 else 0.0
        drift = dividend_yield * present_spot - rate * present_strike
        delta = in_money * right * present_spot / spot
        return Greeks(value, delta, 0.0, in_money * right * drift / DAYS_PER_YEAR, 0.0)
    d1 = (math.log(spot / strike) + (rate - dividend_yield) * years) / deviation + 0.5 * deviation
    scale = -right * INVERSE_ROOT_TWO
    asset = 0.5 * right * present_spot * math.erfc(scale * d1)
    cash = 0.5 * right * present_strike * math.erfc(scale * (d1 - deviation))
    density = present_spot * INVERSE_ROOT_TWO_PI * math.exp(-0.5 * d1 * d1)
    decay = 0.5 * density * volatility / root_years
    return Greeks(
        max(0.0, asset - cash),
        asset / spot,
        density / (spot * spot * deviation),
        (dividend_yield * asset - rate * cash - decay) / DAYS_PER_YEAR,
        0.01 * density * root_years,
    )
