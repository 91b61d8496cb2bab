"""Turns signals into candidates and verdicts, one account at a time, best signal first. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

from ops_pipeline.domain.features import FeatureRow
from ops_pipeline.domain.ids import client_order_id
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.orders import Approved, GateResult, Purpose, Verdict
from ops_pipeline.domain.sectors import sector_of
from ops_pipeline.domain.signals import Signal, Strategy
from ops_pipeline.domain.units import SignalId, Usd4, round_event_float
from ops_pipeline.stages.dispatcher.context import (
    AccountView,
    Candidate,
    DispatchRules,
    GateContext,
    MarketView,
    Offer,
)
from ops_pipeline.stages.dispatcher.contracts import (
    ChoiceTerms,
    ContractChoice,
    Filter,
    Scored,
    select_contract,
)
from ops_pipeline.stages.dispatcher.exposure import line_for
from ops_pipeline.stages.dispatcher.filters import elapsed_share, spread_of
from ops_pipeline.stages.dispatcher.gates import Bench, evaluate
from ops_pipeline.stages.dispatcher.kelly import kelly_numbers
from ops_pipeline.stages.dispatcher.offers import OrderCause, entry_intent, entry_offer
from ops_pipeline.stages.dispatcher.options import calculate_atr_adjusted_size, validate_iv_rank
from ops_pipeline.stages.dispatcher.regime import judge_regime
from ops_pipeline.stages.dispatcher.sizing import (
    Budget,
    Factors,
    Size,
    budget_numbers,
    calculate_budget,
    rooms_left,
    size_gate,
    size_order,
)

CHOICE = "contract"
_NO_CHOICE = ContractChoice(None, 0, ())


class OrderScope(NamedTuple):
    """What makes an account's order ids its own: the database's id and `ids.logical_account`."""

    database_id: str
    account: str


class Decision(NamedTuple):
    """One signal's candidate, its verdict, and every contract looked at."""

    signal: Signal
    candidate: Candidate
    verdict: Verdict
    choice: ContractChoice


def order_signals(signals: Iterable[Signal]) -> tuple[Signal, ...]:
    """Put signals in the order they are taken: confidence descending, then symbol, then id."""
    return tuple(sorted(signals, key=lambda signal: (-signal.confidence, signal.ticker, signal.id)))


def decide_entries(
    signals: Iterable[Signal],
    account: AccountView,
    markets: Mapping[SignalId, MarketView],
    rules: DispatchRules,
    *,
    scope: OrderScope,
    generations: Mapping[SignalId, int],
    bench: Bench | None = None,
) -> tuple[Decision, ...]:
    """Judge an account's signals in order; each sees the reservations of those approved before it.

    `generations` numbers the next order of a signal; 1 where it has had none. `bench` has looked at
    the signals before `account` already.
    """
    decisions: list[Decision] = []
    bench = bench or Bench(account, rules)
    for signal in order_signals(signals):
        context = GateContext(account=account, market=markets[signal.id])
        candidate, choice = plan_entry(
            signal, context, rules, scope=scope, generation=generations.get(signal.id, 1)
        )
        verdict = evaluate(candidate, context, rules, bench)
        decisions.append(Decision(signal, candidate, verdict, choice))
        if isinstance(verdict, Approved) and candidate.offer is not None:
            account = reserve(account, candidate.offer)
            bench = Bench(account, rules)
    return tuple(decisions)


def plan_entry(
    signal: Signal, context: GateContext, rules: DispatchRules, *, scope: OrderScope, generation: int
) -> tuple[Candidate, ContractChoice]:
    """Plan one entry: IV rank, budget, contract, quantity; the gates decide about it afterwards."""
    iv = validate_iv_rank(
        context.market.iv_rank, rules.iv, insufficient_factor=rules.sizing.insufficient_iv_factor
    )
    budget = plan_budget(signal.ticker, context, rules, iv_factor=iv.factor)
    window = dte_window(signal.strategy, rules)
    choice = _choose(signal, context, rules, budget=budget.amount, window=window)
    size = _size_of(choice.best, budget, rules)
    offer = None
    if choice.best is not None and size is not None and size.qty > 0 and context.market.chain is not None:
        order = client_order_id(scope.database_id, scope.account, Purpose.ENTRY, signal.id, generation)
        cause = OrderCause(signal, context.account.profile.id, order, generation)
        intent = entry_intent(cause, choice.best, budget, size, rules=rules)
        spot = context.market.chain.spot
        if intent is not None:
            offer = entry_offer(choice.best, intent, context.market, spot=spot, window=window)
    sized = size_gate(budget, size, cheapest=_cheapest(choice))
    candidate = Candidate(
        ticker=signal.ticker,
        right=signal.right,
        strategy=signal.strategy,
        signal=signal,
        planned=(iv.gate, choice_gate(choice), sized),
        shortfall="" if sized.passed else budget.binding,
        offer=offer,
        numbers=(
            *budget_numbers(budget),
            *kelly_numbers(context.account.kelly),
            *_choice_numbers(choice, size),
        ),
    )
    return candidate, choice


