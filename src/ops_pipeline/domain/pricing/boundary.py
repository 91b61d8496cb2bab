"""The early-exercise boundary of an American put with strike 1, as scalar kernels. Pure.

Method of Andersen, Lake and Offengenden (2016): the squared logarithm of the boundary is a Chebyshev
polynomial in the square root of time to expiry. It starts at the QD+ approximation (Li 2010) in
each node and is improved by Jacobi-Newton steps on the smooth-pasting equation. A call is the put
with spot and strike, and rate and yield, exchanged.
"""

import math
from typing import NamedTuple

from ops_pipeline.domain.pricing.normal import normal_cdf, normal_density
from ops_pipeline.domain.pricing.quadrature import chebyshev_rows, quarter_circle
from ops_pipeline.domain.units import kernel

_DEGREE = 6
_ROWS = chebyshev_rows(_DEGREE)
_POSITIONS = tuple(0.5 + 0.5 * math.cos(index * math.pi / _DEGREE) for index in range(_DEGREE))
_ARC = quarter_circle(8)
_QD_STEPS = 5
_LARGEST_STEP = 0.7


class PutTerms(NamedTuple):
    """An American put with strike 1: years, continuous rate (> 0) and yield, volatility."""

    years: float
    rate: float
    dividend_yield: float
    volatility: float


class ExerciseBoundary(NamedTuple):
    """Log of the boundary at expiry and Chebyshev coefficients of the squared gap below it."""

    log_ceiling: float
    c0: float
    c1: float
    c2: float
    c3: float
    c4: float
    c5: float
    c6: float


class QdTerms(NamedTuple):
    """What the QD+ equation of one node needs and no secant step changes."""

    rate: float
    dividend_yield: float
    volatility: float
    discount: float
    growth: float
    drift: float
    root_time: float
    deviation: float
    exponent: float
    curve: float
    share: float
    variance_discount: float


@kernel
def boundary_log(boundary: ExerciseBoundary, position: float) -> float:
    """Give the log boundary where the square root of time left is `position` (0..1) of the whole."""
    log_ceiling, c0, c1, c2, c3, c4, c5, c6 = boundary
    z = 4.0 * position - 2.0
    b5 = c5 + z * c6
    b4 = c4 + z * b5 - c6
    b3 = c3 + z * b4 - b5
    b2 = c2 + z * b3 - b4
    b1 = c1 + z * b2 - b3
    squared_gap = c0 + 0.5 * z * b1 - b2
    if squared_gap > 0.0:
        return log_ceiling - math.sqrt(squared_gap)
    return log_ceiling


@kernel
def solve_boundary(terms: PutTerms) -> ExerciseBoundary:
    """Find the exercise boundary up to `terms.years` before expiry."""
    log_ceiling = 0.0
    if terms.dividend_yield > terms.rate:
        log_ceiling = math.log(terms.rate / terms.dividend_yield)
    boundary = _through(
        log_ceiling,
        _starting_gap(0, log_ceiling, terms),
        _starting_gap(1, log_ceiling, terms),
        _starting_gap(2, log_ceiling, terms),
        _starting_gap(3, log_ceiling, terms),
        _starting_gap(4, log_ceiling, terms),
        _starting_gap(5, log_ceiling, terms),
    )
    return _improved(_improved(boundary, terms), terms)


@kernel
def _through(
    log_ceiling: float, h0: float, h1: float, h2: float, h3: float, h4: float, h5: float
) -> ExerciseBoundary:
    return ExerciseBoundary(
        log_ceiling,
        _coefficient(0, h0, h1, h2, h3, h4, h5),
        _coefficient(1, h0, h1, h2, h3, h4, h5),
        _coefficient(2, h0, h1, h2, h3, h4, h5),
        _coefficient(3, h0, h1, h2, h3, h4, h5),
        _coefficient(4, h0, h1, h2, h3, h4, h5),
        _coefficient(5, h0, h1, h2, h3, h4, h5),
        _coefficient(6, h0, h1, h2, h3, h4, h5),
    )


@kernel
def _coefficient(order: int, h0: float, h1: float, h2: float, h3: float, h4: float, h5: float) -> float:
    row = _ROWS[order]
    return row[0] * h0 + row[1] * h1 + row[2] * h2 + row[3] * h3 + row[4] * h4 + row[5] * h5


@kernel
def _improved(boundary: ExerciseBoundary, terms: PutTerms) -> ExerciseBoundary:
    return _through(
        boundary.log_ceiling,
        _improved_gap(0, boundary, terms),
        _improved_gap(1, boundary, terms),
        _improved_gap(2, boundary, terms),
        _improved_gap(3, boundary, terms),
        _improved_gap(4, boundary, terms),
        _improved_gap(5, boundary, terms),
    )


