"""Which size class an account belongs to, and when it moves to another. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from ops_pipeline.domain.accounts import Tier
from ops_pipeline.domain.rules import TierRules
from ops_pipeline.domain.units import Usd4


class TierStep(NamedTuple):
    """An account's tier after a session's open, and its signed count of sessions beyond a bound."""

    tier: Tier
    drift: int


def tier_for_equity(equity: Usd4, tiers: Sequence[TierRules]) -> Tier:
    """Give the tier an equity falls into; `tiers` in order, the last one unbounded."""
    for tier, row in zip(Tier, tiers, strict=True):
        if not row.equity_below or equity < row.equity_below:
            return tier
    raise ValueError("tiers: expected the last one without an upper bound (equity_below 0)")


def step_tier(
    tier: Tier, drift: int, *, equity: Usd4, tiers: Sequence[TierRules], change_sessions: int
) -> TierStep:
    """Count a session's open; after `change_sessions` in a row beyond a bound the tier changes.

    To be called once per session; equity within the tier's bounds resets the count.
    """
    natural = tier_for_equity(equity, tiers)
    if natural is tier:
        return TierStep(tier, 0)
    direction = 1 if natural > tier else -1
    count = drift + direction if drift * direction > 0 else direction
    if abs(count) >= change_sessions:
        return TierStep(natural, 0)
    return TierStep(tier, count)
