"""An account's tier follows its equity, slowly (RULEBOOK 6)."""

import pytest

from ops_pipeline.domain.accounts import Tier
from ops_pipeline.stages.dispatcher.tiers import step_tier, tier_for_equity
from tests.builders_dispatch import SETTINGS, usd

TIERS = [SETTINGS.tier_rules(tier) for tier in Tier]


@pytest.mark.parametrize(
    ("equity", "tier"),
    [
        ("1999.99", Tier.TINY),
        (2_000, Tier.SMALL),
        (5_000, Tier.MEDIUM),
        (24_999, Tier.MEDIUM),
        (25_000, Tier.LARGE),
    ],
)
def test_tiers_by_equity(equity, tier):
    assert tier_for_equity(usd(equity), TIERS) is tier


def test_a_tier_changes_after_five_sessions_in_a_row_beyond_a_bound():
    tier, drift = Tier.TINY, 0
    seen = []
    for equity in (2_100, 2_100, 1_900, 2_100, 2_100, 2_100, 2_100, 2_100):
        tier, drift = step_tier(tier, drift, equity=usd(equity), tiers=TIERS, change_sessions=5)
        seen.append((tier, drift))
    assert seen[2] == (Tier.TINY, 0)
    assert seen[-2:] == [(Tier.TINY, 4), (Tier.SMALL, 0)]


def test_sessions_beyond_opposite_bounds_do_not_add_up():
    assert step_tier(Tier.SMALL, 4, equity=usd(1_000), tiers=TIERS, change_sessions=5) == (Tier.SMALL, -1)
    assert step_tier(Tier.SMALL, -4, equity=usd(1_000), tiers=TIERS, change_sessions=5) == (Tier.TINY, 0)
