"""Chooses the contract: filter the whole chain, score what is left, take the best. Pure."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import IntEnum
from typing import NamedTuple

from ops_pipeline.domain.fees import round_trip_fees, unit_entry_fees
from ops_pipeline.domain.instruments import OptionContract, Right
from ops_pipeline.domain.market import Chain, OptionQuote, QuoteRules, Session, Trust, is_usable, trust_of
from ops_pipeline.domain.rules import ContractRules, FeeRules
from ops_pipeline.domain.units import Bp, Occ, Usd4, kernel, round_event_float
from ops_pipeline.stages.dispatcher.costs import cost_fits

_LEAST_ELAPSED = 0.01
_MISSING = -1


class Filter(IntEnum):
    """The filters in the order they run; PASSED where none rejects."""

    PASSED = 0
    ADJUSTED = 1
    DTE = 2
    QUOTE = 3
    SPREAD = 4
    MID = 5
    VOLUME = 6
    OPEN_INTEREST = 7
    DELTA = 8
    SCORE = 9
    COST = 10
    BUDGET = 11


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


class Rejection(NamedTuple):
    """Why a contract was passed over: the filter, what was observed, and what was needed."""

    occ: Occ
    filter: Filter
    observed: float
    limit: float

    @property
    def text(self) -> str:
        """Say it: `spread 11.80 % > 10.00 %`."""
        return describe(self.filter, self.observed, self.limit)


class Scored(NamedTuple):
    """A contract that passed every filter, with its score 0..100 and its |delta|."""

    contract: OptionContract
    quote: OptionQuote
    trust: Trust
    score: float
    delta: float
    unit_cost: Usd4


class ContractChoice(NamedTuple):
    """The best contract (None: none passed), how many passed, and every rejection."""

    best: Scored | None
    passed: int
    rejected: tuple[Rejection, ...]


class ChoiceTerms(NamedTuple):
    """What a contract is wanted for: expirations from `first` to `last`, at most `budget` Usd4 each."""

    right: Right
    first: date
    last: date
    session: date
    now: datetime
    elapsed: float
    budget: Usd4
    stop: Bp


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
    return value if value > 0.0 else 0.0


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


def select_contract(
    chain: Chain,
    terms: ChoiceTerms,
    *,
    rules: ContractRules,
    quotes: QuoteRules,
    fees: FeeRules,
    delta_of: Mapping[Occ, float],
) -> ContractChoice:
    """Choose among all contracts of the wanted right; equal scores: tighter spread, then symbol.

    `delta_of` completes quotes without delta. Contracts of the other right are not considered.
    """
    entry_fees, trip_fees = unit_entry_fees(fees), round_trip_fees(1, fees)
    rejected: list[Rejection] = []
    best: Scored | None = None
    best_key: tuple[float, float, str] = (0.0, 0.0, "")
    passed = 0
    for occ, contract in chain.contracts.items():
        if contract.right is not terms.right:
            continue
        quote = chain.quotes.get(occ)
        early, trust = _early_rejection(contract, quote, chain.spot, terms, quotes)
        if early is not None or quote is None:
            rejected.append(early or Rejection(occ, Filter.QUOTE, -1.0, 0.0))
            continue
        numbers = numbers_of(contract, quote, chain.spot, terms.elapsed, delta_of.get(occ), entry_fees, trip_fees)
        score = contract_score(numbers, rules.spread_max)
        code = first_failure(numbers, score, terms.stop, terms.budget, rules)
        if code:
            rejected.append(_rejection(occ, Filter(code), numbers, score, terms, rules))
            continue
        passed += 1
        key = (-score, spread_of(numbers.bid, numbers.ask), occ)
        if best is None or key < best_key:
            best_key = key
            best = Scored(contract, quote, trust, round_event_float(score), numbers.delta, numbers.unit_cost)
    return ContractChoice(best, passed, tuple(rejected))


def _early_rejection(
    contract: OptionContract, quote: OptionQuote | None, spot: Usd4, terms: ChoiceTerms, rules: QuoteRules
) -> tuple[Rejection | None, Trust]:
    if contract.adjusted:
        return Rejection(contract.occ, Filter.ADJUSTED, 1.0, 0.0), Trust.IMPOSSIBLE
    if not terms.first <= contract.expiration <= terms.last:
        limit = terms.first if contract.expiration < terms.first else terms.last
        observed, bound = contract.days_to_expiry(terms.session), (limit - terms.session).days
        return Rejection(contract.occ, Filter.DTE, float(observed), float(bound)), Trust.IMPOSSIBLE
    if quote is None:
        return Rejection(contract.occ, Filter.QUOTE, -1.0, 0.0), Trust.IMPOSSIBLE
    trust = trust_of(quote, contract, spot=spot, now=terms.now, rules=rules)
    if not is_usable(trust, rules):
        return Rejection(contract.occ, Filter.QUOTE, float(trust), 0.0), trust
    return None, trust


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


def _rejection(
    occ: Occ, code: Filter, c: ContractNumbers, score: float, terms: ChoiceTerms, rules: ContractRules
) -> Rejection:
    match code:
        case Filter.SPREAD:
            return Rejection(occ, code, spread_of(c.bid, c.ask), rules.spread_max / 10_000)
        case Filter.MID:
            return Rejection(occ, code, (c.bid + c.ask) / 20_000, rules.mid_min / 10_000)
        case Filter.VOLUME:
            return Rejection(occ, code, float(c.volume), volume_needed(c.elapsed, rules))
        case Filter.OPEN_INTEREST:
            return Rejection(occ, code, float(c.open_interest), float(rules.open_interest_min))
        case Filter.DELTA:
            limit = rules.delta_min if c.delta < rules.delta_min else rules.delta_max
            return Rejection(occ, code, c.delta, limit)
        case Filter.SCORE:
            return Rejection(occ, code, score, rules.least_score)
        case Filter.COST:
            paid = (c.ask - c.bid) * c.multiplier + c.trip_fees
            limit = rules.cost_max_of_stop * terms.stop / 10_000
            return Rejection(occ, code, paid / (c.ask * c.multiplier), limit)
        case _:
            return Rejection(occ, code, c.unit_cost / 10_000, terms.budget / 10_000)


def describe(code: Filter, observed: float, limit: float) -> str:
    """Say in words what a filter saw and what it needs; a negative figure was missing."""
    name = code.name.lower().replace("_", " ")
    match code:
        case Filter.PASSED:
            return "passed"
        case Filter.ADJUSTED:
            return "adjusted deliverable: close-only"
        case Filter.QUOTE:
            return f"quote {Trust(int(observed)).name.lower()}" if observed >= 0 else "quote missing"
        case Filter.SPREAD | Filter.COST:
            return f"{name} {observed * 100:.2f} % > {limit * 100:.2f} %"
        case Filter.MID:
            return f"mid ${observed:.3f} < ${limit:.2f}"
        case Filter.BUDGET:
            return f"one contract costs ${observed:,.2f} > ${limit:,.2f}"
        case _ if observed < 0 and code is not Filter.DTE:
            return f"{name} missing"
        case _:
            return f"{name} {observed:g} {'<' if observed < limit else '>'} {limit:g}"
