"""Forwards, dividend yields and known cash dividends in option prices. Pure."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ops_pipeline.domain.pricing.european import european_value

_TREE_STEPS = 150


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


def equivalent_yield(spot: float, dividends: Sequence[CashDividend], *, years: float, rate: float) -> float:
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

    A tree of the spot less what the dividends are worth now; its last step is the closed European
    value, which smooths the tree. `years` and `volatility` > 0.
    """
    _require_positive("years", years)
    _require_positive("volatility", volatility)
    lost = present_value(dividends, years=years, rate=rate)
    if not 0.0 <= lost < spot:
        raise ValueError(f"dividends: expected a present value in [0, {spot}), was {lost}")
    later = [
        _worth_at(years * level / _TREE_STEPS, dividends, years=years, rate=rate)
        for level in range(_TREE_STEPS)
    ]
    return _tree_value(spot - lost, strike, later, years, rate, volatility, right)


def _tree_value(
    bare: float,
    strike: float,
    later: Sequence[float],
    years: float,
    rate: float,
    volatility: float,
    right: int,
) -> float:
    """Roll back the tree of the spot without dividends; `later` is what they are worth per level."""
    step = years / len(later)
    log_up = volatility * math.sqrt(step)
    up = math.exp(log_up)
    discount = math.exp(-rate * step)
    rise = (1.0 / discount - 1.0 / up) / (up - 1.0 / up)
    if not 0.0 < rise < 1.0:
        raise ValueError(f"volatility must exceed the drift of a tree step, was {volatility}")
    low, high = discount * (1.0 - rise), discount * rise
    values: list[float] = []
    for level in range(len(later) - 1, -1, -1):
        stocks = [bare * math.exp(log_up * (2 * index - level)) for index in range(level + 1)]
        if values:
            held = [low * down + high * above for down, above in pairwise(values)]
        else:
            held = [european_value(stock, strike, step, rate, 0.0, volatility, right) for stock in stocks]
        exercised = [right * (stock + later[level] - strike) for stock in stocks]
        values = [max(pair) for pair in zip(held, exercised, strict=True)]
    return values[0]


def _worth_at(now: float, dividends: Sequence[CashDividend], *, years: float, rate: float) -> float:
    """Discount to `now` the dividends still to come; one due now has not been paid yet."""
    return math.fsum(
        paid.amount * math.exp(-rate * (paid.years - now))
        for paid in dividends
        if now <= paid.years <= years and paid.years > 0.0
    )


def _require_positive(name: str, value: float) -> None:
    if not (value > 0.0 and math.isfinite(value)):
        raise ValueError(f"{name} must be > 0, was {value}")
