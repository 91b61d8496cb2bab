"""Carries out exits: the one order that a decision needs now. Shell."""

from dataclasses import replace
from datetime import datetime
from typing import Protocol

from ops_pipeline.domain.ids import roll_id_for
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.orders import Approved, OrderIntent, OrderState, Purpose, Refused, SubmitOutcome
from ops_pipeline.domain.positions import ExitDecision, ExitReason, Position
from ops_pipeline.domain.rolls import Roll
from ops_pipeline.domain.rules import ExitOrderRules
from ops_pipeline.domain.units import Contracts, Occ
from ops_pipeline.stages.execution import lifecycle
from ops_pipeline.stages.execution.gateway import Desk, cancel, request_cancel, send
from ops_pipeline.stages.execution.reading import holdings, observe
from ops_pipeline.stages.execution.reconcile import observations
from ops_pipeline.stages.position_manager import roll_saga
from ops_pipeline.stages.position_manager.exit_orders import (
    Exit,
    all_exits,
    exit_intent,
    is_unsettled,
    limit_of,
    may_send_at,
    sale_intent,
    working_entries,
    working_exits,
)
from ops_pipeline.stages.position_manager.roll import NoSuccessor, RollAct, RollState, next_step
from ops_pipeline.stages.position_manager.roll_plan import RollPlan, RollView, plan_roll


def execute_exit(
    exit_: Exit, *, desk: Desk, now: datetime, rules: ExitOrderRules
) -> SubmitOutcome | Refused | None:
    """Sell what the decision says, at most what broker and ledger hold; None: nothing could be sent now.

    A working entry of the position is cancelled first and waited for. After rejections in a row it
    waits longer each time. Raises BrokerUnavailable where the broker's holdings cannot be read.
    """
    if _cancel_entries(exit_.position, desk=desk, now=now):
        return None
    ledger = desk.store.ledger(desk.account)
    retry_at = may_send_at(exit_, ledger, quarantine_s=desk.rules.part_quarantine_s)
    limit = limit_of(exit_, ledger, rules)
    if limit is None or (retry_at is not None and now < retry_at) or _is_unsettled(exit_, ledger):
        return None
    if not exit_.decision.latched and _has_turned_up(exit_.position, ledger, desk=desk, now=now):
        return None
    occ = exit_.position.contract.occ
    unbooked = lifecycle.sell_leaves(ledger, occ, ended=True)
    held = min(_held(occ, desk), ledger.held().get(occ, 0) - unbooked)
    committed = lifecycle.sell_leaves(ledger, occ)
    # What a late fill of the entry added is part of a decision to sell everything.
    left = ledger.positions[exit_.position.id].qty
    wanted = left if exit_.qty == exit_.position.qty else exit_.qty
    qty = min(wanted, held - committed, left - unbooked)
    if qty <= 0:
        return None
    intent = exit_intent(exit_, ledger, desk.store.database_id, qty=qty, limit=limit)
    return _send_sale(intent, desk=desk, now=now, held=held, committed=committed)


def _is_unsettled(exit_: Exit, ledger: Ledger) -> bool:
    return is_unsettled(exit_.position, exit_.decision, ledger, qty=exit_.qty)


def execute_partial_exit(
    exit_: Exit, *, desk: Desk, now: datetime, rules: ExitOrderRules
) -> SubmitOutcome | Refused | None:
    """Sell a part that the ladder is due; what remains stays under its other rules."""
    if not 0 < exit_.qty <= exit_.position.qty:
        raise ValueError(f"partial exit: expected 1..{exit_.position.qty} contracts, was {exit_.qty}")
    return execute_exit(exit_, desk=desk, now=now, rules=rules)


def reprice_when_due(position: Position, *, desk: Desk, now: datetime, rules: ExitOrderRules) -> bool:
    """Ask for the cancel of a working exit that has waited its time, so that the next one can follow.

    True where it was asked for: the next look at the broker tells whether the slot is free.
    """
    for order in working_exits(desk.store.ledger(desk.account), position):
        anchor = order.accepted_at or order.created_at
        due = (now - anchor).total_seconds() >= rules.reprice_s
        if due and order.state is OrderState.WORKING and order.intent.purpose is not Purpose.ROLL:
            return cancel(order, desk=desk, now=now, reason="reprice")
    return False


def cancel_exits(position: Position, decision: ExitDecision, *, desk: Desk, now: datetime, why: str) -> bool:
    """Ask for the cancel of the working exit, for a decision of higher rank.

    True where it was asked for now, or nothing works. One that waits for a person is left alone where the
    decision could not follow it (O4).
    """
    ledger = desk.store.ledger(desk.account)
    working = working_exits(ledger, position)
    stays = is_unsettled(position, decision, ledger, qty=decision.qty)
    asked = [
        not stays and request_cancel(order, desk=desk, now=now)
        if order.state is OrderState.QUARANTINED
        else cancel(order, desk=desk, now=now, reason=why)
        for order in working
    ]
    return any(asked) or not working


def _cancel_entries(position: Position, *, desk: Desk, now: datetime) -> bool:
    """Cancel what may still add to the position; True while any of it may. Nothing waits for a person."""
    asked = [
        request_cancel(order, desk=desk, now=now)
        if order.state is OrderState.QUARANTINED
        else cancel(order, desk=desk, now=now, reason="exit decided")
        for order in working_entries(desk.store.ledger(desk.account), position)
    ]
    if any(asked):
        observe(desk, now=now)
    left = working_entries(desk.store.ledger(desk.account), position)
    return any(order.state is not OrderState.QUARANTINED for order in left)


