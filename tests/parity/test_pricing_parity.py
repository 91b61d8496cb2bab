"""Pricing kernels give the same bits as written and compiled."""

import math
import random
from types import ModuleType

import numpy as np
import pytest

from ops_pipeline.compiled.kernels import compiled_of, source_fingerprint
from ops_pipeline.compiled.pricing import ChainTerms, imply_chain, price_chain, value_chain
from ops_pipeline.domain.pricing.american import american_greeks, american_value
from ops_pipeline.domain.pricing.boundary import PutTerms, solve_boundary
from ops_pipeline.domain.pricing.european import (
    discounted_intrinsic,
    european_delta,
    european_gamma,
    european_greeks,
    european_rho,
    european_theta_per_day,
    european_value,
    european_vega,
    european_vega_per_point,
)
from ops_pipeline.domain.pricing.implied import (
    american_implied_volatility,
    european_implied_volatility,
)
from ops_pipeline.domain.pricing.normal import normal_cdf, normal_density
from tests.parity.harness import assert_parity, same

DRAWS = 100_000
# The plain American kernels take 0.4 ms a value and 1 ms a set of greeks or a volatility.
SLOW_DRAWS = 500


def terms(source: random.Random) -> tuple[float, ...]:
    spot = source.uniform(5.0, 800.0)
    return (
        spot,
        spot * math.exp(source.uniform(-0.5, 0.5)),
        source.choice((0.0, source.uniform(0.0, 0.1), source.uniform(0.0, 3.0))),
        source.uniform(-0.01, 0.1),
        source.choice((0.0, source.uniform(-0.02, 0.12))),
        source.choice((source.uniform(0.0, 0.1), source.uniform(0.05, 2.0))),
    )


def option(source: random.Random) -> tuple[float | int, ...]:
    return (*terms(source), source.choice((1, -1)))


def priced(source: random.Random) -> tuple[float | int, ...]:
    spot, strike, years, rate, dividend_yield, volatility = terms(source)
    right = source.choice((1, -1))
    price = european_value(spot, strike, years, rate, dividend_yield, volatility, right)
    return price + source.choice((0.0, 0.05)), spot, strike, years, rate, dividend_yield, right


@pytest.mark.parametrize("kernel", [european_value, european_delta, european_rho, european_greeks])
def test_european_kernels_of_a_right_are_equal_compiled(kernel):
    assert_parity(kernel, option, DRAWS)


@pytest.mark.parametrize("kernel", [european_gamma, european_vega, european_vega_per_point])
def test_european_kernels_common_to_both_rights_are_equal_compiled(kernel):
    assert_parity(kernel, terms, DRAWS)


def test_european_theta_is_equal_compiled():
    assert_parity(european_theta_per_day, option, DRAWS)


def test_discounted_intrinsic_is_equal_compiled():
    assert_parity(discounted_intrinsic, lambda s: (*terms(s)[:5], s.choice((1, -1))), DRAWS)


@pytest.mark.parametrize("kernel", [normal_cdf, normal_density])
def test_normal_distribution_is_equal_compiled(kernel):
    assert_parity(kernel, lambda source: (source.uniform(-40.0, 40.0),), DRAWS)


def test_european_implied_volatility_is_equal_compiled():
    assert_parity(european_implied_volatility, priced, DRAWS)


@pytest.mark.parametrize("kernel", [american_value, american_greeks])
def test_american_kernels_are_equal_compiled(kernel):
    assert_parity(kernel, option, SLOW_DRAWS)


def test_american_implied_volatility_is_equal_compiled():
    assert_parity(american_implied_volatility, priced, SLOW_DRAWS)


def test_exercise_boundary_is_equal_compiled_with_a_named_tuple_argument():
    def put(source: random.Random) -> tuple[PutTerms]:
        return (
            PutTerms(
                source.uniform(0.001, 3.0),
                source.uniform(0.001, 0.1),
                source.choice((0.0, 0.03)),
                source.uniform(0.05, 1.5),
            ),
        )

    assert_parity(solve_boundary, put, SLOW_DRAWS)


def columns(rows: list[tuple[float | int, ...]]) -> tuple[ChainTerms, np.ndarray]:
    table = np.array([row[:6] for row in rows]).T
    right = np.array([row[6] for row in rows])
    return ChainTerms(*table[:5], right), table[5]


def test_chain_loops_equal_the_plain_kernels_row_by_row():
    source = random.Random(7)
    rows = [option(source) for _ in range(300)]
    chain, volatility = columns(rows)
    for american, kernel in ((False, european_greeks), (True, american_greeks)):
        found = np.array(price_chain(chain, volatility, american=american)).T
        assert all(same(kernel(*row), tuple(line)) for row, line in zip(rows, found, strict=True))
    for american, value in ((False, european_value), (True, american_value)):
        found = value_chain(chain, volatility, american=american)
        assert all(same(value(*row), float(x)) for row, x in zip(rows, found, strict=True))


def test_chain_volatilities_equal_the_plain_kernels_row_by_row():
    source = random.Random(8)
    rows = [priced(source) for _ in range(200)]
    chain, price = columns([(*row[1:6], row[0], row[6]) for row in rows])
    for american, kernel in (
        (False, european_implied_volatility),
        (True, american_implied_volatility),
    ):
        found = imply_chain(chain, price, american=american)
        assert all(same(kernel(*row), float(x)) for row, x in zip(rows, found, strict=True))


def test_chain_columns_of_unequal_length_are_refused_with_their_shapes():
    chain, volatility = columns([option(random.Random(1)) for _ in range(3)])
    with pytest.raises(ValueError, match=r"expected one length, was spot \(3,\).*volatility \(2,\)"):
        price_chain(chain, volatility[:2], american=False)


def test_a_function_that_is_no_kernel_is_refused():
    with pytest.raises(ValueError, match="expected one listed by @kernel"):
        compiled_of(columns)


def test_fingerprint_of_the_sources_changes_with_any_file_beside_the_module(tmp_path):
    module = ModuleType("kernels")
    module.__file__ = str(tmp_path / "kernels.py")
    (tmp_path / "kernels.py").write_text("RATE = 1\n")
    (tmp_path / "tables.py").write_text("TABLE = (1, 2)\n")
    before = source_fingerprint(module)
    assert source_fingerprint(module) == before
    (tmp_path / "tables.py").write_text("TABLE = (1, 3)\n")
    assert source_fingerprint(module) != before
