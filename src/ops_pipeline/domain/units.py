"""Money, ratios and identifiers, and the arithmetic that keeps them exact. Pure."""

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, DecimalException
from math import isfinite
from typing import Any, NewType, TypeVar

Usd4 = int
Bp = int
Contracts = int

Occ = NewType("Occ", str)
AccountId = NewType("AccountId", str)
PositionId = NewType("PositionId", str)
SignalId = NewType("SignalId", str)
ClientOrderId = NewType("ClientOrderId", str)

ONE_DOLLAR: Usd4 = 10_000
ONE_CENT: Usd4 = 100
WHOLE_BP: Bp = 10_000
# Products of price, quantity, multiplier and basis points stay below int64 up to here.
MAX_PRICE: Usd4 = 1_000_000 * ONE_DOLLAR
# An amount of more digits is a mistake, and would take long to write out.
_MOST_DIGITS = 30

Function = TypeVar("Function", bound=Callable[..., Any])

KERNELS: list[Callable[..., Any]] = []


def kernel(function: Function) -> Function:
    """List `function` among the scalar decision kernels that also compile."""
    KERNELS.append(function)
    return function


def to_usd4(value: Decimal | str | int) -> Usd4:
    """Convert dollars to Usd4 exactly; more than four decimals raise ValueError."""
    try:
        scaled = Decimal(value).scaleb(4)
    except DecimalException:
        raise ValueError(f"amount: expected a decimal number of dollars, was {value!r}") from None
    if not scaled.is_finite() or scaled.adjusted() > _MOST_DIGITS:
        raise ValueError(f"amount: expected a number of dollars that can be, was {value!r}")
    if scaled != scaled.to_integral_value():
        raise ValueError(f"amount: expected at most 4 decimals, was {value!r}")
    return int(scaled)


def usd4_from_float(dollars: float) -> Usd4:
    """Round recorded dollars (a float at the wire) to the nearest Usd4, half to even; else ValueError."""
    if not isfinite(dollars):
        raise ValueError(f"amount: expected a finite number of dollars, was {dollars}")
    return int(Decimal(repr(dollars)).scaleb(4).to_integral_value())


def to_decimal(amount: Usd4) -> Decimal:
    """Express Usd4 as dollars, exactly."""
    return Decimal(amount).scaleb(-4)


def format_usd(amount: Usd4) -> str:
    """Write Usd4 as dollars with cents, rounded half up, as messages show it: `$34.29`."""
    sign = "-" if amount < 0 else ""
    cents = (abs(amount) + 50) // 100
    return f"{sign}${cents // 100:,}.{cents % 100:02d}"


def floor_to_tick(price: Usd4, tick: Usd4) -> Usd4:
    """Lower `price` to a multiple of `tick`: the side a sell limit rounds to."""
    return price // tick * tick


def ceil_to_tick(price: Usd4, tick: Usd4) -> Usd4:
    """Raise `price` to a multiple of `tick`: the side a buy limit rounds to."""
    return -(-price // tick) * tick


def ceil_to_cent(amount: Decimal) -> Usd4:
    """Round dollars up to the whole cent, as the broker rounds fees, and give Usd4."""
    return int(amount.scaleb(2).to_integral_value(ROUND_CEILING)) * ONE_CENT


def floor_to_cent(amount: Decimal) -> Usd4:
    """Round dollars down to the whole cent and give Usd4."""
    return int(amount.scaleb(2).to_integral_value(ROUND_FLOOR)) * ONE_CENT


@kernel
def gain_reaches(value: int, cost: int, threshold: int) -> bool:
    """Tell whether `value` is worth at least `cost` plus `threshold` bp, with no rounding."""
    return value * 10_000 >= cost * (10_000 + threshold)


def gain_bp(value: int, cost: int) -> Bp:
    """Give the gain of `value` over `cost` in bp, floored; for display only. cost > 0."""
    return (value - cost) * WHOLE_BP // cost


def round_event_float(value: float) -> float:
    """Round a statistic to 1e-9 so that it enters an event alike on every machine."""
    return round(value, 9) + 0.0
