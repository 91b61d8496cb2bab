"""Prices, greeks and implied volatilities behind checks of every argument. Pure."""

import math

from ops_pipeline.domain.pricing.american import american_greeks
from ops_pipeline.domain.pricing.european import Greeks, discounted_intrinsic, european_greeks
from ops_pipeline.domain.pricing.implied import (
    HIGHEST_VOLATILITY,
    american_implied_volatility,
    european_implied_volatility,
)

# The longest listed options live about three years; beyond a century an input is a mistake.
_LONGEST_YEARS = 100.0
_LARGEST_RATE = 2.0


def price_option(
    spot: float,
    strike: float,
    *,
    years: float,
    rate: float,
    dividend_yield: float,
    volatility: float,
    right: int,
    american: bool = True,
) -> Greeks:
    """Give value and greeks per share; an impossible argument raises ValueError naming it.

    Annualised decimals, `years` in actual/365 (0 on the last instant), `right` +1 call, -1 put.
    """
    _check_terms(spot, strike, years, rate, dividend_yield, right)
    _check("volatility", volatility, lowest=0.0, highest=HIGHEST_VOLATILITY, open_below=True)
    greeks = american_greeks if american else european_greeks
    return greeks(spot, strike, years, rate, dividend_yield, volatility, int(right))


def solve_implied_volatility(
    price: float,
    spot: float,
    strike: float,
    *,
    years: float,
    rate: float,
    dividend_yield: float,
    right: int,
    american: bool = True,
) -> float:
    """Give the volatility of `price`; a price that none explains raises ValueError with the bounds."""
    _check_terms(spot, strike, years, rate, dividend_yield, right)
    _check("years", years, lowest=0.0, highest=_LONGEST_YEARS, open_below=True)
    _check("price", price, lowest=0.0, highest=math.inf, open_below=True)
    solve = american_implied_volatility if american else european_implied_volatility
    volatility = solve(price, spot, strike, years, rate, dividend_yield, int(right))
    if math.isnan(volatility):
        floor = discounted_intrinsic(spot, strike, years, rate, dividend_yield, int(right))
        if american:
            floor = max(floor, right * (spot - strike))
        raise ValueError(f"price must be above {floor:.6g} and below the option's maximum, was {price}")
    return volatility


def _check_terms(
    spot: float, strike: float, years: float, rate: float, dividend_yield: float, right: int
) -> None:
    _check("spot", spot, lowest=0.0, highest=math.inf, open_below=True)
    _check("strike", strike, lowest=0.0, highest=math.inf, open_below=True)
    _check("years", years, lowest=0.0, highest=_LONGEST_YEARS)
    _check("rate", rate, lowest=-_LARGEST_RATE, highest=_LARGEST_RATE)
    _check("dividend_yield", dividend_yield, lowest=-_LARGEST_RATE, highest=_LARGEST_RATE)
    if right not in (1, -1):
        raise ValueError(f"right must be +1 (call) or -1 (put), was {right}")


def _check(name: str, value: float, *, lowest: float, highest: float, open_below: bool = False) -> None:
    """Refuse a value outside [lowest, highest], or at `lowest` where that end is open; NaN too."""
    if not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, was {value}")
    if value < lowest or (open_below and value == lowest):
        raise ValueError(f"{name} must be {'>' if open_below else '>='} {lowest:g}, was {value}")
    if value > highest:
        raise ValueError(f"{name} must be <= {highest:g}, was {value}")
