"""The normal distribution as scalar kernels. Pure."""

import math

from ops_pipeline.domain.units import kernel

INVERSE_ROOT_TWO = 0.7071067811865476
INVERSE_ROOT_TWO_PI = 0.3989422804014327


@kernel
def normal_cdf(x: float) -> float:
    """Give the probability that a standard normal variable is below `x`."""
    return 0.5 * math.erfc(-x * INVERSE_ROOT_TWO)


@kernel
def normal_density(x: float) -> float:
    """Give the standard normal density at `x`."""
    return INVERSE_ROOT_TWO_PI * math.exp(-0.5 * x * x)
