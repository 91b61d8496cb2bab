"""American options on a continuous dividend yield, as scalar kernels. Pure.

Arguments are those of `european`. The value is the European one plus the integral of what early
exercise earns beyond the boundary; delta and gamma differentiate that integral, theta follows from
the pricing equation, vega from a central difference. Where exercise is due now the option is worth
its intrinsic value and has no gamma, theta or vega. Rates below 0 count as no gain from exercise.
"""

import math
from typing import NamedTuple

from ops_pipeline.domain.pricing.boundary import (
    ExerciseBoundary,
    PutTerms,
    boundary_log,
    solve_boundary,
)
from ops_pipeline.domain.pricing.european import DAYS_PER_YEAR, Greeks, european_value
from ops_pipeline.domain.pricing.normal import normal_cdf, normal_density
from ops_pipeline.domain.pricing.quadrature import quarter_circle
from ops_pipeline.domain.units import kernel

# A put that earns less than this a year by exercise is worth its European value to 1e-8 of strike.
_LEAST_RATE = 1e-8
_LEAST_DEVIATION = 1e-6
_VEGA_STEP = 0.01
_ARC = quarter_circle(16)


class UnitPut(NamedTuple):
    """Value of an American put with strike 1, its slope and curvature in spot, exercise as 0 or 1."""

    value: float
    slope: float
    curvature: float
    exercised: int


@kernel
def american_value(
    spot: float,
    strike: float,
    years: float,
    rate: float,
    dividend_yield: float,
    volatility: float,
    right: int,
) -> float:
    """Give the value in dollars per share, never below intrinsic or the European value."""
    if right > 0:
        return spot * _unit_put_value(strike / spot, years, dividend_yield, rate, volatility)
    return strike * _unit_put_value(spot / strike, years, rate, dividend_yield, volatility)


@kernel
def _unit_put_value(
    spot: float, years: float, rate: float, dividend_yield: float, volatility: float
) -> float:
    european = european_value(spot, 1.0, years, rate, dividend_yield, volatility, -1)
    if rate < _LEAST_RATE or volatility * math.sqrt(years) < _LEAST_DEVIATION:
        return max(european, 1.0 - spot)
    terms = PutTerms(years, rate, dividend_yield, volatility)
    boundary = solve_boundary(terms)
    log_spot = math.log(spot)
    if log_spot <= boundary_log(boundary, 1.0):
        return 1.0 - spot
    premium = _premium(log_spot, spot, boundary, terms)
    return max(european + max(0.0, premium), 1.0 - spot)


@kernel
def _premium(log_spot: float, spot: float, boundary: ExerciseBoundary, terms: PutTerms) -> float:
    """Give what early exercise adds: interest on the strike less the yield on the stock."""
    years, rate, dividend_yield, volatility = terms
    total = 0.0
    drift = (rate - dividend_yield) * years
    deviation = volatility * math.sqrt(years)
    for sine, cosine, weight in _ARC:
        share = sine * sine
        elapsed = share * years
        spread = deviation * sine
        d1 = (log_spot - boundary_log(boundary, cosine) + drift * share) / spread + 0.5 * spread
        gain = rate * math.exp(-rate * elapsed) * normal_cdf(spread - d1)
        if dividend_yield != 0.0:
            growth = dividend_yield * math.exp(-dividend_yield * elapsed)
            gain -= growth * spot * normal_cdf(-d1)
        total += weight * gain
    return total * years


@kernel
def _unit_put(spot: float, years: float, rate: float, dividend_yield: float, volatility: float) -> UnitPut:
    """Give value, slope and curvature at once; `years` and `volatility` > 0."""
    deviation = volatility * math.sqrt(years)
    log_spot = math.log(spot)
    drift = (rate - dividend_yield) * years
    d1 = (log_spot + drift) / deviation + 0.5 * deviation
    growth = math.exp(-dividend_yield * years)
    slope = -growth * normal_cdf(-d1)
    value = math.exp(-rate * years) * normal_cdf(deviation - d1) + spot * slope
    curvature = growth * normal_density(d1) / (spot * deviation)
    if rate < _LEAST_RATE:
        return UnitPut(value, slope, curvature, 0)
    terms = PutTerms(years, rate, dividend_yield, volatility)
    boundary = solve_boundary(terms)
    if log_spot <= boundary_log(boundary, 1.0):
        return UnitPut(1.0 - spot, -1.0, 0.0, 1)
    for sine, cosine, weight in _ARC:
        share = sine * sine
        spread = deviation * sine
        d1 = (log_spot - boundary_log(boundary, cosine) + drift * share) / spread + 0.5 * spread
        d2 = d1 - spread
        interest = weight * years * rate * math.exp(-rate * share * years)
        carried = weight * years * dividend_yield * math.exp(-dividend_yield * share * years)
        cash_density = interest * normal_density(d2) / (spot * spread)
        asset_density = carried * normal_density(d1) / spread
        asset_share = carried * normal_cdf(-d1)
        value += interest * normal_cdf(-d2) - spot * asset_share
        slope += asset_density - asset_share - cash_density
        curvature += cash_density * (1.0 + d2 / spread) / spot
        curvature += asset_density * (1.0 - d1 / spread) / spot
    return UnitPut(max(value, 1.0 - spot), max(-1.0, slope), max(0.0, curvature), 0)


@kernel
def american_greeks(
    spot: float,
    strike: float,
    years: float,
    rate: float,
    dividend_yield: float,
    volatility: float,
    right: int,
) -> Greeks:
    """Give value and greeks in the units of `Greeks`."""
    if volatility * math.sqrt(years) < _LEAST_DEVIATION:
        return _spent_greeks(spot, strike, right)
    if right > 0:
        unit = _unit_put(strike / spot, years, dividend_yield, rate, volatility)
        ratio = strike / spot
        value = spot * unit.value
        delta = unit.value - ratio * unit.slope
        gamma = ratio * ratio * unit.curvature / spot
    else:
        unit = _unit_put(spot / strike, years, rate, dividend_yield, volatility)
        value, delta, gamma = strike * unit.value, unit.slope, unit.curvature / strike
    if unit.exercised == 1:
        return Greeks(value, delta, gamma, 0.0, 0.0)
    diffusion = 0.5 * volatility * volatility * spot * spot * gamma
    theta = rate * value - (rate - dividend_yield) * spot * delta - diffusion
    up, down = volatility * (1.0 + _VEGA_STEP), volatility * (1.0 - _VEGA_STEP)
    rise = american_value(spot, strike, years, rate, dividend_yield, up, right)
    rise -= american_value(spot, strike, years, rate, dividend_yield, down, right)
    vega = 0.01 * rise / (up - down)
    return Greeks(value, delta, gamma, theta / DAYS_PER_YEAR, vega)


@kernel
def _spent_greeks(spot: float, strike: float, right: int) -> Greeks:
    intrinsic = right * (spot - strike)
    if intrinsic > 0.0:
        return Greeks(intrinsic, float(right), 0.0, 0.0, 0.0)
    return Greeks(0.0, 0.0, 0.0, 0.0, 0.0)
