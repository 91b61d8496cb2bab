"""American pricing kernels give the same bits as written and compiled.

The plain ones take 0.1 to 0.4 ms a call, so each kernel's draws are spread over several tests, which
parallel workers share.
"""

import random

import pytest

from ops_pipeline.domain.pricing.american import american_greeks, american_value
from ops_pipeline.domain.pricing.boundary import ExerciseBoundary, boundary_log, solve_boundary
from ops_pipeline.domain.pricing.implied import american_implied_volatility
from tests.parity.draws import option, priced, put
from tests.parity.harness import DRAWS, assert_parity


def place(source: random.Random) -> tuple[ExerciseBoundary, float]:
    """Draw any coefficients: some make the squared gap negative."""
    coefficients = [source.uniform(-0.02, 0.2), *(source.gauss(0.0, 0.05) for _ in range(6))]
    return ExerciseBoundary(source.uniform(-1.0, 0.0), *coefficients), source.random()


PARTS = 4
GENERATORS = {
    american_value: option,
    american_greeks: option,
    american_implied_volatility: priced,
    solve_boundary: put,
    boundary_log: place,
}


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("kernel", GENERATORS, ids=lambda kernel: kernel.__name__)
def test_the_compiled_american_kernel_equals_the_plain_one(kernel, part):
    assert_parity(kernel, GENERATORS[kernel], draws=DRAWS // PARTS, part=part)
