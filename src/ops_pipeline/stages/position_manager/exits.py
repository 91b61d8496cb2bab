"""Carries out exits: the one order that a decision needs now. Shell."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from ops_pipeline.domain import events as e
from ops_pipeline.domain.ids import roll_id_for, tier_key
from ops_pipeline.domain.ledger import Ledger, Roll
from ops_pipeline.domain.market import OptionQuote, Session, Trust
from ops_pipeline.domain.orders import (
    Approved,
    Leg,
    Order,
    OrderIntent,
    OrderState,
    Purpose,
    Refused,
    Side,
    SubmitOutcome,
)
from ops_pipeline.domain.positions import ExitDecision, ExitReason, Position
from ops_pipeline.domain.rules import ExitOrderRules
from ops_pipeline.domain.units import Contracts, Usd4
from ops_pipeline.stages.execution import lifecycle
from ops_pipeline.stages.execution.gateway import Desk, cancel, send
from ops_pipeline.stages.position_manager.roll import (
    LegState,
    NoSuccessor,
    RollAct,
    RollFacts,
    RollState,
    RollStep,
    next_step,
)
from ops_pipeline.stages.position_manager.roll import RollLeg as SagaLeg
from ops_pipeline.stages.position_manager.roll_plan import RollCause, RollPlan, RollView, plan_roll

_LADDER = {ExitReason.FIRST_TARGET: 1, ExitReason.SECOND_TARGET: 2}
# Prices of these are no offer anybody stands behind.
_NO_BID = (Trust.IMPOSSIBLE, Trust.CROSSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """One exit to carry out: what was decided, how many now, and the quote it is priced from."""

    position: Position
    decision: ExitDecision
    qty: Contracts
    quote: OptionQuote | None
    trust: Trust | None
    session: Session


def execute_exit(
    exit_: Exit, *, desk: Desk, now: datetime, rules: ExitOrderRules
) -> SubmitOutcome | Refused | None:
    """Sell what the decision says, at most what the broker holds; None: nothing could be sent now.

    A working entry of the position is cancelled first and waited for. Raises BrokerUnavailable where
    the broker's holdings cannot be read.
    """
    ledger = desk.store.ledger(desk.account)
    if _cancel_entry(ledger, exit_.position, desk=desk, now=now):
        return None
    limit = _limit(exit_, ledger, rules)
    held = sum(row.qty for row in desk.broker.positions() if row.symbol == exit_.position.contract.occ)
    committed = lifecycle.sell_leaves(ledger, exit_.position.contract.occ)
    qty = min(exit_.qty, held - committed, exit_.position.qty)
    if limit is None or qty <= 0:
        return None
    intent = _intent(exit_, ledger, desk, qty=qty, limit=limit)
    verdict = lifecycle.approve_reduction(intent, held=held, committed=committed)
    if isinstance(verdict, Refused):
        return verdict
    return send(verdict, desk=desk, now=now)


def execute_partial_exit(
    exit_: Exit, *, desk: Desk, now: datetime, rules: ExitOrderRules
) -> SubmitOutcome | Refused | None:
    """Sell a part that the ladder is due; what remains stays under its other rules."""
    if not 0 < exit_.qty <= exit_.position.qty:
        raise ValueError(f"partial exit: expected 1..{exit_.position.qty} contracts, was {exit_.qty}")
    return execute_exit(exit_, desk=desk, now=now, rules=rules)


def reprice_when_due(
    position: Position, *, desk: Desk, now: datetime, rules: ExitOrderRules
) -> bool:
    """Cancel a working exit that has waited its time, so that the next one starts from the new bid."""
    for order in working_exits(desk.store.ledger(desk.account), position):
        anchor = order.accepted_at or order.created_at
        due = (now - anchor).total_seconds() >= rules.reprice_s
        if due and order.state is OrderState.WORKING and order.intent.purpose is not Purpose.ROLL:
            cancel(order, desk=desk, now=now, reason="reprice")
            return True
    return False


def cancel_exits(position: Position, *, desk: Desk, now: datetime, reason: str) -> None:
    """Cancel the working exit, for one of higher rank."""
    for order in working_exits(desk.store.ledger(desk.account), position):
        cancel(order, desk=desk, now=now, reason=reason)


def working_exits(ledger: Ledger, position: Position) -> list[Order]:
    """Give the live orders that take the position's exit slot."""
    return [
        order
        for order in ledger.live_orders
        if order.intent.position_id == position.id and lifecycle.is_exit(order)
    ]


