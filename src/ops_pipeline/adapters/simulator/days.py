"""Daily states of the market factor and of each name: returns, volatility, regimes. Pure.

Log prices are free of splits. Daily volatility and implied volatility are decimals; `iv` states
are logs of the 30-day volatility without any earnings bump.
"""

import math
from typing import NamedTuple

from ops_pipeline.adapters.simulator.draws import draw_normals, draw_uniforms
from ops_pipeline.adapters.simulator.names import QUARTER, NameProfile
from ops_pipeline.adapters.simulator.stories import Story, earnings_gap, tell_stories
from ops_pipeline.adapters.simulator.world_rules import WorldRules

ROOT_YEAR = math.sqrt(252.0)
# A story of the night moves the open by this share of its impact; the rest drifts in after it.
OPEN_SHARE = 0.6
_OVERNIGHT = 0.5
INTRADAY = math.sqrt(1.0 - _OVERNIGHT * _OVERNIGHT)
_REALISED = 0.88
# A quiet name moves at this share of what its options imply, which itself settles a little lower.
_QUIET_REALISED = 0.35
_QUIET_IV = 0.88
# Its distance from the drift line keeps this share a session; the noise makes up the session's volatility.
_QUIET_MEMORY = 0.2
_QUIET_NOISE = 0.775
_IV_PULL = 0.035
_IV_NOISE = 0.042
_IV_LEVERAGE = 0.026
# Calm, normal, turbulent: factor on implied volatility and chance to stay for another session.
_REGIMES = ((0.80, 0.965), (1.0, 0.965), (1.55, 0.90))
# Up, flat, down: drift in units of daily volatility, and the chance to stay.
_TRENDS = (0.22, 0.0, -0.22)
_TREND_STAYS = 0.92


class MarketDay(NamedTuple):
    """The market factor in one session: regime, daily volatility, both returns, log IV."""

    regime: int
    sigma: float
    overnight: float
    intraday: float
    iv_before: float
    iv: float


class NameDay(NamedTuple):
    """One name in one session. Logs of price: last close, open, close; `intraday` without stories.

    `sigma` is the volatility of the intraday return, `iv_shift` the change of log IV that does not
    come from the price, `deviation` the place around the drift line in a quiet phase.
    """

    before: float
    open: float
    close: float
    intraday: float
    sigma: float
    iv_before: float
    iv: float
    iv_shift: float
    trend: int
    quiet: bool
    deviation: float


def next_market_day(rules: WorldRules, before: MarketDay | None, index: int) -> MarketDay:
    """Derive the market factor's session `index` from the one before it."""
    stay, turn = draw_uniforms(2, rules.seed, "market", "regime", index)
    overnight, intraday, shock = draw_normals(3, rules.seed, "market", "day", index)
    regime, level = (1, math.log(rules.market_iv)) if before is None else (before.regime, before.iv)
    if stay > _REGIMES[regime][1]:
        regime = 1 if regime != 1 else (0 if turn < 0.65 else 2)
    factor, _ = _REGIMES[regime]
    sigma = _REALISED * math.exp(level) / ROOT_YEAR
    moved = sigma * (_OVERNIGHT * overnight + INTRADAY * intraday)
    target = math.log(rules.market_iv * factor)
    iv = level + 0.08 * (target - level) + _IV_NOISE * shock - 1.4 * _IV_LEVERAGE * moved / sigma
    drift = 0.0002 * INTRADAY
    return MarketDay(
        regime, sigma, sigma * _OVERNIGHT * overnight, sigma * INTRADAY * intraday + drift, level, iv
    )


def is_quiet(rules: WorldRules, name: NameProfile, index: int) -> bool:
    """Tell whether a name moves at 0.35 of what its options imply in session `index`."""
    if name.quiet_first <= index < name.quiet_first + name.quiet_sessions:
        return True
    quarter, place = divmod(index - name.earnings_offset - 3, QUARTER)
    return 0 <= place < 28 and uniform_of(rules, name, "quiet", quarter) < 0.15


def uniform_of(rules: WorldRules, name: NameProfile, purpose: str, number: int) -> float:
    """Give the one uniform value of a name for a purpose and number."""
    return draw_uniforms(1, rules.seed, name.ticker, purpose, number)[0]


