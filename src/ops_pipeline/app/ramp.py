"""How a live account begins: with a part of its caps. Pure."""

from ops_pipeline.app.options import OverrideOptions
from ops_pipeline.domain.rules import TierRules
from ops_pipeline.domain.units import Bp

# RELIABILITY 5.2.
_RAMP_SESSIONS = 5
_RAMP_BP: Bp = 2_500
_WHOLE: Bp = 10_000


def ramp_bp(sessions_done: int) -> Bp:
    """Give the share of its caps a live account gets: a quarter for its first five sessions."""
    return _RAMP_BP if sessions_done < _RAMP_SESSIONS else _WHOLE


def ramped(rules: TierRules, own: OverrideOptions, share: Bp) -> OverrideOptions:
    """Give an account's overrides with `share` of each cap, floored, at least one contract and position."""
    if share >= _WHOLE:
        return own
    caps = {
        "fraction_bp": rules.fraction,
        "at_risk_bp": rules.at_risk,
        "premium_day_bp": rules.premium_day,
        "contracts": rules.contracts,
        "positions": rules.positions,
        "day_loss_bp": rules.day_loss,
    }
    return own.model_copy(update={name: max(1, cap * share // _WHOLE) for name, cap in caps.items()})
