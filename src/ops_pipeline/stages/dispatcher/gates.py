"""The last word on every opening order: all gates run, one failure refuses. Pure.

The only module that builds Approved for orders that add risk.
"""

from collections.abc import Callable

from ops_pipeline.domain.orders import Approved, GateResult, Refused, Verdict
from ops_pipeline.domain.units import SignalId
from ops_pipeline.stages.dispatcher import account_gates, market_gates, risk_gates
from ops_pipeline.stages.dispatcher.context import (
    AccountView,
    Candidate,
    DispatchRules,
    GateCase,
    GateContext,
    MarketView,
)
from ops_pipeline.stages.dispatcher.contract_gates import contract_gates
from ops_pipeline.stages.dispatcher.sizing import SIZE

Gate = Callable[[GateCase], GateResult]

# In the rulebook's order: the first that fails gives the refusal its reason.
ENTRY_GATES: tuple[Gate, ...] = (
    account_gates.account_identity,
    account_gates.trading_mode,
    account_gates.control_level,
    account_gates.reconciled,
    account_gates.updates,
    account_gates.not_blocked,
    account_gates.session_window,
    market_gates.bar_age,
    market_gates.features,
    market_gates.signal_age,
    market_gates.confidence,
    account_gates.no_duplicate,
    account_gates.position_count,
    account_gates.day_loss,
    account_gates.losses_in_row,
    account_gates.trades_today,
    account_gates.cooldown,
    account_gates.day_trades,
    market_gates.earnings,
    market_gates.regime,
)
OFFER_GATES: tuple[Gate, ...] = (
    risk_gates.order_shape,
    market_gates.quote,
    risk_gates.premium_at_risk,
    risk_gates.sector,
    risk_gates.premium_today,
    risk_gates.buying_power,
    risk_gates.dollar_delta,
    risk_gates.vega,
    risk_gates.theta,
    risk_gates.household,
)
ROLL_GATES: tuple[Gate, ...] = (
    account_gates.account_identity,
    account_gates.trading_mode,
    account_gates.control_level,
    account_gates.reconciled,
    account_gates.updates,
    account_gates.not_blocked,
)
ROLL_OFFER_GATES: tuple[Gate, ...] = (
    risk_gates.order_shape,
    market_gates.quote,
    risk_gates.premium_at_risk,
    risk_gates.buying_power,
)
_NOT_FOR_ROLLS = ("dte",)
# These look at the account and its rules alone ...
_OF_ACCOUNT = frozenset(
    {
        account_gates.account_identity,
        account_gates.trading_mode,
        account_gates.control_level,
        account_gates.reconciled,
        account_gates.updates,
        account_gates.position_count,
        account_gates.day_loss,
        account_gates.losses_in_row,
    }
)
# ... and these, too, as long as no contract is offered.
_OF_ACCOUNT_WITHOUT_OFFER = frozenset(OFFER_GATES) - {risk_gates.sector}


class Bench:
    """The gates before one account and its rules; what no candidate can change they judge once.

    It answers for the very values it was made for: before any other account or rules every gate runs.
    What the gates that need no contract said of a signal is kept for its verdict.
    """

    def __init__(self, account: AccountView, rules: DispatchRules) -> None:
        """Judge nothing yet."""
        self._account = account
        self._rules = rules
        self._known: dict[Gate, GateResult] = {}
        self._entries: dict[SignalId, tuple[MarketView, tuple[GateResult, ...]]] = {}

    def entry_results(self, case: GateCase) -> tuple[GateResult, ...]:
        """Give what the gates that need no contract say; asked again of a signal without an offer."""
        signal = case.candidate.signal
        if signal is None or case.candidate.offer is not None or not self._serves(case):
            return tuple([self.result(gate, case) for gate in ENTRY_GATES])
        known = self._entries.get(signal.id)
        if known is None or known[0] is not case.market:
            found = tuple([self.result(gate, case) for gate in ENTRY_GATES])
            known = self._entries[signal.id] = (case.market, found)
        return known[1]

    def result(self, gate: Gate, case: GateCase) -> GateResult:
        """Give what a gate says of a case."""
        alone = gate in _OF_ACCOUNT or (case.candidate.offer is None and gate in _OF_ACCOUNT_WITHOUT_OFFER)
        if not alone or not self._serves(case):
            return _answer(gate, case)
        known = self._known.get(gate)
        if known is None:
            known = self._known[gate] = _answer(gate, case)
        return known

    def _serves(self, case: GateCase) -> bool:
        return case.account is self._account and case.rules is self._rules


def _answer(gate: Gate, case: GateCase) -> GateResult:
    """Ask a gate; one that fails on what it is shown refuses, and leaves the exits their process."""
    try:
        return gate(case)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the inputs, it is no approval
        name = getattr(gate, "__name__", "gate")
        return GateResult(name, False, f"{type(error).__name__}: {error}", "an answer")


def evaluate(
    candidate: Candidate, context: GateContext, rules: DispatchRules, bench: Bench | None = None
) -> Verdict:
    """Run every gate on an entry; approve its intent only if each one passed.

    Refused names the first failing gate and carries all results; `budget_too_small` carries the cap
    that bound. Nothing is skipped: what cannot be judged fails. `bench` serves several candidates.
    """
    case = GateCase(candidate, context.account, context.market, rules)
    bench = bench or Bench(context.account, rules)
    results = (
        *bench.entry_results(case),
        *candidate.planned,
        *[bench.result(gate, case) for gate in OFFER_GATES],
        *contract_gates(case),
    )
    return _verdict(candidate, results)


def blocked_before_offer(
    candidate: Candidate, context: GateContext, rules: DispatchRules, bench: Bench | None = None
) -> bool:
    """Tell whether a gate that needs no contract already refuses, so that no chain need be asked for."""
    case = GateCase(candidate, context.account, context.market, rules)
    bench = bench or Bench(context.account, rules)
    return not all(result.passed for result in bench.entry_results(case))


def evaluate_roll(candidate: Candidate, context: GateContext, rules: DispatchRules) -> Verdict:
    """Run a roll's gates: account, controls, IV rank, liquidity, cost, budget, premium at risk.

    `context.account.book` must lack the old leg (`Book.without`). Duplicate, count, cooldown and
    DTE-window gates do not apply to rolls.
    """
    case = GateCase(candidate, context.account, context.market, rules)
    contract = contract_gates(case)
    results = (
        *(_answer(gate, case) for gate in ROLL_GATES),
        *candidate.planned,
        *(_answer(gate, case) for gate in ROLL_OFFER_GATES),
        *(result for result in contract if result.name not in _NOT_FOR_ROLLS),
    )
    return _verdict(candidate, results)


def _verdict(candidate: Candidate, results: tuple[GateResult, ...]) -> Verdict:
    failed = next((result for result in results if not result.passed), None)
    if failed is None and candidate.offer is not None:
        return Approved(intent=candidate.offer.intent, gates=results)
    return Refused(reason=_reason(candidate, failed), gates=results)


def _reason(candidate: Candidate, failed: GateResult | None) -> str:
    if failed is None:
        return "contract"
    if failed.name == SIZE:
        return f"budget_too_small: {candidate.shortfall}"
    return failed.name
