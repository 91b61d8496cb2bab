"""American values, greeks and volatilities against QuantLib's high-precision engine."""

import math
import random
from collections.abc import Callable

import pytest
import QuantLib as ql  # noqa: N813

from ops_pipeline.compiled.kernels import compiled_of
from ops_pipeline.domain.pricing.american import american_greeks, american_value
from ops_pipeline.domain.pricing.dividends import CashDividend, american_value_with_dividends
from ops_pipeline.domain.pricing.european import european_value
from ops_pipeline.domain.pricing.implied import (
    american_implied_volatility,
    european_implied_volatility,
)

TODAY = ql.Date(2, 1, 2026)
COUNT = ql.Actual365Fixed()
Terms = tuple[float, float, float, float, float, float, int]


def process(spot: float, rate: float, dividend_yield: float, volatility: float):
    ql.Settings.instance().evaluationDate = TODAY
    return ql.BlackScholesMertonProcess(
        ql.QuoteHandle(ql.SimpleQuote(spot)),
        ql.YieldTermStructureHandle(ql.FlatForward(TODAY, dividend_yield, COUNT)),
        ql.YieldTermStructureHandle(ql.FlatForward(TODAY, rate, COUNT)),
        ql.BlackVolTermStructureHandle(ql.BlackConstantVol(TODAY, ql.NullCalendar(), volatility, COUNT)),
    )


def option(strike: float, days: int, right: int):
    payoff = ql.PlainVanillaPayoff(ql.Option.Call if right > 0 else ql.Option.Put, strike)
    return ql.VanillaOption(payoff, ql.AmericanExercise(TODAY, TODAY + days))


def precise(terms: Terms) -> float:
    spot, strike, years, rate, dividend_yield, volatility, right = terms
    scheme = ql.QdFpAmericanEngine.highPrecisionScheme()
    vanilla = option(strike, round(years * 365), right)
    vanilla.setPricingEngine(ql.QdFpAmericanEngine(process(spot, rate, dividend_yield, volatility), scheme))
    return vanilla.NPV()


def listed(source: random.Random) -> Terms:
    """Draw terms as listed equity options have them, spot about 100."""
    return (
        100.0 * math.exp(source.uniform(-0.25, 0.25)),
        100.0,
        source.randint(2, 365) / 365,
        source.uniform(0.005, 0.06),
        source.choice((0.0, source.uniform(0.0, 0.05))),
        source.uniform(0.12, 0.9),
        source.choice((1, -1)),
    )


def sample(count: int, draw: Callable[[random.Random], Terms] = listed) -> list[Terms]:
    source = random.Random(1973)
    return [draw(source) for _ in range(count)]


def test_american_values_of_listed_options_are_within_a_hundredth_of_a_cent_at_the_99th_percentile():
    value = compiled_of(american_value)
    errors = sorted(abs(value(*terms) - precise(terms)) for terms in sample(300))
    assert errors[296] < 1e-4
    assert errors[-1] < 1e-3


def test_american_greeks_are_the_slopes_of_quantlibs_values():
    greeks = compiled_of(american_greeks)
    for terms in sample(40):
        found, (spot, *rest) = greeks(*terms), terms
        if found.gamma == 0.0:
            continue
        step = 0.01 * spot
        up, here, down = (precise((spot + move, *rest)) for move in (step, 0.0, -step))
        assert found.delta == pytest.approx((up - down) / (2 * step), abs=5e-3)
        higher, lower = ((*terms[:5], terms[5] + move, terms[6]) for move in (0.001, -0.001))
        vega = (precise(higher) - precise(lower)) / 0.2
        assert found.vega_per_point == pytest.approx(vega, abs=2e-3)
        assert found.gamma == pytest.approx((up - 2 * here + down) / step**2, abs=0.02)


def test_american_theta_is_the_loss_of_one_day_in_quantlibs_values():
    for terms in sample(40):
        days = round(terms[2] * 365)
        if days < 30:
            continue
        found = compiled_of(american_greeks)(*terms)
        after, before = (precise((*terms[:2], (days + d) / 365, *terms[3:])) for d in (-1, 1))
        assert found.theta_per_day == pytest.approx((after - before) / 2, abs=5e-4)


def test_american_volatility_recovers_the_one_behind_quantlibs_price():
    implied = compiled_of(american_implied_volatility)
    for terms in sample(80):
        spot, strike, years, rate, dividend_yield, volatility, right = terms
        price = precise(terms)
        if price - max(0.0, right * (spot - strike)) < 0.05:
            continue
        found = implied(price, spot, strike, years, rate, dividend_yield, right)
        assert found == pytest.approx(volatility, abs=2e-4), terms


def test_european_volatility_recovers_its_own_to_1e_12_on_realistic_options():
    worst = 0.0
    value, implied = compiled_of(european_value), compiled_of(european_implied_volatility)
    for spot, strike, years, rate, dividend_yield, volatility, right in sample(20_000):
        price = value(spot, strike, years, rate, dividend_yield, volatility, right)
        intrinsic = right * (spot * math.exp(-dividend_yield * years) - strike * math.exp(-rate * years))
        if price - max(0.0, intrinsic) < 0.01:
            continue
        found = implied(price, spot, strike, years, rate, dividend_yield, right)
        worst = max(worst, abs(found - volatility))
    assert worst < 1e-12


def test_european_volatility_survives_twelve_deviations_out_of_the_money():
    source, worst = random.Random(12), 0.0
    value, implied = compiled_of(european_value), compiled_of(european_implied_volatility)
    for _ in range(9_000):
        years = math.exp(source.uniform(math.log(0.1 / 365), math.log(3.0)))
        volatility = math.exp(source.uniform(math.log(0.03), math.log(4.0)))
        strike = 100.0 * math.exp(min(40.0, source.uniform(0.0, 12.0) * volatility * math.sqrt(years)))
        price = value(100.0, strike, years, 0.0, 0.0, volatility, 1)
        found = implied(price, 100.0, strike, years, 0.0, 0.0, 1)
        assert not math.isnan(found)
        worst = max(worst, abs(found - volatility))
    assert worst < 1e-10


@pytest.mark.parametrize("right", [1, -1])
def test_known_dividends_are_priced_within_two_cents_of_finite_differences(right):
    source = random.Random(90)
    for _ in range(12):
        spot, days = source.uniform(85.0, 115.0), source.randint(30, 300)
        rate, volatility = source.uniform(0.01, 0.05), source.uniform(0.15, 0.5)
        paid = [(day, 0.5) for day in range(source.randint(5, 60), days, 91)]
        schedule = ql.DividendVector([TODAY + day for day, _ in paid], [cash for _, cash in paid])
        engine = ql.FdBlackScholesVanillaEngine(
            process(spot, rate, 0.0, volatility),
            schedule,
            200,
            400,
            0,
            ql.FdmSchemeDesc.Douglas(),
            False,
            -1e300,
            ql.FdBlackScholesVanillaEngine.Escrowed,
        )
        vanilla = option(100.0, days, right)
        vanilla.setPricingEngine(engine)
        found = american_value_with_dividends(
            spot,
            100.0,
            years=days / 365,
            rate=rate,
            volatility=volatility,
            right=right,
            dividends=[CashDividend(day / 365, cash) for day, cash in paid],
        )
        assert found == pytest.approx(vanilla.NPV(), abs=0.02)
