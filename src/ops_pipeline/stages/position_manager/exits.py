"""Carries out exits: the one order that a decision needs now. Shell."""

from dataclasses import dataclass
from datetime import datetime

from ops_pipeline.domain.ids import tier_key
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import OptionQuote, Session, Trust
from ops_pipeline.domain.orders import Leg, Order, OrderIntent, OrderState, Purpose, Refused, Side, SubmitOutcome
from ops_pipeline.domain.positions import ExitDecision, ExitReason, Position
from ops_pipeline.domain.rules import ExitOrderRules
from ops_pipeline.domain.units import Contracts, Usd4
from ops_pipeline.stages.execution import lifecycle
from ops_pipeline.stages.execution.gateway import Desk, cancel, send

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
