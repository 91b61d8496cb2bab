"""What a roll's stored state and the ledger's orders say of it, and the events of its steps. Pure."""

from datetime import date

from ops_pipeline.domain import events as e
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.orders import Approved, Purpose
from ops_pipeline.domain.positions import ExitReason, Position
from ops_pipeline.domain.rolls import Roll
from ops_pipeline.stages.execution import lifecycle
from ops_pipeline.stages.position_manager.roll import (
    LegState,
    NoSuccessor,
    RollFacts,
    RollLeg,
    RollState,
    RollStep,
)
from ops_pipeline.stages.position_manager.roll_plan import RollCause, RollPlan


def cause_of(roll_id: str, ledger: Ledger, database_id: str, *, two_leg: bool) -> RollCause:
    """Give the cause of the order that buys the successor, one generation after its last."""
    purpose = Purpose.ROLL if two_leg else Purpose.ROLL_OPEN
    generation = ledger.next_generation(purpose, roll_id)
    order = lifecycle.order_id(ledger, database_id, purpose=purpose, key=roll_id, generation=generation)
    return RollCause(roll_id=roll_id, order_id=order, purpose=purpose, generation=generation)


def facts_of(roll: Roll, position: Position, ledger: Ledger) -> RollFacts:
    """Read a saga's facts off the ledger; whether the gates allow its next order is another's to say.

    A position that holds nothing any more, and of which nothing was sold for the roll, has been
    pre-empted; so has one that something else than the roll has ended.
    """
    closing = Purpose.ROLL if roll.two_leg else Purpose.ROLL_CLOSE
    successor = ledger.positions.get(roll.successor_id) if roll.successor_id else None
    close = _leg(ledger, closing, roll.id)
    opening = RollLeg() if roll.two_leg else _leg(ledger, Purpose.ROLL_OPEN, roll.id)
    # Between two limits of its walk no order of the successor lives; it ends when its entry does.
    walking = successor is not None and successor.is_open and not successor.original_qty
    if opening.state is LegState.ENDED and walking:
        opening = RollLeg(state=LegState.LIVE, filled=opening.filled)
    gone = position.qty == 0 and not close.filled
    outranked = position.exit is not None and position.exit.reason is not ExitReason.ROLL
    ended = not position.is_open and position.close_reason not in ("", ExitReason.ROLL.value)
    return RollFacts(
        planned=roll.qty,
        two_leg=roll.two_leg,
        close=close,
        open=opening,
        allowed=True,
        preempted=gone or outranked or ended,
    )


def asks_gates(state: RollState, facts: RollFacts) -> bool:
    """Tell whether the next step would send an order that the gates must allow first."""
    if state in (RollState.PLANNED, RollState.CLOSED):
        return True
    first = state is RollState.CLOSING and facts.two_leg and facts.close.state is LegState.ABSENT
    return first or (state is RollState.OPENING and facts.open.state is LegState.ABSENT)


def is_allowed(plan: RollPlan | NoSuccessor) -> bool:
    """Tell whether a plan has a successor that every gate approved."""
    return isinstance(plan, RollPlan) and isinstance(plan.verdict, Approved)


def refusal_of(plan: RollPlan | NoSuccessor) -> str:
    """Say why a plan was refused; "" where it was not."""
    if isinstance(plan, NoSuccessor):
        return plan.reason
    verdict = plan.verdict
    if isinstance(verdict, Approved):
        return ""
    failed = next((gate for gate in verdict.gates if not gate.passed), None)
    return f"{verdict.reason}: {failed.observed} against {failed.limit}" if failed else verdict.reason


def planned(position: Position, roll_id: str, plan: RollPlan, *, two_leg: bool) -> e.RollAdvanced:
    """Give the saga's first event."""
    return e.RollAdvanced(
        roll_id=roll_id,
        position_id=position.id,
        state=RollState.PLANNED.value,
        successor=plan.successor,
        successor_id=plan.successor_id,
        qty=position.qty,
        two_leg=two_leg,
        pnl_locked=0,
        reason=plan.why,
    )


def advanced(
    roll: Roll, position: Position, step: RollStep, plan: RollPlan | NoSuccessor | None, *, session: date
) -> list[e.EventBody]:
    """Give the events of a step. One that leaves contracts in the old position rolls it no more today."""
    fresh = plan if isinstance(plan, RollPlan) else None
    bodies: list[e.EventBody] = [
        e.RollAdvanced(
            roll_id=roll.id,
            position_id=roll.position_id,
            state=step.state.value,
            successor=fresh.successor if fresh else roll.successor,
            successor_id=fresh.successor_id if fresh else roll.successor_id,
            qty=roll.qty,
            two_leg=roll.two_leg,
            pnl_locked=position.realised if step.state is not RollState.ABORTED else 0,
            reason=step.reason,
        )
    ]
    if step.state.is_final and position.qty:
        bodies.append(e.RollRefused(position_id=position.id, session=session, reason=step.reason))
    return bodies


def successor_opened(roll: Roll, position: Position, plan: RollPlan, session: Session) -> e.PositionOpened:
    """Give the event that begins the successor: its own peak and ladder, one roll more."""
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


def _leg(ledger: Ledger, purpose: Purpose, key: str) -> RollLeg:
    orders = [o for o in ledger.orders.values() if (o.intent.purpose, o.intent.key) == (purpose, key)]
    if not orders:
        return RollLeg()
    live = any(order.is_live for order in orders)
    return RollLeg(state=LegState.LIVE if live else LegState.ENDED, filled=sum(o.booked for o in orders))