def plan_budget(ticker: str, context: GateContext, rules: DispatchRules, *, iv_factor: float) -> Budget:
    """Give the budget of one more order in `ticker`; nothing where the broker is unread."""
    view, market = context.account, context.market
    _, regime_factor = judge_regime(market.regime, age_sessions=market.regime_age, rules=rules.gates)
    return calculate_budget(
        view.broker.equity if view.broker is not None else 0,
        tier=rules.tier,
        kelly=view.kelly,
        live=view.live,
        factors=Factors(_atr_factor(market.features, rules), regime_factor, iv_factor),
        rooms=rooms_left(view, sector_of(ticker), tier=rules.tier, rules=rules.gates),
        rules=rules.sizing,
    )


def dte_window(strategy: Strategy, rules: DispatchRules) -> tuple[int, int]:
    """Give the days to expiry a strategy may buy, both ends included."""
    if strategy is Strategy.DAY:
        return rules.contract.day_dte_min, rules.contract.day_dte_max
    return rules.tier.swing_dte_min, rules.tier.swing_dte_max


def reserve(account: AccountView, offer: Offer) -> AccountView:
    """Give the account as if the approved order were already working."""
    cost = offer.intent.budget
    line = line_for(
        offer.contract,
        qty=offer.intent.qty,
        premium=cost,
        greeks=offer.greeks,
        spot=offer.spot,
        pending=True,
    )
    broker, home = account.broker, account.household
    return replace(
        account,
        book=None if account.book is None else account.book.with_line(line),
        day=account.day.with_entry(offer.contract.underlying, cost, account.now),
        broker=broker and replace(broker, options_buying_power=broker.options_buying_power - cost),
        household=home and replace(home, premium=home.premium + cost),
    )


def choice_gate(choice: ContractChoice) -> GateResult:
    """Report the choice: what was taken, or which filters rejected how many."""
    considered = choice.passed + len(choice.rejected)
    limit = "one contract passes every filter"
    if choice.best is not None:
        best = choice.best
        observed = f"{best.contract.occ}, score {best.score:.1f}, {choice.passed} of {considered} passed"
        return GateResult(CHOICE, True, observed, limit)
    counts = ", ".join(f"{name} {count}" for name, count in _rejections_by_filter(choice))
    observed = f"0 of {considered} passed{': ' if counts else ''}{counts}"
    return GateResult(CHOICE, _cheapest(choice) is not None, observed, limit)


def _choose(
    signal: Signal, context: GateContext, rules: DispatchRules, *, budget: Usd4, window: tuple[int, int]
) -> ContractChoice:
    chain, session = context.market.chain, context.account.session
    if chain is None or session is None:
        return _NO_CHOICE
    return select_contract(
        chain,
        _terms(signal, context, session, rules, budget=budget, window=window),
        rules=rules.contract,
        quotes=rules.quotes,
        fees=rules.fees,
        delta_of={occ: greeks.delta for occ, greeks in context.market.greeks.items()},
    )


def _terms(
    signal: Signal,
    context: GateContext,
    session: Session,
    rules: DispatchRules,
    *,
    budget: Usd4,
    window: tuple[int, int],
) -> ChoiceTerms:
    return ChoiceTerms(
        right=signal.right,
        first=session.date + timedelta(days=window[0]),
        last=session.date + timedelta(days=window[1]),
        session=session.date,
        now=context.account.now,
        elapsed=elapsed_share(session, context.account.now),
        budget=budget,
        stop=rules.stop,
    )


def _size_of(best: Scored | None, budget: Budget, rules: DispatchRules) -> Size | None:
    if best is None:
        return None
    return size_order(
        budget,
        ask=best.quote.ask or 0,
        multiplier=best.contract.multiplier,
        tier=rules.tier,
        fees=rules.fees,
    )


def _atr_factor(features: FeatureRow | None, rules: DispatchRules) -> float:
    atr, close = (None, 0.0) if features is None else (features.atr, float(features.close))
    return round_event_float(calculate_atr_adjusted_size(1.0, atr, close, rules=rules.sizing))


def _cheapest(choice: ContractChoice) -> Usd4 | None:
    costs = [row.observed for row in choice.rejected if row.filter is Filter.BUDGET]
    return round(min(costs) * 10_000) if costs else None


def _rejections_by_filter(choice: ContractChoice) -> Sequence[tuple[str, int]]:
    counts = Counter(row.filter for row in choice.rejected)
    return [(code.name.lower(), counts[code]) for code in sorted(counts)]


def _choice_numbers(choice: ContractChoice, size: Size | None) -> tuple[tuple[str, float], ...]:
    rows: list[tuple[str, float]] = [
        ("contracts_considered", choice.passed + len(choice.rejected)),
        ("contracts_passed", choice.passed),
    ]
    if choice.best is not None:
        quote = choice.best.quote
        rows += [
            ("score", choice.best.score),
            ("delta", choice.best.delta),
            ("spread", spread_of(quote.bid or 0, quote.ask or 0)),
        ]
    if size is not None:
        rows += [("qty", size.qty), ("qty_cap", size.cap), ("unit_cost", size.unit_cost)]
    return tuple((name, round_event_float(float(value))) for name, value in rows)