def next_name_day(
    rules: WorldRules, name: NameProfile, before: NameDay | None, market: MarketDay, index: int
) -> NameDay:
    """Derive a name's session `index` from the one before it and the market's."""
    if before is None:
        start = math.log(name.iv)
        before = NameDay(0.0, 0.0, 0.0, 0.0, 0.0, start, start, 0.0, 1, False, 0.0)
    if is_quiet(rules, name, index):
        return _quiet_day(rules, name, before, index)
    return _lively_day(rules, name, before, market, index)


def _lively_day(
    rules: WorldRules, name: NameProfile, before: NameDay, market: MarketDay, index: int
) -> NameDay:
    overnight, intraday, shock, jump = draw_normals(4, rules.seed, name.ticker, "day", index)
    stay, turn, jumps = draw_uniforms(3, rules.seed, name.ticker, "phase", index)
    trend = before.trend if stay < _TREND_STAYS else int(3.0 * turn)
    sigma = _REALISED * math.exp(before.iv) / ROOT_YEAR
    own = math.sqrt(max(0.4 * sigma * sigma, sigma * sigma - (name.beta * market.sigma) ** 2))
    leap = 3.0 * sigma * jump if jumps < 0.012 else 0.0
    gap = name.beta * market.overnight + own * _OVERNIGHT * overnight + leap
    gap += earnings_gap(rules, name, index) + dividend_drop(name, index)
    inside = name.beta * market.intraday + own * INTRADAY * intraday + _TRENDS[trend] * sigma
    stories = tell_stories(rules, name, index)
    gap += sigma * night_impact(stories) * OPEN_SHARE
    told = sigma * day_impact(stories)
    total = gap + inside + told
    pull = _IV_PULL * (math.log(name.iv * _regime_factor(market)) - before.iv)
    shift = pull + _IV_NOISE * shock
    iv = before.iv + shift + answer_to_move(total, INTRADAY * sigma)
    start = before.close
    return NameDay(
        start, start + gap, start + total, inside, INTRADAY * sigma, before.iv, iv, shift, trend, False, 0.0
    )


def answer_to_move(moved: float, sigma: float) -> float:
    """Give what a log return since the last close adds to log IV; `sigma` of the intraday return."""
    return -_IV_LEVERAGE * max(-4.0, min(4.0, moved * INTRADAY / sigma))


def _quiet_day(rules: WorldRules, name: NameProfile, before: NameDay, index: int) -> NameDay:
    """Let a name drift gently around a line, far less than its options imply."""
    noise, shock = draw_normals(2, rules.seed, name.ticker, "quiet day", index)
    sigma = _QUIET_REALISED * math.exp(before.iv) / ROOT_YEAR
    deviation = _QUIET_MEMORY * before.deviation + _QUIET_NOISE * sigma * noise
    drift = name.quiet_drift or 0.06 * math.exp(before.iv) / ROOT_YEAR
    moved = drift + deviation - before.deviation
    gap = 0.5 * moved + dividend_drop(name, index) + earnings_gap(rules, name, index)
    shift = _IV_PULL * (math.log(_QUIET_IV * name.iv) - before.iv) + 0.5 * _IV_NOISE * shock
    start = before.close
    return NameDay(
        start, start + gap, start + gap + 0.5 * moved, 0.5 * moved, 0.8 * sigma,
        before.iv, before.iv + shift, shift, 1, True, deviation,
    )  # fmt: skip


def _regime_factor(market: MarketDay) -> float:
    return 1.0 + 0.5 * (_REGIMES[market.regime][0] - 1.0)


def dividend_drop(name: NameProfile, index: int) -> float:
    """Give the log return a price loses at the open of an ex-date."""
    return math.log1p(-name.dividend) if name.pays_on(index) else 0.0


def night_impact(stories: tuple[Story, ...]) -> float:
    """Add up what the stories of the night are worth, in daily volatilities."""
    return math.fsum(story.impact for story in stories if story.when < 0.0)


def day_impact(stories: tuple[Story, ...]) -> float:
    """Add up what of the stories moves the price after the open, in daily volatilities."""
    inside = math.fsum(story.impact for story in stories if story.when >= 0.0)
    return inside + (1.0 - OPEN_SHARE) * night_impact(stories)
