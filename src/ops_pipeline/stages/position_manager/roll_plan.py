"""Plans a roll: the successor, its size and its gates, as one candidate for the dispatcher's judges. Pure."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ops_pipeline.domain.ids import position_id_for
from ops_pipeline.domain.instruments import OptionContract
from ops_pipeline.domain.market import Chain, OptionQuote, Session, is_usable, trust_of
from ops_pipeline.domain.orders import GateResult, Leg, OrderIntent, Purpose, Side, Verdict
from ops_pipeline.domain.positions import ExitReason, Position
from ops_pipeline.domain.rules import ExitRules, RollRules
from ops_pipeline.domain.units import ClientOrderId, Contracts, PositionId, ceil_to_tick
from ops_pipeline.stages.dispatcher.context import Candidate, DispatchRules, GateContext, Offer
from ops_pipeline.stages.dispatcher.contracts import ChoiceTerms, Scored, select_contract
from ops_pipeline.stages.dispatcher.filters import elapsed_share
from ops_pipeline.stages.dispatcher.gates import evaluate_roll
from ops_pipeline.stages.dispatcher.offers import greeks_of
from ops_pipeline.stages.dispatcher.options import validate_iv_rank
from ops_pipeline.stages.dispatcher.plan import plan_budget
from ops_pipeline.stages.dispatcher.sizing import SIZE, size_gate, size_order
from ops_pipeline.stages.position_manager import roll

ROLL_ORDER_LIFE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class RollView:
    """What a roll is planned from: the account without the old leg, the chain around the target."""

    context: GateContext
    rules: DispatchRules
    roll: RollRules
    exits: ExitRules
    old_quote: OptionQuote | None
    two_leg: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RollCause:
    """The roll's id, the order to be sent first (or next) for the successor, and that order's purpose."""

    roll_id: str
    order_id: ClientOrderId
    purpose: Purpose
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RollPlan:
    """A judged plan: the successor, the position it becomes, and what the gates say of its order."""

    successor: OptionContract
    successor_id: PositionId
    offer: Offer
    verdict: Verdict
    why: str


def target_expiration(position: Position, rules: ExitRules) -> date:
    """Give the date a roll aims at."""
    return position.contract.expiration + timedelta(days=rules.roll_days)


def plan_roll(
    position: Position, qty: Contracts, view: RollView, cause: RollCause, *, now: datetime
) -> RollPlan | roll.NoSuccessor:
    """Choose the successor and judge the order that buys it; a reason where there is none."""
    chain, session = view.context.market.chain, view.context.account.session
    if chain is None or session is None:
        return roll.NoSuccessor(reason="no chain")
    chosen = _successor(position, chain, session, view, now)
    if isinstance(chosen, roll.NoSuccessor):
        return chosen
    quote = chain.quotes[chosen.contract.occ]
    trust = trust_of(quote, chosen.contract, spot=chain.spot, now=now, rules=view.rules.quotes)
    if not is_usable(trust, view.rules.quotes) or not quote.ask:
        return roll.NoSuccessor(reason=f"successor's quote is {trust.name}")
    if cause.purpose is Purpose.ROLL and (view.old_quote is None or not view.old_quote.bid):
        return roll.NoSuccessor(reason="no bid for the old contract")
    greeks = view.context.market.greeks.get(chosen.contract.occ)
    delta = quote.delta if quote.delta is not None else greeks and greeks.delta
    best = Scored(chosen.contract, quote, trust, 0.0, abs(delta or 0.0), 0)
    intent = _intent(position, qty, best, view, cause, now)
    offer = Offer(
        intent=intent,
        contract=chosen.contract,
        quote=quote,
        trust=trust,
        greeks=greeks_of(best, view.context.market),
        delta=delta,
        spot=chain.spot,
        dte_min=0,
        dte_max=10_000,
    )
    candidate = _candidate(position, qty, offer, view)
    return RollPlan(
        successor=chosen.contract,
        successor_id=position_id_for(cause.order_id),
        offer=offer,
        verdict=evaluate_roll(candidate, view.context, view.rules),
        why=chosen.why,
    )


def _successor(
    position: Position, chain: Chain, session: Session, view: RollView, now: datetime
) -> roll.Successor | roll.NoSuccessor:
    target = target_expiration(position, view.exits)
    greeks = view.context.market.greeks
    deltas = {occ: row.delta for occ, row in greeks.items()}
    terms = ChoiceTerms(
        right=position.contract.right,
        first=target - timedelta(days=view.roll.days_before),
        last=target + timedelta(days=view.roll.days_after),
        session=session.date,
        now=now,
        elapsed=elapsed_share(session, now),
        budget=plan_budget(position.contract.underlying, view.context, view.rules, iv_factor=1.0).amount,
        stop=view.rules.stop,
    )
    choice = select_contract(
        chain,
        terms,
        rules=view.rules.contract,
        quotes=view.rules.quotes,
        fees=view.rules.fees,
        delta_of=deltas,
    )
    refused = {row.occ: row.text for row in choice.rejected}
    candidates = []
    for occ, contract in chain.contracts.items():
        quote = chain.quotes.get(occ)
        delta = quote.delta if quote is not None and quote.delta is not None else deltas.get(occ)
        candidates.append(roll.Candidate(contract=contract, delta=delta, refused=refused.get(occ, "")))
    return roll.select_successor(
        position.contract,
        candidates,
        entry_delta=position.entry_delta,
        target=target,
        rules=view.roll,
    )


def _intent(
    position: Position,
    qty: Contracts,
    best: Scored,
    view: RollView,
    cause: RollCause,
    now: datetime,
) -> OrderIntent:
    ask = best.quote.ask or 0
    unit = ask * best.contract.multiplier
    both = cause.purpose is Purpose.ROLL
    buy = Leg(occ=best.contract.occ, side=Side.BUY_TO_OPEN)
    sell = Leg(occ=position.contract.occ, side=Side.SELL_TO_CLOSE)
    old_bid = (view.old_quote.bid or 0) if view.old_quote else 0
    size = size_order(
        plan_budget(position.contract.underlying, view.context, view.rules, iv_factor=1.0),
        ask=ask,
        multiplier=best.contract.multiplier,
        tier=view.rules.tier,
        fees=view.rules.fees,
    )
    return OrderIntent(
        client_order_id=cause.order_id,
        account=position.account,
        purpose=cause.purpose,
        key=cause.roll_id,
        generation=cause.generation,
        legs=(sell, buy) if both else (buy,),
        qty=qty,
        limit=ask - old_bid if both else ceil_to_tick(ask, best.contract.tick(ask)),
        multiplier=best.contract.multiplier,
        position_id=position.id if both else position_id_for(cause.order_id),
        reason=ExitReason.ROLL.value,
        budget=max(size.unit_cost, unit) * qty,
        expires_at=now + ROLL_ORDER_LIFE,
    )


def _candidate(position: Position, qty: Contracts, offer: Offer, view: RollView) -> Candidate:
    iv = validate_iv_rank(
        view.context.market.iv_rank,
        view.rules.iv,
        insufficient_factor=view.rules.sizing.insufficient_iv_factor,
    )
    budget = plan_budget(position.contract.underlying, view.context, view.rules, iv_factor=iv.factor)
    size = size_order(
        budget,
        ask=offer.quote.ask or 0,
        multiplier=offer.contract.multiplier,
        tier=view.rules.tier,
        fees=view.rules.fees,
    )
    # A roll moves what is held, all of it or nothing.
    sized = size_gate(budget, size, cheapest=size.unit_cost)
    if 0 < size.qty < qty:
        sized = GateResult(SIZE, False, f"{qty} held", f"<= {size.qty}, limited by {size.binding}")
    return Candidate(
        ticker=position.contract.underlying,
        right=position.contract.right,
        strategy=position.strategy,
        signal=None,
        planned=(iv.gate, sized),
        shortfall="" if sized.passed else budget.binding,
        offer=offer,
        numbers=(),
    )
