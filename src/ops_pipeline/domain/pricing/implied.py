"""Implied volatility of European and American options as scalar kernels. Pure.

European: the price becomes the time value of the out-of-the-money option in units of the geometric
mean of present spot and strike; Householder steps of order four on its logarithm (or that of what
is missing to the maximum, above the inflection) follow a closed-form guess. American: bracketed
secant steps down from the European answer. NaN means that no volatility gives the price.
"""

import math

from ops_pipeline.domain.pricing.american import american_value
from ops_pipeline.domain.pricing.european import european_vega
from ops_pipeline.domain.pricing.normal import INVERSE_ROOT_TWO, INVERSE_ROOT_TWO_PI
from ops_pipeline.domain.units import kernel

LOWEST_VOLATILITY = 1e-4
HIGHEST_VOLATILITY = 20.0
_NAN = math.nan
_ROOT_EIGHT = 2.8284271247461903
# Winitzki's constant of the inverse error function, with pi and 2 / (pi a) worked in.
_WINITZKI = 0.147
_WINITZKI_HALF = 2.0 / (math.pi * _WINITZKI)
_STEPS = 16
_SETTLED = 2e-5
_AMERICAN_STEPS = 60
_PRICE_TOLERANCE = 1e-12


@kernel
def european_implied_volatility(
    price: float,
    spot: float,
    strike: float,
    years: float,
    rate: float,
    dividend_yield: float,
    right: int,
) -> float:
    """Give the volatility at which the European value is `price`; NaN outside its bounds."""
    if years <= 0.0:
        return _NAN
    present_spot = spot * math.exp(-dividend_yield * years)
    present_strike = strike * math.exp(-rate * years)
    time_value = price - max(0.0, right * (present_spot - present_strike))
    distance = abs(math.log(present_spot / present_strike))
    unit = math.sqrt(present_spot * present_strike)
    return _normalised_deviation(time_value / unit, distance) / math.sqrt(years)


@kernel
def _unit_value(distance: float, deviation: float) -> float:
    """Give the out-of-the-money value for |log moneyness| `distance`, in units of the mean."""
    offset, half = distance / deviation, 0.5 * deviation
    root = math.exp(-0.5 * distance)
    near = root * math.erfc((offset - half) * INVERSE_ROOT_TWO)
    return 0.5 * (near - math.erfc((offset + half) * INVERSE_ROOT_TWO) / root)


@kernel
def _unit_shortfall(distance: float, deviation: float) -> float:
    """Give the maximum less the value, without cancellation."""
    offset, half = distance / deviation, 0.5 * deviation
    root = math.exp(-0.5 * distance)
    near = root * math.erfc((half - offset) * INVERSE_ROOT_TWO)
    return 0.5 * (near + math.erfc((offset + half) * INVERSE_ROOT_TWO) / root)


@kernel
def _normalised_deviation(target: float, distance: float) -> float:
    """Give volatility times root time from the normalised time value; NaN outside (0, maximum)."""
    ceiling = math.exp(-0.5 * distance)
    if not 0.0 < target < ceiling:
        return _NAN
    inflection = math.sqrt(2.0 * distance)
    at_inflection = 0.0
    if inflection > 0.0:
        at_inflection = _unit_value(distance, inflection)
    upper = 1 if target >= at_inflection else 0
    if upper == 1:
        aim = math.log(ceiling - target)
        share = (target - at_inflection) / (ceiling - at_inflection)
        bend = 1.0 - at_inflection / ceiling
        deviation = inflection + bend * _ROOT_EIGHT * _inverse_erf(share)
        if deviation <= 0.0:
            return target / (INVERSE_ROOT_TWO_PI * ceiling)
    else:
        aim = math.log(target)
        fall = 2.0 * (math.log(at_inflection) - aim) + 0.5 * distance
        deviation = distance / math.sqrt(fall)
    for _ in range(_STEPS):
        step = _householder_step(deviation, distance, aim, upper)
        deviation += max(-0.5 * deviation, min(deviation, step))
        if abs(step) <= _SETTLED * deviation:
            break
    return deviation


@kernel
def _householder_step(deviation: float, distance: float, aim: float, upper: int) -> float:
    """Give the fourth-order step towards log value (or log shortfall) = `aim`."""
    offset, half = distance / deviation, 0.5 * deviation
    vega = INVERSE_ROOT_TWO_PI * math.exp(-0.5 * (offset * offset + half * half))
    if upper == 1:
        level = _unit_shortfall(distance, deviation)
        slope = -vega / level
    else:
        level = _unit_value(distance, deviation)
        if level <= 0.0 or vega <= 0.0:
            return deviation
        slope = vega / level
    if slope == 0.0:
        return -0.5 * deviation
    newton = (aim - math.log(level)) / slope
    bend = offset * offset / deviation - 0.25 * deviation
    twist = bend * bend - 3.0 * offset * offset / (deviation * deviation) - 0.25
    second = bend - slope
    third = twist - 3.0 * bend * slope + 2.0 * slope * slope
    denominator = 1.0 + newton * (second + third * newton / 6.0)
    numerator = 1.0 + 0.5 * second * newton
    if denominator <= 0.0 or numerator <= 0.0:
        return newton
    return newton * numerator / denominator


@kernel
def _inverse_erf(share: float) -> float:
    """Give Winitzki's inverse error function, 0.4 % off at most; 0 <= share < 1."""
    log_rest = math.log((1.0 - share) * (1.0 + share))
    middle = _WINITZKI_HALF + 0.5 * log_rest
    return math.sqrt(max(0.0, math.sqrt(middle * middle - log_rest / _WINITZKI) - middle))


@kernel
def american_implied_volatility(
    price: float,
    spot: float,
    strike: float,
    years: float,
    rate: float,
    dividend_yield: float,
    right: int,
) -> float:
    """Give the volatility at which the American value is `price`.

    NaN at or below intrinsic value (any low volatility would do there) and above every volatility
    up to HIGHEST_VOLATILITY.
    """
    if years <= 0.0 or price <= max(0.0, right * (spot - strike)):
        return _NAN
    high = european_implied_volatility(price, spot, strike, years, rate, dividend_yield, right)
    if not high < HIGHEST_VOLATILITY:
        high = HIGHEST_VOLATILITY
    low = LOWEST_VOLATILITY
    error = american_value(spot, strike, years, rate, dividend_yield, high, right) - price
    tolerance = _PRICE_TOLERANCE * (strike + spot)
    if abs(error) <= tolerance:
        return high
    if error < 0.0 or high <= low:
        return _NAN
    before, error_before = high, error
    slope = european_vega(spot, strike, years, rate, dividend_yield, high)
    here = high - error / slope if slope > 0.0 else low
    for _ in range(_AMERICAN_STEPS):
        if not low < here < high:
            here = 0.5 * (low + high)
        error = american_value(spot, strike, years, rate, dividend_yield, here, right) - price
        if abs(error) <= tolerance or high - low <= 1e-12:
            break
        if error > 0.0:
            high = here
        else:
            low = here
        change = error - error_before
        step = -error * (here - before) / change if change != 0.0 else high - low
        before, error_before = here, error
        here += step
    if here <= 2.0 * LOWEST_VOLATILITY:
        return _NAN
    return here