def _cancel_entry(ledger: Ledger, position: Position, *, desk: Desk, now: datetime) -> bool:
    entering = [
        order
        for order in ledger.live_orders
        if order.intent.position_id == position.id and order.intent.purpose.opens
    ]
    for order in entering:
        cancel(order, desk=desk, now=now, reason="exit decided")
    return bool(entering)


def _limit(exit_: Exit, ledger: Ledger, rules: ExitOrderRules) -> Usd4 | None:
    sendable = exit_.quote is not None and exit_.trust not in _NO_BID
    step = sum(
        1
        for order in ledger.orders.values()
        if order.intent.position_id == exit_.position.id
        and lifecycle.is_exit(order)
        and order.created_at >= exit_.decision.at
    )
    return lifecycle.exit_limit(
        exit_.position.contract,
        bid=exit_.quote.bid if exit_.quote is not None and sendable else None,
        reason=exit_.decision.reason,
        latched=exit_.decision.latched,
        step=step,
        expiry_day=exit_.position.contract.days_to_expiry(exit_.session.date) == 0,
        rules=rules,
    )


def _intent(exit_: Exit, ledger: Ledger, desk: Desk, *, qty: Contracts, limit: Usd4) -> OrderIntent:
    position, reason = exit_.position, exit_.decision.reason
    purpose, key = Purpose.EXIT, str(position.id)
    if reason in _LADDER:
        purpose, key = Purpose.TIER, tier_key(position.id, _LADDER[reason])
    elif reason is ExitReason.KILL:
        purpose = Purpose.KILL
    generation = ledger.next_generation(purpose, key)
    return OrderIntent(
        client_order_id=lifecycle.order_id(
            ledger, desk.store.database_id, purpose=purpose, key=key, generation=generation
        ),
        account=desk.account,
        purpose=purpose,
        key=key,
        generation=generation,
        legs=(Leg(occ=position.contract.occ, side=Side.SELL_TO_CLOSE),),
        qty=qty,
        limit=limit,
        multiplier=position.contract.multiplier,
        position_id=position.id,
        reason=reason.value,
    )


def reason_of(order: Order) -> ExitReason:
    """Give the reason a live exit order works for."""
    return ExitReason(order.intent.reason)


class RollViews(Protocol):
    """Gathers what a roll of a position is planned from."""

    def __call__(self, position: Position, *, now: datetime, session: Session) -> RollView:
        """Gather it. Raises BrokerUnavailable where the account cannot be read."""


