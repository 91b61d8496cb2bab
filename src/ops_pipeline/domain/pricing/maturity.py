"""Implied volatility at a constant maturity, between the expiries around it. Pure."""

import math
from collections.abc import Iterable

from ops_pipeline.domain.units import kernel


def constant_maturity_iv(points: Iterable[tuple[float, float]], *, target_days: float) -> float | None:
    """Interpolate (days, IV) points to `target_days` in total variance between the nearest around it.

    None where all lie on one side: nothing is extrapolated; expiries of less than a day are ignored.
    """
    ordered = sorted(point for point in points if point[0] >= 1.0)
    near = [point for point in ordered if point[0] <= target_days]
    far = [point for point in ordered if point[0] >= target_days]
    if not near or not far:
        return None
    return interpolate_total_variance(*near[-1], *far[0], target_days)


@kernel
def interpolate_total_variance(
    near_days: float, near_iv: float, far_days: float, far_iv: float, days: float
) -> float:
    """Give the IV at `days`, 0 < near_days <= days <= far_days, linear in iv x iv x days."""
    if far_days <= near_days:
        return near_iv
    near_variance = near_iv * near_iv * near_days
    far_variance = far_iv * far_iv * far_days
    share = (days - near_days) / (far_days - near_days)
    return math.sqrt((near_variance + share * (far_variance - near_variance)) / days)
