"""What an account's closed trades say about its edge: a cautious Kelly fraction. Pure."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from ops_pipeline.domain.positions import Trade
from ops_pipeline.domain.rules import SizingRules
from ops_pipeline.domain.units import round_event_float
from ops_pipeline.stages.dispatcher.options import calculate_kelly_size

_PRIOR = 0.5
_TINY = 1e-300
_PRECISION = 1e-15
_TERMS = 300
_HALVINGS = 80


class KellySample(NamedTuple):
    """The sample behind a Kelly fraction; `fraction` None: too few trades to say.

    `win_rate` is the cautious quantile, `observed` the plain share of winners; averages are net
    profit over cost, decimals, the loss as a positive number.
    """

    trades: int
    wins: int
    observed: float
    win_rate: float
    avg_win: float
    avg_loss: float
    fraction: float | None


NO_SAMPLE = KellySample(0, 0, 0.0, 0.0, 0.0, 0.0, None)


def calculate_kelly_sample(trades: Sequence[Trade], *, now: datetime, rules: SizingRules) -> KellySample:
    """Summarise the newest trades within the rules' days and count, net of fees (RULEBOOK 6).

    Below the least sample the fraction is None: the tier's own fraction stands alone.
    """
    since = now - timedelta(days=rules.kelly_days)
    recent = sorted(
        (trade for trade in trades if since <= trade.closed_at <= now),
        key=lambda trade: (trade.closed_at, trade.position_id),
        reverse=True,
    )[: rules.kelly_sample]
    returns = [trade.pnl / trade.cost for trade in recent if trade.cost > 0]
    return kelly_sample_of(returns, rules=rules)


def kelly_numbers(sample: KellySample) -> tuple[tuple[str, float], ...]:
    """Name every value of a sample for the audit trail; a fraction of -1: too few trades to say."""
    return (
        ("kelly_trades", float(sample.trades)),
        ("kelly_wins", float(sample.wins)),
        ("kelly_win_rate", sample.win_rate),
        ("kelly_avg_win", sample.avg_win),
        ("kelly_avg_loss", sample.avg_loss),
        ("kelly_fraction", -1.0 if sample.fraction is None else sample.fraction),
    )


def kelly_sample_of(returns: Sequence[float], *, rules: SizingRules) -> KellySample:
    """Summarise trade returns (net profit over cost, decimals)."""
    if not returns:
        return NO_SAMPLE
    won = [value for value in returns if value > 0.0]
    lost = [-value for value in returns if value < 0.0]
    wins, count = len(won), len(returns)
    p = beta_quantile(rules.kelly_quantile, wins + _PRIOR, count - wins + _PRIOR)
    avg_win = round_event_float(math.fsum(won) / wins) if won else 0.0
    avg_loss = round_event_float(math.fsum(lost) / len(lost)) if lost else 0.0
    fraction = round_event_float(calculate_kelly_size(p, avg_win, avg_loss, rules=rules))
    return KellySample(
        trades=count,
        wins=wins,
        observed=round_event_float(wins / count),
        win_rate=p,
        avg_win=avg_win,
        avg_loss=avg_loss,
        fraction=fraction if count >= rules.kelly_least_sample else None,
    )


@lru_cache(maxsize=1024)
def beta_quantile(probability: float, a: float, b: float) -> float:
    """Give x with I_x(a, b) = probability, to 1e-9; a, b > 0 and probability in (0, 1)."""
    if not (0.0 < probability < 1.0 and a > 0.0 and b > 0.0):
        raise ValueError(f"Beta quantile: expected 0 < p < 1 and a, b > 0, was {probability}, {a}, {b}")
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if regularised_beta(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return round_event_float(0.5 * (low + high))


def regularised_beta(x: float, a: float, b: float) -> float:
    """Give I_x(a, b), the Beta distribution's cumulative probability at x in [0, 1]."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if x > (a + 1.0) / (a + b + 2.0):  # the fraction converges fast on this side of the mean only
        return 1.0 - regularised_beta(1.0 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) * _beta_fraction(x, a, b) / a


def _beta_fraction(x: float, a: float, b: float) -> float:
    """Sum the continued fraction of I_x(a, b) by Lentz's method (Abramowitz and Stegun 26.5.8)."""
    c, d = 1.0, _away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    d = 1.0 / d
    result = d
    for m in range(1, _TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        for term in (even, odd):
            d = 1.0 / _away_from_zero(1.0 + term * d)
            c = _away_from_zero(1.0 + term / c)
            result *= c * d
        if abs(c * d - 1.0) < _PRECISION:
            break
    return result


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
