"""The numbers a contract is filtered and scored by. Pure."""

from datetime import datetime, timedelta
from typing import NamedTuple

from ops_pipeline.domain.instruments import OptionContract
from ops_pipeline.domain.market import OptionQuote, Session
from ops_pipeline.domain.rules import ContractRules
from ops_pipeline.domain.units import Usd4, kernel
from ops_pipeline.stages.dispatcher.costs import cost_fits

_LEAST_ELAPSED = 0.01
_MISSING = -1


class ContractNumbers(NamedTuple):
    """A contract as the kernels see it: prices Usd4, -1 for what is missing.

    `unit_cost` is one contract at the ask with entry fees, `trip_fees` those of the round trip,
    `elapsed` the session's elapsed share, 0.01..1, `target` the underlying's price.
    """

    bid: int
    ask: int
    volume: int
    previous_volume: int
    open_interest: int
    delta: float
    strike: int
    target: int
    multiplier: int
    elapsed: float
    unit_cost: int
    trip_fees: int


@kernel
def spread_fits(bid: int, ask: int, limit: int) -> bool:
    """Tell whether the spread is at most `limit` bp of the mid."""
    return 2 * (ask - bid) * 10_000 <= limit * (ask + bid)


@kernel
def volume_fits(volume: int, previous: int, elapsed: float, rules: ContractRules) -> bool:
    """Tell whether enough traded: today for the hour it is, or in the previous session."""
    if previous >= rules.volume_session:
        return True
    if volume < 0:
        return rules.missing_volume_allow == 1
    return volume >= rules.volume_min and volume >= rules.volume_session * elapsed


@kernel
def open_interest_fits(open_interest: int, rules: ContractRules) -> bool:
    """Tell whether enough contracts are open; a missing figure follows its policy."""
    if open_interest < 0:
        return rules.missing_open_interest_allow == 1
    return open_interest >= rules.open_interest_min


@kernel
def delta_fits(delta: float, rules: ContractRules) -> bool:
    """Tell whether |delta| lies within the limits; a missing one (negative) does not."""
    return rules.delta_min <= delta <= rules.delta_max


@kernel
def contract_score(c: ContractNumbers, spread_max: int) -> float:
    """Score a contract 0..100: spread 40, volume 30, delta 20, strike 10 (RULEBOOK 7)."""
    spread = 2.0 * (c.ask - c.bid) / (c.ask + c.bid) if c.ask + c.bid > 0 else 1.0
    score = 40.0 * _above_zero(1.0 - spread * 10_000.0 / spread_max)
    volume = c.volume / c.elapsed if c.volume > 0 else 0.0
    if volume >= 1_000.0:
        score += 30.0
    elif volume >= 200.0:
        score += 15.0 + 15.0 * (volume - 200.0) / 800.0
    score += _delta_points(c.delta)
    if c.target > 0:
        away = abs(c.strike - c.target) / c.target
        score += 10.0 * _above_zero(1.0 - away / 0.05)
    return score


@kernel
def _delta_points(delta: float) -> float:
    if 0.30 <= delta <= 0.50:
        return 20.0
    if 0.25 <= delta <= 0.60:
        return 15.0
    return 10.0 if 0.20 <= delta <= 0.70 else 5.0


@kernel
def _above_zero(value: float) -> float:
    return max(0.0, value)


@kernel
def first_failure(c: ContractNumbers, score: float, stop: int, budget: int, rules: ContractRules) -> int:
    """Give the number of the first filter from SPREAD on that rejects; 0 where none does."""
    if not spread_fits(c.bid, c.ask, rules.spread_max):
        return 4
    if c.bid + c.ask < 2 * rules.mid_min:
        return 5
    if not volume_fits(c.volume, c.previous_volume, c.elapsed, rules):
        return 6
    if not open_interest_fits(c.open_interest, rules):
        return 7
    if not delta_fits(c.delta, rules):
        return 8
    if score < rules.least_score:
        return 9
    if not cost_fits(c.bid, c.ask, c.multiplier, c.trip_fees, stop, rules.cost_max_of_stop):
        return 10
    return 11 if c.unit_cost > budget else 0


def numbers_of(
    contract: OptionContract,
    quote: OptionQuote,
    spot: Usd4,
    elapsed: float,
    computed_delta: float | None,
    entry_fees: Usd4,
    trip_fees: Usd4,
) -> ContractNumbers:
    """Give a two-sided quote as the kernels see it; a missing delta is taken from `computed_delta`."""
    delta = quote.delta if quote.delta is not None else computed_delta
    ask = quote.ask or 0
    return ContractNumbers(
        bid=quote.bid or 0,
        ask=ask,
        volume=_MISSING if quote.volume is None else quote.volume,
        previous_volume=_MISSING if quote.previous_volume is None else quote.previous_volume,
        open_interest=_MISSING if quote.open_interest is None else quote.open_interest,
        delta=-1.0 if delta is None else abs(delta),
        strike=contract.strike,
        target=spot,
        multiplier=contract.multiplier,
        elapsed=elapsed,
        unit_cost=ask * contract.multiplier + entry_fees,
        trip_fees=trip_fees,
    )


def elapsed_share(session: Session, now: datetime) -> float:
    """Give the share of the session that has passed, clamped to 0.01..1."""
    whole = (session.close_at - session.open_at) / timedelta(minutes=1)
    return min(1.0, max(_LEAST_ELAPSED, session.minutes_after_open(now) / whole))


def spread_of(bid: Usd4, ask: Usd4) -> float:
    """Give the spread as a decimal share of the mid."""
    return 2.0 * (ask - bid) / (ask + bid) if ask + bid > 0 else 1.0


def volume_needed(elapsed: float, rules: ContractRules) -> float:
    """Give the volume that today must have reached by now."""
    return max(float(rules.volume_min), rules.volume_session * elapsed)
