"""Random options for the parity tests: any moneyness, spent and living, with and without yield. Pure."""

import math
import random

from ops_pipeline.domain.pricing.boundary import PutTerms
from ops_pipeline.domain.pricing.european import european_value


def terms(source: random.Random) -> tuple[float, ...]:
    """Draw spot, strike, years, rate, yield and volatility; a third of the options are spent."""
    spot = source.uniform(5.0, 800.0)
    return (
        spot,
        spot * math.exp(source.uniform(-0.5, 0.5)),
        source.choice((0.0, source.uniform(0.0, 0.1), source.uniform(0.0, 3.0))),
        source.uniform(-0.01, 0.1),
        source.choice((0.0, source.uniform(-0.02, 0.12))),
        source.choice((source.uniform(0.0, 0.1), source.uniform(0.05, 2.0))),
    )


def living_terms(source: random.Random) -> tuple[float, ...]:
    """Draw terms with time and volatility left."""
    spot, strike, years, rate, dividend_yield, volatility = terms(source)
    return spot, strike, years + 0.001, rate, dividend_yield, volatility + 0.001


def option(source: random.Random) -> tuple[float | int, ...]:
    """Draw terms and a right."""
    return (*terms(source), source.choice((1, -1)))


def priced(source: random.Random) -> tuple[float | int, ...]:
    """Draw an option by its price: its European value or five cents above."""
    spot, strike, years, rate, dividend_yield, volatility = terms(source)
    right = source.choice((1, -1))
    price = european_value(spot, strike, years, rate, dividend_yield, volatility, right)
    return price + source.choice((0.0, 0.05)), spot, strike, years, rate, dividend_yield, right


def put(source: random.Random) -> tuple[PutTerms]:
    """Draw an American put that may be worth exercising early."""
    return (
        PutTerms(
            source.uniform(0.001, 3.0),
            source.uniform(0.001, 0.1),
            source.choice((0.0, source.uniform(0.0, 0.12))),
            source.uniform(0.05, 1.5),
        ),
    )
