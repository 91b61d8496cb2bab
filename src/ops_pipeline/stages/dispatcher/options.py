"""The IV-rank check, fractional Kelly and the volatility factor of option entries. Pure."""

import math
from typing import NamedTuple

from ops_pipeline.domain.features import IvRank, IvStatus
from ops_pipeline.domain.orders import GateResult
from ops_pipeline.domain.rules import IvRules, SizingRules
from ops_pipeline.domain.units import kernel, round_event_float

IV_RANK = "iv_rank"
_REFUSE, _REDUCE = 0, 1
_FULL = 1.0
_MOST_DECIMALS = 10


class IvVerdict(NamedTuple):
    """The IV gate's result, and the size factor (0..1) that goes with it."""

    gate: GateResult
    factor: float


def validate_iv_rank(iv_rank: IvRank, rules: IvRules, *, insufficient_factor: float) -> IvVerdict:
    """Refuse expensive options: a rank above the limit, or no IV at all (RULEBOOK 5).

    A rank without enough history, or of a flat year, follows the configured policy: refused, sized
    by `insufficient_factor`, or allowed.
    """
    limit = f"{rules.rank_max:.2f}"
    if not _is_known(iv_rank):
        return IvVerdict(GateResult(IV_RANK, False, "IV Rank: missing", limit), 0.0)
    if round_event_float(iv_rank.rank) > rules.rank_max:
        above = _told_apart(iv_rank.rank, rules.rank_max)
        message = f"IV Rank too high: {above} > {limit} (options expensive)"
        return IvVerdict(GateResult(IV_RANK, False, message, limit), 0.0)
    if iv_rank.status is IvStatus.OK:
        message = f"IV Rank: {iv_rank.rank:.2f} (OK) · {iv_range_message(iv_rank)}"
        return IvVerdict(GateResult(IV_RANK, True, message, limit), _FULL)
    return _judge_thin_history(iv_rank, rules, insufficient_factor)


def _told_apart(rank: float, limit: float) -> str:
    """Write a rank above the limit with two decimals, or as many as show that it is above."""
    texts = (f"{rank:.{decimals}f}" for decimals in range(2, _MOST_DECIMALS))
    return next((text for text in texts if float(text) > limit), repr(rank))


def _judge_thin_history(iv_rank: IvRank, rules: IvRules, insufficient_factor: float) -> IvVerdict:
    message = f"IV Rank: {iv_rank.rank:.2f} ({iv_rank.status.value}, {iv_rank.readings} readings)"
    limit = f"{rules.rank_max:.2f} from {rules.readings_min} readings"
    if rules.insufficient == _REFUSE:
        return IvVerdict(GateResult(IV_RANK, False, message, limit), 0.0)
    factor = insufficient_factor if rules.insufficient == _REDUCE else _FULL
    return IvVerdict(GateResult(IV_RANK, True, f"{message}, size x {factor:.2f}", limit), factor)


def _is_known(iv_rank: IvRank) -> bool:
    if iv_rank.status is IvStatus.MISSING or iv_rank.iv is None:
        return False
    return math.isfinite(iv_rank.rank) and math.isfinite(iv_rank.iv) and iv_rank.iv > 0.0


def iv_range_message(iv_rank: IvRank) -> str:
    """Say where IV stands in its year: `IV: 0.35, 52-week range: 0.20-0.65`."""
    if iv_rank.iv is None or iv_rank.low is None or iv_rank.high is None:
        return "IV: unknown range"
    return f"IV: {iv_rank.iv:.2f}, 52-week range: {iv_rank.low:.2f}-{iv_rank.high:.2f}"


@kernel
def kelly_fraction(win_rate: float, avg_win: float, avg_loss: float, multiple: float, cap: float) -> float:
    """Give `multiple` of Kelly's (pW - qL) / W, within [0, cap]; 0 where nothing is ever won."""
    if not avg_win > 0.0:
        return 0.0
    loss = avg_loss if avg_loss >= 0.0 else -avg_loss
    fraction = multiple * (win_rate * avg_win - (1.0 - win_rate) * loss) / avg_win
    if not fraction > 0.0:
        return 0.0
    return min(fraction, cap)


def calculate_kelly_size(
    win_rate: float, avg_win: float, avg_loss: float, *, rules: SizingRules | None = None
) -> float:
    """Give the fraction of equity that may be lost: half Kelly, capped at 25 % (RULEBOOK 6).

    All are decimals; the sign of `avg_loss` does not matter. `rules` replaces the half and the cap.
    A win rate outside 0..1 or a value that is not finite raises ValueError.
    """
    if not (0.0 <= win_rate <= 1.0 and math.isfinite(avg_win) and math.isfinite(avg_loss)):
        raise ValueError(
            f"Kelly: expected a win rate in 0..1 and finite averages, was {win_rate}, {avg_win}, {avg_loss}"
        )
    multiple, cap = (rules.kelly_multiple, rules.kelly_cap) if rules else (0.5, 0.25)
    return kelly_fraction(win_rate, avg_win, avg_loss, multiple, cap)


@kernel
def atr_factor(atr: float, close: float, target: float, least: float, missing: float) -> float:
    """Give target / (atr / close) within [least, 1]; `missing` where either is not positive."""
    if not (atr > 0.0 and close > 0.0):
        return missing
    factor = target * close / atr
    if factor > 1.0:
        return 1.0
    return max(factor, least)


def calculate_atr_adjusted_size(
    fraction: float, atr: float | None, close: float, *, rules: SizingRules
) -> float:
    """Shrink `fraction` where the daily ATR exceeds its target share of the price; never raise it.

    `atr` and `close` in the same unit; None (unknown) takes the factor for missing ATR.
    """
    known = -1.0 if atr is None or not math.isfinite(atr) else atr
    return fraction * atr_factor(
        known, close, rules.atr_target, rules.atr_factor_min, rules.atr_factor_missing
    )
