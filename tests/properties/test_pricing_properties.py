"""Laws that every option price obeys, whatever the terms."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops_pipeline.compiled.kernels import compiled_of
from ops_pipeline.domain.pricing.american import american_value
from ops_pipeline.domain.pricing.dividends import (
    CashDividend,
    equivalent_yield,
    implied_dividend_yield,
    implied_forward,
)
from ops_pipeline.domain.pricing.european import (
    discounted_intrinsic,
    european_greeks,
    european_value,
)
from ops_pipeline.domain.pricing.implied import (
    american_implied_volatility,
    european_implied_volatility,
)

# Compiled values equal the plain ones bit for bit, and a law needs many of them.
american = compiled_of(american_value)
american_volatility = compiled_of(american_implied_volatility)

spots = st.floats(10.0, 1_000.0)
moneyness = st.floats(-0.4, 0.4)
times = st.floats(1 / 365, 2.0)
rates = st.floats(0.0, 0.08)
yields = st.floats(0.0, 0.08)
volatilities = st.floats(0.08, 1.5)
rights = st.sampled_from((1, -1))
terms = st.tuples(spots, moneyness, times, rates, yields, volatilities).map(
    lambda t: (t[0], t[0] * math.exp(t[1]), *t[2:])
)
# The American method's own error: 1e-5 of the strike.
SLACK = 1e-5


@given(terms)
def test_put_and_call_keep_parity(option):
    spot, strike, years, rate, dividend_yield, _ = option
    forward_value = spot * math.exp(-dividend_yield * years) - strike * math.exp(-rate * years)
    difference = european_value(*option, 1) - european_value(*option, -1)
    assert difference == pytest.approx(forward_value, abs=1e-10 * spot)


@given(terms, rights, st.floats(0.001, 0.5))
def test_value_rises_with_volatility(option, right, more):
    wilder = (*option[:5], option[5] + more)
    assert european_value(*wilder, right) >= european_value(*option, right) - 1e-11 * option[0]
    assert american(*wilder, right) >= american(*option, right) - SLACK * option[1]


@given(terms, rights, st.floats(0.001, 0.2))
def test_calls_rise_and_puts_fall_with_the_spot(option, right, more):
    higher = (option[0] * (1.0 + more), *option[1:])
    slack = 1e-11 * option[0]
    assert right * (european_value(*higher, right) - european_value(*option, right)) >= -slack
    assert right * (american(*higher, right) - american(*option, right)) >= -SLACK * option[1]


@given(terms, rights)
def test_american_is_worth_at_least_the_european_and_its_exercise(option, right):
    value = american(*option, right)
    # A call is priced as a put in units of the spot: some roundings of value.
    rounding = 1e-14 * (option[0] + option[1])
    assert value >= european_value(*option, right) - rounding
    assert value >= right * (option[0] - option[1]) - rounding
    assert value <= (option[0] if right > 0 else option[1]) + rounding


@given(terms)
def test_american_call_without_yield_is_european(option):
    plain = (*option[:4], 0.0, option[5])
    assert american(*plain, 1) == pytest.approx(european_value(*plain, 1), rel=1e-12, abs=1e-12)


@given(terms, rights, st.floats(1 / 365, 0.5))
def test_american_value_rises_with_time(option, right, more):
    longer = (*option[:2], option[2] + more, *option[3:])
    assert american(*longer, right) >= american(*option, right) - SLACK * option[1]


@given(terms, rights)
def test_greeks_are_the_slopes_of_the_value(option, right):
    found = european_greeks(*option, right)
    step = 1e-4 * option[0]
    up = european_value(option[0] + step, *option[1:], right)
    down = european_value(option[0] - step, *option[1:], right)
    assert found.delta == pytest.approx((up - down) / (2 * step), abs=1e-4)
    assert found.value == pytest.approx(european_value(*option, right), abs=1e-11 * option[0])


@given(terms, rights)
def test_european_volatility_comes_back_from_its_price(option, right):
    price = european_value(*option, right)
    if price - discounted_intrinsic(*option[:5], right) < 1e-3 * option[0]:
        return
    assert european_implied_volatility(price, *option[:5], right) == pytest.approx(option[5], abs=1e-9)


@settings(max_examples=60)
@given(terms, rights)
def test_american_volatility_comes_back_from_its_price(option, right):
    price = american(*option, right)
    if price - max(0.0, right * (option[0] - option[1])) < 1e-2 * option[0]:
        return
    found = american_volatility(price, *option[:5], right)
    assert american(*option[:5], found, right) == pytest.approx(price, abs=1e-9 * option[0])


@given(terms, rights, st.floats(0.0, 1.0))
def test_prices_outside_the_bounds_have_no_volatility(option, right, depth):
    floor = discounted_intrinsic(*option[:5], right)
    spot, strike, years, rate, dividend_yield, _ = option
    ceiling = spot * math.exp(-dividend_yield * years) if right > 0 else strike * math.exp(-rate * years)
    for price in (floor - depth * spot, ceiling * (1.0 + 1e-9) + depth):
        assert math.isnan(european_implied_volatility(price, *option[:5], right))


@given(terms)
def test_parity_gives_back_the_forward_and_the_yield(option):
    spot, strike, years, rate, dividend_yield, _ = option
    call, put = european_value(*option, 1), european_value(*option, -1)
    forward = implied_forward(call, put, strike, years=years, rate=rate)
    found = implied_dividend_yield(spot, forward, years=years, rate=rate)
    assert found == pytest.approx(dividend_yield, abs=1e-10 / years)


def test_equivalent_yield_takes_the_dividends_off_the_forward():
    paid = [CashDividend(0.25, 1.0), CashDividend(0.75, 1.0)]
    found = equivalent_yield(100.0, paid, years=0.5, rate=0.0)
    assert 100.0 * math.exp(-found * 0.5) == pytest.approx(99.0)


def test_dividends_worth_more_than_the_stock_are_refused():
    with pytest.raises(ValueError, match="dividends: expected a present value"):
        equivalent_yield(10.0, [CashDividend(0.1, 11.0)], years=0.5, rate=0.0)