def execute_roll(
    position: Position, *, desk: Desk, now: datetime, session: Session, views: RollViews, rules: ExitOrderRules
) -> str:
    """Begin a position's roll or carry it on by one step; give the saga's state, or why there is none.

    Each step is stored before it is acted on, and both follow from the stored state and the ledger's
    orders alone, so a step repeated after a crash sends nothing twice.
    """
    ledger = desk.store.ledger(desk.account)
    live = next((r for r in ledger.rolls.values() if r.is_live and r.position_id == position.id), None)
    if live is None:
        live = _begin_roll(position, ledger, desk=desk, now=now, session=session, views=views)
        if live is None:
            return "refused"
    facts = _roll_facts(live, position, desk.store.ledger(desk.account))
    state = RollState(live.state)
    plan: RollPlan | NoSuccessor | None = None
    if _asks_gates(state, facts):
        plan = _plan(live, position, desk=desk, now=now, session=session, views=views)
        facts = replace(facts, allowed=isinstance(plan, RollPlan) and isinstance(plan.verdict, Approved))
    step = next_step(state, facts)
    if step.state is not state:
        _store_step(live, position, step, desk=desk, now=now, session=session)
    if step.act is RollAct.SEND_CLOSE:
        _send_close(live, position, desk=desk, now=now, session=session, views=views, rules=rules)
    elif step.act in (RollAct.SEND_TWO_LEG, RollAct.SEND_OPEN):
        plan = plan or _plan(live, position, desk=desk, now=now, session=session, views=views)
        if isinstance(plan, RollPlan) and isinstance(plan.verdict, Approved):
            send(plan.verdict, desk=desk, now=now, with_bodies=[_successor_opened(live, position, plan, session)])
    return step.state.value


def _begin_roll(
    position: Position, ledger: Ledger, *, desk: Desk, now: datetime, session: Session, views: RollViews
) -> Roll | None:
    view = views(position, now=now, session=session)
    attempt = 1 + sum(roll.position_id == position.id for roll in ledger.rolls.values())
    roll_id = roll_id_for(position.id, attempt)
    cause = _cause(roll_id, ledger, desk, two_leg=view.two_leg)
    plan = plan_roll(position, position.qty, view, cause, now=now)
    if isinstance(plan, NoSuccessor) or not isinstance(plan.verdict, Approved):
        reason = plan.reason if isinstance(plan, NoSuccessor) else _refusal(plan)
        refused = e.RollRefused(position_id=position.id, session=session.date, reason=reason)
        desk.store.commit(desk.account, [refused], at=now)
        return None
    planned = e.RollAdvanced(
        roll_id=roll_id,
        position_id=position.id,
        state=RollState.PLANNED.value,
        successor=plan.successor,
        successor_id=plan.successor_id,
        qty=position.qty,
        two_leg=view.two_leg,
        pnl_locked=0,
        reason=plan.why,
    )
    return desk.store.commit(desk.account, [planned], at=now).rolls[roll_id]


def _refusal(plan: RollPlan) -> str:
    verdict = plan.verdict
    if isinstance(verdict, Approved):
        return ""
    failed = next((gate for gate in verdict.gates if not gate.passed), None)
    return f"{verdict.reason}: {failed.observed} against {failed.limit}" if failed else verdict.reason


def _cause(roll_id: str, ledger: Ledger, desk: Desk, *, two_leg: bool) -> RollCause:
    purpose = Purpose.ROLL if two_leg else Purpose.ROLL_OPEN
    generation = ledger.next_generation(purpose, roll_id)
    order = lifecycle.order_id(
        ledger, desk.store.database_id, purpose=purpose, key=roll_id, generation=generation
    )
    return RollCause(roll_id=roll_id, order_id=order, purpose=purpose, generation=generation)


def _plan(
    roll: Roll, position: Position, *, desk: Desk, now: datetime, session: Session, views: RollViews
) -> RollPlan | NoSuccessor:
    ledger = desk.store.ledger(desk.account)
    cause = _cause(roll.id, ledger, desk, two_leg=roll.two_leg)
    view = views(position, now=now, session=session)
    return plan_roll(position, roll.qty, view, cause, now=now)


def _roll_facts(roll: Roll, position: Position, ledger: Ledger) -> RollFacts:
    closing = Purpose.ROLL if roll.two_leg else Purpose.ROLL_CLOSE
    successor = ledger.positions.get(roll.successor_id) if roll.successor_id else None
    return RollFacts(
        planned=roll.qty,
        two_leg=roll.two_leg,
        close=_saga_leg(ledger, closing, roll.id),
        open=SagaLeg() if roll.two_leg else _saga_leg(ledger, Purpose.ROLL_OPEN, roll.id),
        allowed=successor is not None or roll.state == RollState.CLOSING.value,
        preempted=position.exit is not None and position.exit.reason is not ExitReason.ROLL,
    )


