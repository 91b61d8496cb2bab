"""Forwards, dividend yields and known cash dividends in option prices. Pure."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from ops_pipeline.domain.pricing.american import american_value
from ops_pipeline.domain.pricing.european import european_value


class CashDividend(NamedTuple):
    """Dollars per share paid to who holds the stock before `years` from now."""

    years: float
    amount: float


def implied_forward(call: float, put: float, strike: float, *, years: float, rate: float) -> float:
    """Give the forward at which call and put of one strike obey put-call parity."""
    return strike + math.exp(rate * years) * (call - put)


def implied_dividend_yield(spot: float, forward: float, *, years: float, rate: float) -> float:
    """Give the continuous yield that carries `spot` to `forward`: dividends, borrow and noise."""
    _require_positive("spot", spot)
    _require_positive("forward", forward)
    _require_positive("years", years)
    return rate - math.log(forward / spot) / years


def present_value(dividends: Sequence[CashDividend], *, years: float, rate: float) -> float:
    """Discount the dividends paid in (0, years]."""
    return math.fsum(
        paid.amount * math.exp(-rate * paid.years) for paid in dividends if 0.0 < paid.years <= years
    )


def equivalent_yield(
    spot: float, dividends: Sequence[CashDividend], *, years: float, rate: float
) -> float:
    """Give the continuous yield with the same forward; dividends worth the spot raise ValueError."""
    _require_positive("years", years)
    lost = present_value(dividends, years=years, rate=rate)
    if not 0.0 <= lost < spot:
        raise ValueError(f"dividends: expected a present value in [0, {spot}), was {lost}")
    return -math.log1p(-lost / spot) / years


def american_value_with_dividends(
    spot: float,
    strike: float,
    *,
    years: float,
    rate: float,
    volatility: float,
    right: int,
    dividends: Sequence[CashDividend],
) -> float:
    """Give the value where dividends are known in cash; volatility is that of spot less dividends.

    Calls: the best of holding to expiry and exercising just before one of the dividends (Black
    1975). Puts: the spot less the present value of the dividends, exercised at any time.
    """
    lost = present_value(dividends, years=years, rate=rate)
    if not 0.0 <= lost < spot:
        raise ValueError(f"dividends: expected a present value in [0, {spot}), was {lost}")
    if right < 0:
        held = american_value(spot - lost, strike, years, rate, 0.0, volatility, right)
        return max(held, strike - spot)
    best = max(spot - strike, european_value(spot - lost, strike, years, rate, 0.0, volatility, right))
    for paid in dividends:
        if 0.0 < paid.years <= years:
            earlier = [other for other in dividends if other.years < paid.years]
            left = spot - present_value(earlier, years=paid.years, rate=rate)
            candidate = european_value(left, strike, paid.years, rate, 0.0, volatility, right)
            best = max(best, candidate)
    return best


def _require_positive(name: str, value: float) -> None:
    if not (value > 0.0 and math.isfinite(value)):
        raise ValueError(f"{name} must be > 0, was {value}")