def _has_turned_up(position: Position, ledger: Ledger, *, desk: Desk, now: datetime) -> bool:
    """Ask once more for an order that was rejected; True where the broker has taken it all the same.

    Lists that failed or hid it meanwhile are no evidence; that the broker rejected or ended it empty is.
    Raises BrokerUnavailable.
    """
    order = lifecycle.newest_rejected(all_exits(ledger, position))
    found = desk.broker.order(order.id) if order is not None else None
    news = observations(ledger, [found]) if found is not None else []
    desk.store.commit(desk.account, news, at=now)
    return bool(news)


def _held(occ: Occ, desk: Desk) -> Contracts:
    return sum(row.qty for row in holdings(desk) if row.symbol == occ)


def _send_sale(
    intent: OrderIntent, *, desk: Desk, now: datetime, held: Contracts, committed: Contracts
) -> SubmitOutcome | Refused:
    verdict = lifecycle.approve_reduction(intent, held=held, committed=committed)
    return verdict if isinstance(verdict, Refused) else send(verdict, desk=desk, now=now)


class RollViews(Protocol):
    """Gathers what a roll of a position is planned from."""

    def __call__(self, position: Position, *, now: datetime, session: Session) -> RollView:
        """Gather it. Raises BrokerUnavailable where the account cannot be read."""


def execute_roll(
    position: Position,
    *,
    desk: Desk,
    now: datetime,
    session: Session,
    views: RollViews,
    rules: ExitOrderRules,
) -> str:
    """Begin a position's roll or carry it on by one step; give why none was begun, else "".

    A refusal sends and stores nothing. Each step is stored before it is acted on, and both follow from
    the stored state and the ledger's orders alone, so a step repeated after a crash sends nothing twice.
    """
    ledger = desk.store.ledger(desk.account)
    position = ledger.positions[position.id]
    roll = next((r for r in ledger.rolls.values() if r.is_live and r.position_id == position.id), None)
    if roll is None:
        begun = _begin_roll(position, desk=desk, now=now, session=session, views=views)
        if isinstance(begun, NoSuccessor):
            return begun.reason
        roll = begun
    facts = roll_saga.facts_of(roll, position, desk.store.ledger(desk.account))
    state = RollState(roll.state)
    plan: RollPlan | NoSuccessor | None = None
    if roll_saga.asks_gates(state, facts):
        plan = _plan(roll, position, facts.close.filled, desk=desk, now=now, session=session, views=views)
        facts = replace(facts, allowed=roll_saga.is_allowed(plan))
    step = next_step(state, facts)
    if step.state is not state:
        bodies = roll_saga.advanced(roll, position, step, plan, session=session.date)
        desk.store.commit(desk.account, bodies, at=now)
    if step.act is RollAct.SEND_CLOSE:
        quote = views(position, now=now, session=session).old_quote
        _send_close(roll, position, quote.bid if quote else None, desk=desk, now=now, rules=rules)
    elif step.act is not RollAct.NOTHING and isinstance(plan, RollPlan):
        _send_successor(plan, roll, position, desk=desk, now=now, session=session)
    return ""


def _send_successor(
    plan: RollPlan, roll: Roll, position: Position, *, desk: Desk, now: datetime, session: Session
) -> None:
    if isinstance(plan.verdict, Approved):
        opened = roll_saga.successor_opened(roll, position, plan, session)
        send(plan.verdict, desk=desk, now=now, with_bodies=[opened])


def _begin_roll(
    position: Position, *, desk: Desk, now: datetime, session: Session, views: RollViews
) -> Roll | NoSuccessor:
    ledger = desk.store.ledger(desk.account)
    view = views(position, now=now, session=session)
    attempt = 1 + sum(roll.position_id == position.id for roll in ledger.rolls.values())
    roll_id = roll_id_for(position.id, attempt)
    cause = roll_saga.cause_of(roll_id, ledger, desk.store.database_id, two_leg=view.two_leg)
    plan = plan_roll(position, position.qty, view, cause, now=now)
    if isinstance(plan, NoSuccessor) or not roll_saga.is_allowed(plan):
        return NoSuccessor(reason=roll_saga.refusal_of(plan))
    planned = roll_saga.planned(position, roll_id, plan, two_leg=view.two_leg)
    return desk.store.commit(desk.account, [planned], at=now).rolls[roll_id]


def _plan(
    roll: Roll,
    position: Position,
    closed: Contracts,
    *,
    desk: Desk,
    now: datetime,
    session: Session,
    views: RollViews,
) -> RollPlan | NoSuccessor:
    """Plan the order that buys the successor: what was closed, or before that what is to be moved."""
    ledger = desk.store.ledger(desk.account)
    cause = roll_saga.cause_of(roll.id, ledger, desk.store.database_id, two_leg=roll.two_leg)
    view = views(position, now=now, session=session)
    return plan_roll(position, closed or min(roll.qty, position.qty) or roll.qty, view, cause, now=now)


def _send_close(
    roll: Roll, position: Position, bid: int | None, *, desk: Desk, now: datetime, rules: ExitOrderRules
) -> None:
    ledger = desk.store.ledger(desk.account)
    limit = lifecycle.exit_limit(
        position.contract,
        bid=bid,
        reason=ExitReason.ROLL,
        latched=False,
        step=0,
        expiry_day=False,
        rules=rules,
    )
    held = _held(position.contract.occ, desk)
    committed = lifecycle.sell_leaves(ledger, position.contract.occ)
    qty = min(roll.qty, position.qty, held - committed)
    if limit is None or qty <= 0:
        return
    intent = sale_intent(
        position,
        ledger,
        desk.store.database_id,
        purpose=Purpose.ROLL_CLOSE,
        key=roll.id,
        qty=qty,
        limit=limit,
        reason=ExitReason.ROLL,
    )
    _send_sale(intent, desk=desk, now=now, held=held, committed=committed)
