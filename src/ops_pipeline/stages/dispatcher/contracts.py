"""Chooses the contract: filter the whole chain, score what is left, take the best. Pure."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import IntEnum
from typing import NamedTuple

from ops_pipeline.domain.fees import round_trip_fees, unit_entry_fees
from ops_pipeline.domain.instruments import OptionContract, Right
from ops_pipeline.domain.market import Chain, OptionQuote, QuoteRules, Trust, is_usable, trust_of
from ops_pipeline.domain.rules import ContractRules, FeeRules
from ops_pipeline.domain.units import Bp, Occ, Usd4, round_event_float
from ops_pipeline.stages.dispatcher.filters import (
    ContractNumbers,
    contract_score,
    first_failure,
    numbers_of,
    spread_of,
    volume_needed,
)


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
        numbers = numbers_of(
            contract, quote, chain.spot, terms.elapsed, delta_of.get(occ), entry_fees, trip_fees
        )
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
