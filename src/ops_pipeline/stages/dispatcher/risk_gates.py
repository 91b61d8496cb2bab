"""Gates on what the account would risk with this order: premium, buying power, greeks, household. Pure."""

from ops_pipeline.domain.orders import GateResult, Side
from ops_pipeline.domain.sectors import sector_of
from ops_pipeline.domain.units import Bp, Usd4, format_usd
from ops_pipeline.stages.dispatcher.account_gates import UNKNOWN
from ops_pipeline.stages.dispatcher.context import GateCase, Offer
from ops_pipeline.stages.dispatcher.exposure import GreekTotals, total_greeks
from ops_pipeline.stages.dispatcher.sizing import BUYING_POWER_BUFFER

NO_OFFER = "no contract"
_LONG_ONLY = "buy to open of the chosen contract, for this account"


def _cap(name: str, amount: Usd4 | None, cap: Usd4 | None) -> GateResult:
    """Compare an amount, this order included, with its cap; either unknown refuses."""
    limit = UNKNOWN if cap is None else f"<= {format_usd(cap)}"
    if amount is None or cap is None:
        return GateResult(name, False, UNKNOWN, limit)
    return GateResult(name, amount <= cap, format_usd(amount), limit)


def _cost(case: GateCase) -> Usd4:
    return case.candidate.offer.intent.budget if case.candidate.offer is not None else 0


def order_shape(case: GateCase) -> GateResult:
    """Pass where the intent buys the judged contract for this account, and sells only to close."""
    if case.candidate.offer is None:
        return GateResult("order", False, NO_OFFER, _LONG_ONLY)
    intent, contract = case.candidate.offer.intent, case.candidate.offer.contract
    bought = [leg.occ for leg in intent.legs if leg.side is Side.BUY_TO_OPEN]
    passed = (
        intent.purpose.opens
        and intent.account == case.account.profile.id
        and bought == [contract.occ]
        and intent.multiplier == contract.multiplier
    )
    observed = f"{intent.purpose.name.lower()} {intent.qty} x {', '.join(bought) or 'nothing'}"
    return GateResult("order", passed, f"{observed} for {intent.account}", _LONG_ONLY)


def premium_at_risk(case: GateCase) -> GateResult:
    """Pass while all premium, this order's approved cost included, is within the tier's share."""
    view = case.account
    cap = None if view.broker is None else view.broker.equity * case.rules.tier.at_risk // 10_000
    amount = None if view.book is None else view.book.premium + _cost(case)
    return _cap("premium_at_risk", amount, cap)


def sector(case: GateCase) -> GateResult:
    """Pass while the premium of the underlying's sector is within its part of that share."""
    view = case.account
    cap = None
    if view.broker is not None:
        at_risk = view.broker.equity * case.rules.tier.at_risk // 10_000
        cap = at_risk * case.rules.gates.sector_share // 10_000
    name = sector_of(case.candidate.ticker)
    amount = None if view.book is None else view.book.premium_of(name) + _cost(case)
    result = _cap("sector", amount, cap)
    return GateResult("sector", result.passed, f"{result.observed} in {name}", result.limit)


def premium_today(case: GateCase) -> GateResult:
    """Pass while the premium bought today, this order included, is within the tier's share."""
    view = case.account
    cap = None if view.broker is None else view.broker.equity * case.rules.tier.premium_day // 10_000
    return _cap("premium_today", view.day.premium + _cost(case), cap)


def buying_power(case: GateCase) -> GateResult:
    """Pass while the order costs at most the options buying power less its 2 % buffer."""
    broker = case.account.broker
    cap = None
    if broker is not None:
        cap = broker.options_buying_power * 10_000 // (10_000 + BUYING_POWER_BUFFER)
    return _cap("buying_power", _cost(case), cap)


def household(case: GateCase) -> GateResult:
    """Pass while all accounts together, this order included, risk at most the household's share."""
    home = case.account.household
    cap = None if home is None else home.equity * case.rules.gates.household_at_risk // 10_000
    return _cap("household", None if home is None else home.premium + _cost(case), cap)


def dollar_delta(case: GateCase) -> GateResult:
    """Pass while |sum of signed dollar deltas| is within its share of equity."""
    total = _greeks_with(case)
    return _greek(
        "dollar_delta", None if total is None else total.dollar_delta, case.rules.tier.dollar_delta, case
    )


def vega(case: GateCase) -> GateResult:
    """Pass while |vega| per vol point is within its share of equity."""
    total = _greeks_with(case)
    return _greek("vega", None if total is None else total.vega, case.rules.tier.vega, case)


def theta(case: GateCase) -> GateResult:
    """Pass while |theta| per calendar day is within its share of equity."""
    total = _greeks_with(case)
    return _greek("theta", None if total is None else total.theta, case.rules.tier.theta, case)


def _greek(name: str, total: int | None, share: Bp, case: GateCase) -> GateResult:
    broker = case.account.broker
    cap = None if broker is None else broker.equity * share // 10_000
    result = _cap(name, None if total is None else abs(total), cap)
    observed = UNKNOWN if total is None else format_usd(total)
    return GateResult(name, result.passed, observed, result.limit)


def _greeks_with(case: GateCase) -> GreekTotals | None:
    """Add the order's greeks to the book's; without an offer the book's alone."""
    book = case.account.book
    held = None if book is None else book.greeks()
    if held is None or case.candidate.offer is None:
        return held
    own = offer_greeks(case.candidate.offer)
    if own is None:
        return None
    return GreekTotals(held.dollar_delta + own.dollar_delta, held.vega + own.vega, held.theta + own.theta)


def offer_greeks(offer: Offer) -> GreekTotals | None:
    """Give an offer's greeks over its whole quantity; None where they are unknown."""
    if offer.greeks is None:
        return None
    units = offer.intent.qty * offer.contract.multiplier
    return total_greeks(offer.greeks, spot=offer.spot, units=units)
