"""Statistics of the newest rows of a window: means, deviations, ratios. Pure.

Prices and volumes are integers, so their sums are exact. Floats are added in order, oldest first, by
plain additions: the builtin `sum` compensates on some Python versions and would differ between them.
"""

import math
from collections.abc import Sequence
from operator import truediv

from ops_pipeline.domain.units import kernel, round_event_float

SIGMA_RETURNS = 20
LONG_SIGMA_RETURNS = 60
VOLUME_BARS = 20


def mean_of_last(values: Sequence[int], count: int, *, skip: int = 0) -> float | None:
    """Average `count` values that end `skip` before the newest; None where there are fewer."""
    end = len(values) - skip
    if end < count:
        return None
    return sum(values[end - count : end]) / count


def change_of_mean(values: Sequence[int], count: int, *, back: int) -> float | None:
    """Give the moving average now less the one `back` rows ago, exact until the one division."""
    end = len(values) - back
    if end < count:
        return None
    return (sum(values[-count:]) - sum(values[end - count : end])) / count


def return_over(closes: Sequence[int], bars: int) -> float | None:
    """Give the simple return over the last `bars` bars; None where there are fewer."""
    if len(closes) <= bars:
        return None
    return closes[-1] / closes[-1 - bars] - 1.0


def log_returns(closes: Sequence[int]) -> list[float]:
    """Give ln(close / previous close) of consecutive closes > 0, one fewer than closes."""
    return list(map(math.log, map(truediv, closes[1:], closes)))


def deviation(values: Sequence[float]) -> float:
    """Give the sample standard deviation (ddof 1) of at least two values."""
    count = len(values)
    total = 0.0
    for value in values:
        total += value
    mean = total / count
    squares = 0.0
    for value in values:
        squares += (value - mean) * (value - mean)
    return math.sqrt(squares / (count - 1))


def sigma_and_ratio(closes: Sequence[int]) -> tuple[float | None, float | None]:
    """Give the deviation of the last 20 log returns, and it over that of the 60 before those.

    The first is None below 21 closes, the second below 81 or where the 60 did not move at all.
    """
    if len(closes) <= SIGMA_RETURNS:
        return None, None
    returns = log_returns(closes[-(SIGMA_RETURNS + LONG_SIGMA_RETURNS + 1) :])
    sigma = deviation(returns[-SIGMA_RETURNS:])
    if len(returns) < SIGMA_RETURNS + LONG_SIGMA_RETURNS:
        return sigma, None
    before = deviation(returns[:LONG_SIGMA_RETURNS])
    return sigma, sigma / before if before > 0.0 else None


def volume_ratio(volumes: Sequence[int | None]) -> float | None:
    """Give the last volume over the mean of the 20 before it.

    None below 21 bars, with any of them unknown, or where the 20 saw no trade.
    """
    known = [volume for volume in volumes[-(VOLUME_BARS + 1) :] if volume is not None]
    if len(known) <= VOLUME_BARS:
        return None
    before = sum(known[:-1])
    return known[-1] * VOLUME_BARS / before if before > 0 else None


@kernel
def true_range(high: float, low: float, previous_close: float) -> float:
    """Give Wilder's true range, in the unit of the prices."""
    return max(high, previous_close) - min(low, previous_close)


@kernel
def atr_step(previous: float, true_range_now: float, period: int) -> float:
    """Carry Wilder's average one bar on."""
    return (previous * (period - 1) + true_range_now) / period


def rounded(value: float | None) -> float | None:
    """Round a feature to 1e-9; None stays unknown."""
    return None if value is None else round_event_float(value)