@kernel
def _improved_gap(node: int, boundary: ExerciseBoundary, terms: PutTerms) -> float:
    """Take one Jacobi-Newton step at `node` on the fixed point called A in the paper."""
    years, rate, dividend_yield, volatility = terms
    position = _POSITIONS[node]
    time = years * position * position
    deviation = volatility * math.sqrt(time)
    drift = (rate - dividend_yield) * time
    log_level = boundary_log(boundary, position)
    d1 = (log_level + drift) / deviation + 0.5 * deviation
    d2 = d1 - deviation
    density1, density2 = normal_density(d1), normal_density(d2)
    above, below = density2 / deviation, density1 / deviation + normal_cdf(d1)
    slope_above = -density2 * d2 / (deviation * deviation)
    slope_below = -density1 * d1 / (deviation * deviation) + density1 / deviation
    for sine, cosine, weight in _ARC:
        spread = deviation * sine
        log_ratio = log_level - boundary_log(boundary, position * cosine)
        e1 = (log_ratio + drift * sine * sine) / spread + 0.5 * spread
        e2 = e1 - spread
        left = time * cosine * cosine
        scale = weight * time
        above += scale * rate * math.exp(rate * left) * normal_density(e2) / spread
        if dividend_yield != 0.0:
            growth = dividend_yield * math.exp(dividend_yield * left)
            below += scale * growth * (normal_cdf(e1) + normal_density(e1) / spread)
    step = _log_step(log_level, drift, above, below, slope_above, slope_below)
    gap = boundary.log_ceiling - log_level
    gap -= _within(step, _LARGEST_STEP * gap)
    return gap * gap


@kernel
def _log_step(
    log_level: float,
    drift: float,
    above: float,
    below: float,
    slope_above: float,
    slope_below: float,
) -> float:
    """Give the change of the log boundary, 0 where the equation has no slope."""
    if below < 1e-100:
        return 0.0
    level = math.exp(log_level)
    discount = math.exp(-drift)
    target = discount * above / below
    slope = discount * (slope_above - slope_below * above / below) / below
    denominator = slope - level
    if denominator == 0.0:
        return 0.0
    return (level - target) / denominator


@kernel
def _within(step: float, limit: float) -> float:
    return max(-limit, min(limit, step))


@kernel
def _starting_gap(node: int, log_ceiling: float, terms: PutTerms) -> float:
    """Give the squared gap of QD+ at `node`, found by secant steps from a closed form."""
    position = _POSITIONS[node]
    time = terms.years * position * position
    equation = _qd_terms(time, terms)
    before = log_ceiling - _closed_form_log(time, terms)
    error_before = _qd_error(log_ceiling - before, equation)
    gap = before * (0.95 if error_before < 0.0 else 1.05)
    for _ in range(_QD_STEPS):
        error = _qd_error(log_ceiling - gap, equation)
        change = error - error_before
        if change == 0.0:
            break
        step = -error * (gap - before) / change
        before, error_before = gap, error
        gap += _within(step, _LARGEST_STEP * gap)
    return gap * gap


@kernel
def _closed_form_log(time: float, terms: PutTerms) -> float:
    """Give the log boundary of Bjerksund and Stensland (1993), exact at expiry and in perpetuity."""
    variance = terms.volatility * terms.volatility
    carry = terms.dividend_yield - terms.rate
    half = 0.5 - carry / variance
    power = half + math.sqrt(half * half + 2.0 * terms.dividend_yield / variance)
    perpetual = 1.0 + 1.0 / max(power - 1.0, 1e-12)
    at_expiry = max(1.0, terms.dividend_yield / terms.rate)
    room = max(perpetual - at_expiry, 1e-12)
    speed = carry * time + 2.0 * terms.volatility * math.sqrt(time)
    return -math.log(at_expiry + room * (1.0 - math.exp(min(0.0, -speed / (room * at_expiry)))))


@kernel
def _qd_terms(time: float, terms: PutTerms) -> QdTerms:
    _, rate, dividend_yield, volatility = terms
    variance = volatility * volatility
    discount, growth = math.exp(-rate * time), math.exp(-dividend_yield * time)
    decayed = -math.expm1(-rate * time)
    tilt = 2.0 * (rate - dividend_yield) / variance - 1.0
    pull = 2.0 * rate / variance
    root = math.sqrt(tilt * tilt + 4.0 * pull / decayed)
    root_time = math.sqrt(time)
    return QdTerms(
        rate,
        dividend_yield,
        volatility,
        discount,
        growth,
        (rate - dividend_yield) * time,
        root_time,
        volatility * root_time,
        -0.5 * (tilt + root),
        pull / decayed - pull * pull / (decayed * decayed * root * root),
        discount / root,
        variance * discount,
    )


@kernel
def _qd_error(log_level: float, equation: QdTerms) -> float:
    """Give by how much the QD+ smooth-pasting equation fails at a boundary of exp(log_level)."""
    (
        rate,
        dividend_yield,
        volatility,
        discount,
        growth,
        drift,
        root_time,
        deviation,
        exponent,
        curve,
        share,
        variance_discount,
    ) = equation
    level = math.exp(log_level)
    d1 = (log_level + drift) / deviation + 0.5 * deviation
    asset = level * growth * normal_cdf(-d1)
    cash = discount * normal_cdf(deviation - d1)
    premium = 1.0 - level - (cash - asset)
    decay = 0.5 * level * growth * normal_density(d1) * volatility / root_time
    theta = rate * cash - dividend_yield * asset - decay
    correction = share * (curve * premium - 2.0 * theta / variance_discount)
    return level - asset + exponent * premium + correction
