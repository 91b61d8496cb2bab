"""Checked prices and volatilities name the argument they refuse."""

import math

import pytest

from ops_pipeline.domain.pricing.checks import price_option, solve_implied_volatility

AT_THE_MONEY = {
    "spot": 100.0,
    "strike": 100.0,
    "years": 0.5,
    "rate": 0.04,
    "dividend_yield": 0.01,
    "right": 1,
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"volatility": -0.2}, r"volatility must be > 0, was -0\.2"),
        ({"volatility": 0.0}, r"volatility must be > 0, was 0\.0"),
        ({"volatility": 45.0}, r"volatility must be <= 20, was 45\.0"),
        ({"spot": 0.0}, r"spot must be > 0, was 0\.0"),
        ({"strike": -1.0}, r"strike must be > 0, was -1\.0"),
        ({"years": -0.1}, r"years must be >= 0, was -0\.1"),
        ({"rate": math.nan}, r"rate must be a finite number, was nan"),
        ({"rate": 4.5}, r"rate must be <= 2, was 4\.5"),
        ({"dividend_yield": -3.0}, r"dividend_yield must be >= -2, was -3\.0"),
        ({"right": 0}, r"right must be \+1 \(call\) or -1 \(put\), was 0"),
    ],
)
def test_impossible_argument_is_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        price_option(**({"volatility": 0.2} | AT_THE_MONEY | change))


@pytest.mark.parametrize("american", [True, False])
@pytest.mark.parametrize(("right", "price"), [(1, 9.0), (1, 101.0), (-1, 99.5)])
def test_price_that_no_volatility_explains_is_refused(american, right, price):
    terms = AT_THE_MONEY | {"right": right, "spot": 110.0 if price == 9.0 else 100.0}
    if right < 0:
        terms |= {"rate": 0.2} if not american else {"strike": 99.0}
    with pytest.raises(ValueError, match="price must be above"):
        solve_implied_volatility(price, **terms, american=american)


def test_volatility_of_an_expired_option_is_refused():
    with pytest.raises(ValueError, match="years must be > 0"):
        solve_implied_volatility(1.0, **(AT_THE_MONEY | {"years": 0.0}))


@pytest.mark.parametrize("american", [True, False])
def test_expired_option_is_worth_its_intrinsic_value(american):
    found = price_option(**(AT_THE_MONEY | {"years": 0.0, "spot": 103.0}), volatility=0.3, american=american)
    assert found.value == pytest.approx(3.0)
    assert (found.delta, found.gamma, found.vega_per_point) == (1.0, 0.0, 0.0)


def test_textbook_call_has_its_textbook_value_and_greeks():
    # Hull, Options, Futures and Other Derivatives: stock 49, strike 50, 5 %, 20 %, 20 weeks.
    found = price_option(
        49.0,
        50.0,
        years=0.3846,
        rate=0.05,
        dividend_yield=0.0,
        volatility=0.2,
        right=1,
        american=False,
    )
    assert found.value == pytest.approx(2.40, abs=0.005)
    assert found.delta == pytest.approx(0.522, abs=0.0005)
    assert found.gamma == pytest.approx(0.066, abs=0.0005)
    assert found.theta_per_day == pytest.approx(-0.0118, abs=0.00005)
    assert found.vega_per_point == pytest.approx(0.121, abs=0.0005)
