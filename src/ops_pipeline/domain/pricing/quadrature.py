"""Gauss-Legendre nodes and Chebyshev weights as tables of constants. Pure."""

import math


def gauss_legendre(count: int) -> tuple[tuple[float, float], ...]:
    """Give (abscissa, weight) pairs that integrate polynomials on [-1, 1] up to degree 2 count - 1."""
    pairs = []
    for index in range(count):
        x = math.cos(math.pi * (index + 0.75) / (count + 0.5))
        for _ in range(8):
            value, slope = _legendre(count, x)
            x -= value / slope
        slope = _legendre(count, x)[1]
        pairs.append((x, 2.0 / ((1.0 - x * x) * slope * slope)))
    return tuple(pairs)


def _legendre(degree: int, x: float) -> tuple[float, float]:
    before, value = 1.0, x
    for order in range(2, degree + 1):
        before, value = value, ((2 * order - 1) * x * value - (order - 1) * before) / order
    return value, degree * (x * value - before) / (x * x - 1.0)


def quarter_circle(count: int) -> tuple[tuple[float, float, float], ...]:
    """Give (sine, cosine, weight) for integrals over time elapsed from 0 to 1.

    With time = sine squared the weight holds 2 sine cosine: square roots of the time elapsed and of
    the time left are both smooth in the angle, so few nodes suffice.
    """
    table = []
    for x, weight in gauss_legendre(count):
        angle = 0.25 * math.pi * (x + 1.0)
        sine, cosine = math.sin(angle), math.cos(angle)
        table.append((sine, cosine, 0.25 * math.pi * weight * 2.0 * sine * cosine))
    return tuple(table)


def chebyshev_rows(degree: int) -> tuple[tuple[float, ...], ...]:
    """Give the rows that turn values at the extrema cos(i pi / degree) into coefficients.

    The value at the last extremum, -1, is taken as 0 and its column is left out.
    """
    rows = []
    for order in range(degree + 1):
        scale = 2.0 / degree * (0.5 if order in (0, degree) else 1.0)
        row = [scale * math.cos(index * order * math.pi / degree) for index in range(degree)]
        row[0] *= 0.5
        rows.append(tuple(row))
    return tuple(rows)
