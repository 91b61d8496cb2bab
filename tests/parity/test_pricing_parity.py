"""European pricing kernels, and chains priced in one pass, give the same bits as written and compiled."""

import random
from types import ModuleType

import numpy as np
import pytest

from ops_pipeline.compiled.kernels import compiled_of, source_fingerprint
from ops_pipeline.compiled.pricing import ChainTerms, imply_chain, price_chain, value_chain
from ops_pipeline.domain.pricing import european as e
from ops_pipeline.domain.pricing.american import american_greeks, american_value
from ops_pipeline.domain.pricing.implied import american_implied_volatility, european_implied_volatility
from ops_pipeline.domain.pricing.maturity import interpolate_total_variance
from ops_pipeline.domain.pricing.normal import normal_cdf, normal_density
from tests.parity.draws import living_terms, option, priced, terms
from tests.parity.harness import assert_parity, same

GENERATORS = {
    e.european_value: option,
    e.european_delta: option,
    e.european_rho: option,
    e.european_greeks: option,
    e.european_theta_per_day: option,
    e.european_gamma: terms,
    e.european_vega: terms,
    e.european_vega_per_point: terms,
    e.european_d1: living_terms,
    e.discounted_intrinsic: lambda source: (*terms(source)[:5], source.choice((1, -1))),
    european_implied_volatility: priced,
    normal_cdf: lambda source: (source.uniform(-40.0, 40.0),),
    normal_density: lambda source: (source.uniform(-40.0, 40.0),),
    interpolate_total_variance: lambda source: (
        source.choice((30.0, source.uniform(1.0, 30.0))),
        source.uniform(0.01, 4.0),
        source.choice((30.0, source.uniform(30.0, 90.0))),
        source.uniform(0.01, 4.0),
        30.0,
    ),
}


@pytest.mark.parametrize("kernel", GENERATORS, ids=lambda kernel: kernel.__name__)
def test_the_compiled_pricing_kernel_equals_the_plain_one(kernel):
    assert_parity(kernel, GENERATORS[kernel])


def columns(rows: list[tuple[float | int, ...]]) -> tuple[ChainTerms, np.ndarray]:
    table = np.array([row[:6] for row in rows]).T
    right = np.array([row[6] for row in rows])
    return ChainTerms(*table[:5], right), table[5]


def test_chain_loops_equal_the_plain_kernels_row_by_row():
    source = random.Random(7)
    rows = [option(source) for _ in range(300)]
    chain, volatility = columns(rows)
    for american, kernel in ((False, e.european_greeks), (True, american_greeks)):
        found = np.array(price_chain(chain, volatility, american=american)).T
        assert all(same(kernel(*row), tuple(line)) for row, line in zip(rows, found, strict=True))
    for american, value in ((False, e.european_value), (True, american_value)):
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