def _saga_leg(ledger: Ledger, purpose: Purpose, key: str) -> SagaLeg:
    orders = [o for o in ledger.orders.values() if (o.intent.purpose, o.intent.key) == (purpose, key)]
    if not orders:
        return SagaLeg()
    live = any(order.is_live for order in orders)
    return SagaLeg(state=LegState.LIVE if live else LegState.ENDED, filled=sum(o.booked for o in orders))


def _asks_gates(state: RollState, facts: RollFacts) -> bool:
    """Tell whether the next step would send an order that the gates must allow first."""
    if state in (RollState.PLANNED, RollState.CLOSED):
        return True
    first = state is RollState.CLOSING and facts.two_leg and facts.close.state is LegState.ABSENT
    return first or (state is RollState.OPENING and facts.open.state is LegState.ABSENT)


def _store_step(
    roll: Roll, position: Position, step: RollStep, *, desk: Desk, now: datetime, session: Session
) -> None:
    bodies: list[e.EventBody] = [
        e.RollAdvanced(
            roll_id=roll.id,
            position_id=roll.position_id,
            state=step.state.value,
            successor=roll.successor,
            successor_id=roll.successor_id,
            qty=roll.qty,
            two_leg=roll.two_leg,
            pnl_locked=position.realised if step.state is not RollState.ABORTED else 0,
            reason=step.reason,
        )
    ]
    if step.state is RollState.ABORTED:
        bodies.append(e.RollRefused(position_id=position.id, session=session.date, reason=step.reason))
    desk.store.commit(desk.account, bodies, at=now)


def _send_close(
    roll: Roll,
    position: Position,
    *,
    desk: Desk,
    now: datetime,
    session: Session,
    views: RollViews,
    rules: ExitOrderRules,
) -> None:
    ledger = desk.store.ledger(desk.account)
    quote = views(position, now=now, session=session).old_quote
    limit = lifecycle.exit_limit(
        position.contract,
        bid=quote.bid if quote else None,
        reason=ExitReason.ROLL,
        latched=False,
        step=0,
        expiry_day=False,
        rules=rules,
    )
    if limit is None:
        return
    purpose, generation = Purpose.ROLL_CLOSE, ledger.next_generation(Purpose.ROLL_CLOSE, roll.id)
    intent = OrderIntent(
        client_order_id=lifecycle.order_id(
            ledger, desk.store.database_id, purpose=purpose, key=roll.id, generation=generation
        ),
        account=desk.account,
        purpose=purpose,
        key=roll.id,
        generation=generation,
        legs=(Leg(occ=position.contract.occ, side=Side.SELL_TO_CLOSE),),
        qty=roll.qty,
        limit=limit,
        multiplier=position.contract.multiplier,
        position_id=position.id,
        reason=ExitReason.ROLL.value,
    )
    held = sum(row.qty for row in desk.broker.positions() if row.symbol == position.contract.occ)
    committed = lifecycle.sell_leaves(ledger, position.contract.occ)
    verdict = lifecycle.approve_reduction(intent, held=held, committed=committed)
    if isinstance(verdict, Approved):
        send(verdict, desk=desk, now=now)


def _successor_opened(roll: Roll, position: Position, plan: RollPlan, session: Session) -> e.PositionOpened:
    return e.PositionOpened(
        position_id=plan.successor_id,
        signal_id=position.signal_id,
        tier=position.tier,
        contract=plan.successor,
        strategy=position.strategy,
        session=session.date,
        entry_dte=plan.successor.days_to_expiry(session.date),
        entry_underlying=plan.offer.spot,
        entry_atr=position.entry_atr,
        entry_iv_rank=position.entry_iv_rank,
        entry_delta=plan.offer.delta,
        rolled_from=position.id,
        roll_count=position.roll_count + 1,
        exit_rules=roll.id,
    )
