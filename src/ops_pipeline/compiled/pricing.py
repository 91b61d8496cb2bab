"""Option chains priced in one compiled pass over NumPy arrays. Shell.

Arrays are (n,) float64 except `right`, int64 of +1 (call) and -1 (put); units as in
`domain.pricing.european`. Every row equals the plain kernel bit for bit.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ops_pipeline.compiled.kernels import register_kernels, source_fingerprint
from ops_pipeline.domain.pricing import implied
from ops_pipeline.domain.pricing.american import american_greeks, american_value
from ops_pipeline.domain.pricing.european import Greeks, european_greeks, european_value
from ops_pipeline.domain.pricing.implied import (
    american_implied_volatility,
    european_implied_volatility,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class ChainTerms(NamedTuple):
    """The columns of a chain; all arrays of one length n."""

    spot: Floats
    strike: Floats
    years: Floats
    rate: Floats
    dividend_yield: Floats
    right: Ints


class ChainGreeks(NamedTuple):
    """Columns of `Greeks`, each (n,)."""

    value: Floats
    delta: Floats
    gamma: Floats
    theta_per_day: Floats
    vega_per_point: Floats


def price_chain(terms: ChainTerms, volatility: Floats, *, american: bool) -> ChainGreeks:
    """Give value and greeks of every row; columns of unequal length raise ValueError."""
    terms, volatility = _aligned(terms, volatility, "volatility")
    loop = _american_greeks if american else _european_greeks
    return ChainGreeks(*loop(terms, volatility))


def value_chain(terms: ChainTerms, volatility: Floats, *, american: bool) -> Floats:
    """Give the value alone of every row; columns of unequal length raise ValueError."""
    terms, volatility = _aligned(terms, volatility, "volatility")
    loop = _american_values if american else _european_values
    values: Floats = loop(terms, volatility)
    return values


def imply_chain(terms: ChainTerms, price: Floats, *, american: bool) -> Floats:
    """Give the implied volatility of every row, NaN where the price admits none."""
    terms, price = _aligned(terms, price, "price")
    loop = _american_implied if american else _european_implied
    volatility: Floats = loop(terms, price)
    return volatility


def _aligned(terms: ChainTerms, column: Floats, name: str) -> tuple[ChainTerms, Floats]:
    columns = (terms.spot, terms.strike, terms.years, terms.rate, terms.dividend_yield, column)
    floats = [np.ascontiguousarray(part, dtype=np.float64) for part in columns]
    right = np.ascontiguousarray(terms.right, dtype=np.int64)
    lengths = [part.shape for part in (*floats, right)]
    if len(lengths[0]) != 1 or len(set(lengths)) != 1:
        names = (*ChainTerms._fields[:5], name, "right")
        found = ", ".join(f"{key} {shape}" for key, shape in zip(names, lengths, strict=True))
        raise ValueError(f"chain columns: expected one length, was {found}")
    spot, strike, years, rate, dividend_yield, last = floats
    return ChainTerms(spot, strike, years, rate, dividend_yield, right), last


def _columns_loop(kernel: Callable[..., float], fingerprint: int) -> Callable[..., Floats]:
    """Compile the loop of a kernel that gives a value from a volatility."""

    @njit(cache=True, error_model="numpy")
    def loop(t: ChainTerms, volatility: Floats) -> Floats:
        # Reading the fingerprint makes it part of the cache key.
        out = np.empty(volatility.size if fingerprint >= 0 else 0)
        for i in range(volatility.size):
            out[i] = kernel(
                t.spot[i],
                t.strike[i],
                t.years[i],
                t.rate[i],
                t.dividend_yield[i],
                volatility[i],
                t.right[i],
            )
        return out

    compiled: Callable[..., Floats] = loop
    return compiled


def _greeks_loop(kernel: Callable[..., Greeks], fingerprint: int) -> Callable[..., Floats]:
    """Compile the loop of a kernel that gives `Greeks`; rows of the result are its fields."""

    @njit(cache=True, error_model="numpy")
    def loop(t: ChainTerms, volatility: Floats) -> Floats:
        out = np.empty((5, volatility.size if fingerprint >= 0 else 0))
        for i in range(volatility.size):
            greeks = kernel(
                t.spot[i],
                t.strike[i],
                t.years[i],
                t.rate[i],
                t.dividend_yield[i],
                volatility[i],
                t.right[i],
            )
            out[0, i], out[1, i], out[2, i] = greeks.value, greeks.delta, greeks.gamma
            out[3, i], out[4, i] = greeks.theta_per_day, greeks.vega_per_point
        return out

    compiled: Callable[..., Floats] = loop
    return compiled


def _implied_loop(kernel: Callable[..., float], fingerprint: int) -> Callable[..., Floats]:
    """Compile the loop of a kernel that gives a volatility from a price."""

    @njit(cache=True, error_model="numpy")
    def loop(t: ChainTerms, price: Floats) -> Floats:
        out = np.empty(price.size if fingerprint >= 0 else 0)
        for i in range(price.size):
            out[i] = kernel(
                price[i],
                t.spot[i],
                t.strike[i],
                t.years[i],
                t.rate[i],
                t.dividend_yield[i],
                t.right[i],
            )
        return out

    compiled: Callable[..., Floats] = loop
    return compiled


register_kernels()
_SOURCES = source_fingerprint(implied)
_european_values = _columns_loop(european_value, _SOURCES)
_american_values = _columns_loop(american_value, _SOURCES)
_european_greeks = _greeks_loop(european_greeks, _SOURCES)
_american_greeks = _greeks_loop(american_greeks, _SOURCES)
_european_implied = _implied_loop(european_implied_volatility, _SOURCES)
_american_implied = _implied_loop(american_implied_volatility, _SOURCES)
