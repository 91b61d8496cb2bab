"""Numbers of the venue as exact integers, each refused by name where it cannot be. Pure."""

from decimal import Decimal
from math import isfinite

from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.domain.instruments import contract_of
from ops_pipeline.domain.units import MAX_PRICE, ONE_DOLLAR, Contracts, Usd4, to_decimal, usd4_from_float

# No account, position or order that this program could meet reaches these.
_MOST_MONEY: Usd4 = 10**12 * ONE_DOLLAR
_MOST_CONTRACTS: Contracts = 10**9
# There are coins of which a billion are worth a meal.
_MOST_UNITS = 10**15
_LEAST = Decimal("0.0001")


def money(value: Decimal, *, where: str) -> Usd4:
    """Round an amount to the nearest Usd4, half to even."""
    return _usd4(value, most=_MOST_MONEY, where=where)


def price(value: Decimal, *, where: str, least: Usd4 = 0) -> Usd4:
    """Round a price to the nearest Usd4, half to even: averages and some trades carry more decimals."""
    found = _usd4(value, most=MAX_PRICE, where=where)
    if found < least:
        raise WireError(f"{where}: expected a price of at least {least} Usd4, was {value}")
    return found


def exact_price(value: Decimal, *, where: str) -> Usd4:
    """Take a price over exactly; it may be negative, as a net credit is."""
    found = _usd4(value, most=MAX_PRICE, where=where)
    if Decimal(found).scaleb(-4) != value:
        raise WireError(f"{where}: expected at most 4 decimals, was {value}")
    return found


def quoted(value: float | None, *, where: str) -> Usd4 | None:
    """Take a quoted price over; 0 is the venue's word for no such side."""
    if not value:
        return None
    if not isfinite(value) or not 0 < value * ONE_DOLLAR <= MAX_PRICE:
        raise WireError(f"{where}: expected a price, was {value}")
    return usd4_from_float(value)


def count(value: Decimal, *, where: str) -> int:
    """Take a whole signed number of contracts over."""
    found = _bounded(value, _MOST_CONTRACTS, where)
    if found != value:
        raise WireError(f"{where}: expected a whole number, was {value}")
    return found


def units(value: Decimal, *, symbol: str, where: str) -> int:
    """Take a signed quantity over: of contracts exactly, of shares what is whole of it."""
    return count(value, where=where) if contract_of(symbol) else _bounded(value, _MOST_UNITS, where)


def _bounded(value: Decimal, most: int, where: str) -> int:
    if not value.is_finite() or value.copy_abs() > most:
        raise WireError(f"{where}: expected a quantity that can be, was {value}")
    return int(value)


def _usd4(value: Decimal, *, most: Usd4, where: str) -> Usd4:
    # Compared as it came: arithmetic with an exponent beyond all measure raises.
    if not value.is_finite() or value.copy_abs() > to_decimal(most):
        raise WireError(f"{where}: expected an amount of dollars that can be, was {value}")
    return int(value.quantize(_LEAST).scaleb(4))
