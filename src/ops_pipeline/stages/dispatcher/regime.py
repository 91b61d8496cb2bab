"""The volatility regime: how much of a normal size the market's mood allows. Pure."""

from ops_pipeline.domain.orders import GateResult
from ops_pipeline.domain.records import RegimeReading
from ops_pipeline.domain.rules import GateRules
from ops_pipeline.domain.units import kernel

REGIME = "regime"


@kernel
def regime_factor(value: float, age: int, half: float, quarter: float, none: float, stale: int) -> float:
    """Give 1, 1/2, 1/4 or 0 by index level; older than `stale` sessions is at most a quarter."""
    if value >= none or not value > 0.0:
        return 0.0
    if value >= quarter or age > stale:
        return 0.25
    return 0.5 if value >= half else 1.0


def judge_regime(
    reading: RegimeReading | None, *, age_sessions: int, rules: GateRules
) -> tuple[GateResult, float]:
    """Give the regime gate and its size factor; no reading at all refuses.

    `age_sessions` counts sessions from the reading's to the current one (1: yesterday's close).
    """
    limit = f"< {rules.regime_none:g}"
    if reading is None:
        return GateResult(REGIME, False, "no volatility reading", limit), 0.0
    factor = regime_factor(
        reading.value,
        age_sessions,
        rules.regime_half,
        rules.regime_quarter,
        rules.regime_none,
        rules.regime_stale_sessions,
    )
    observed = f"{reading.value:g} ({reading.source}, {age_sessions} sessions old), size x {factor:g}"
    return GateResult(REGIME, factor > 0.0, observed, limit), factor
