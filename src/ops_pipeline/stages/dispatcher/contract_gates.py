"""The chosen contract judged again, filter by filter, with every figure shown. Pure."""

from ops_pipeline.domain.fees import round_trip_fees, unit_entry_fees
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.orders import GateResult
from ops_pipeline.domain.rules import ContractRules
from ops_pipeline.domain.units import format_usd
from ops_pipeline.stages.dispatcher.context import GateCase, Offer
from ops_pipeline.stages.dispatcher.costs import COST, cost_gate
from ops_pipeline.stages.dispatcher.filters import (
    ContractNumbers,
    contract_score,
    delta_fits,
    elapsed_share,
    numbers_of,
    open_interest_fits,
    spread_fits,
    spread_of,
    volume_fits,
    volume_needed,
)
from ops_pipeline.stages.dispatcher.risk_gates import NO_OFFER

CONTRACT_GATES = (
    "deliverable",
    "dte",
    "spread",
    "mid",
    "volume",
    "open_interest",
    "delta",
    "score",
    COST,
    "order_budget",
)
_WITHOUT_OFFER = tuple(GateResult(name, False, NO_OFFER, "a contract") for name in CONTRACT_GATES)


def contract_gates(case: GateCase) -> tuple[GateResult, ...]:
    """Give every contract filter's result for the offer; without one (or a session) all fail."""
    offer, session = case.candidate.offer, case.account.session
    if offer is None or session is None:
        return _WITHOUT_OFFER
    numbers = numbers_of(
        offer.contract,
        offer.quote,
        offer.spot,
        elapsed_share(session, case.account.now),
        offer.delta,
        unit_entry_fees(case.rules.fees),
        round_trip_fees(1, case.rules.fees),
    )
    return (
        *_identity_gates(offer, session),
        *_liquidity_gates(numbers, case.rules.contract),
        *_fit_gates(numbers, case.rules.contract),
        cost_gate(
            numbers.bid,
            numbers.ask,
            multiplier=numbers.multiplier,
            fees=case.rules.fees,
            stop=case.rules.stop,
            share=case.rules.contract.cost_max_of_stop,
        ),
        _budget_gate(offer, numbers),
    )


def _identity_gates(offer: Offer, session: Session) -> tuple[GateResult, GateResult]:
    contract = offer.contract
    dte = contract.days_to_expiry(session.date)
    deliverable = "adjusted" if contract.adjusted else "standard"
    return (
        GateResult("deliverable", not contract.adjusted, deliverable, "standard"),
        GateResult(
            "dte", offer.dte_min <= dte <= offer.dte_max, str(dte), f"{offer.dte_min}..{offer.dte_max}"
        ),
    )


def _liquidity_gates(c: ContractNumbers, r: ContractRules) -> tuple[GateResult, ...]:
    spread, mid = spread_of(c.bid, c.ask), (c.bid + c.ask) / 20_000
    volume = f"{_figure(c.volume)} today, {_figure(c.previous_volume)} before"
    need = f">= {volume_needed(c.elapsed, r):g} today or {r.volume_session} before"
    return (
        GateResult(
            "spread",
            spread_fits(c.bid, c.ask, r.spread_max),
            f"{spread * 100:.4g} %",
            f"<= {r.spread_max / 100:g} %",
        ),
        GateResult("mid", c.bid + c.ask >= 2 * r.mid_min, f"${mid:.4f}", f">= {format_usd(r.mid_min)}"),
        GateResult("volume", volume_fits(c.volume, c.previous_volume, c.elapsed, r), volume, need),
        GateResult(
            "open_interest",
            open_interest_fits(c.open_interest, r),
            _figure(c.open_interest),
            f">= {r.open_interest_min}",
        ),
    )


def _fit_gates(c: ContractNumbers, r: ContractRules) -> tuple[GateResult, GateResult]:
    delta = f"{c.delta:.4g}" if c.delta >= 0.0 else "missing"
    score = contract_score(c, r.spread_max)
    return (
        GateResult("delta", delta_fits(c.delta, r), delta, f"{r.delta_min:g}..{r.delta_max:g}"),
        GateResult("score", score >= r.least_score, f"{score:.4f}", f">= {r.least_score:g}"),
    )


def _budget_gate(offer: Offer, c: ContractNumbers) -> GateResult:
    """Hold the order, at the ask and at its own limit, against what was approved for it."""
    intent = offer.intent
    at_limit = intent.limit * c.multiplier + c.unit_cost - c.ask * c.multiplier
    cost = intent.qty * max(c.unit_cost, at_limit)
    return GateResult(
        "order_budget", cost <= intent.budget, format_usd(cost), f"<= {format_usd(intent.budget)}"
    )


def _figure(value: int) -> str:
    return str(value) if value >= 0 else "missing"
