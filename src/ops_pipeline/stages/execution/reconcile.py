"""What the broker's answers mean for the ledger: bookings, observations, differences. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import BrokerPosition, ControlLevel
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import (
    Activity,
    ActivityKind,
    BrokerOrder,
    Order,
    OrderState,
    Purpose,
)
from ops_pipeline.domain.positions import ExitReason, Position
from ops_pipeline.domain.rules import ExecutionRules
from ops_pipeline.domain.units import Occ, PositionId

_REMOVALS = {
    ActivityKind.EXPIRY: ExitReason.EXPIRED,
    ActivityKind.EXERCISE: ExitReason.EXERCISED,
}
_CASH = (ActivityKind.FEE, ActivityKind.DIVIDEND, ActivityKind.TRANSFER)
LIQUIDATION = "liquidation"


def bookings(ledger: Ledger, activities: Sequence[Activity]) -> list[e.EventBody]:
    """Give the events for activities not yet booked, in the broker's order."""
    bodies: list[e.EventBody] = []
    seen = set(ledger.executions)
    for activity in activities:
        fact = activity.fill.execution_id if activity.fill else activity.activity_id
        if fact in seen:
            continue
        body = _booking(ledger, activity)
        if body is not None:
            seen.add(fact)
            bodies.append(body)
    return bodies


def _booking(ledger: Ledger, activity: Activity) -> e.EventBody | None:
    fill = activity.fill
    if fill is not None and fill.client_order_id in ledger.orders:
        order = ledger.orders[fill.client_order_id]
        position_id = position_of(ledger, order, fill.occ)
        multiplier = order.intent.multiplier
        return e.FillBooked(fill=fill, position_id=position_id, multiplier=multiplier)
    if activity.kind in _CASH:
        return e.CashMoved(
            activity_id=activity.activity_id,
            kind=activity.kind.value,
            amount=activity.amount,
            detail=activity.detail,
        )
    held = holder(ledger, activity.symbol)
    if held is None or activity.qty >= 0:
        return None
    if fill is not None:
        liquidated = activity.detail == LIQUIDATION
        return _removed(held, activity, ExitReason.LIQUIDATED if liquidated else ExitReason.EXTERNAL)
    cause = _REMOVALS.get(activity.kind)
    return _removed(held, activity, cause) if cause else None


def _removed(position: Position, activity: Activity, cause: ExitReason) -> e.ContractsRemoved:
    fact = activity.fill.execution_id if activity.fill else activity.activity_id
    return e.ContractsRemoved(
        position_id=position.id,
        activity_id=fact,
        cause=cause,
        qty=min(-activity.qty, position.qty),
        amount=activity.amount,
        detail=activity.detail,
    )


def holder(ledger: Ledger, symbol: str) -> Position | None:
    """Give the open position that holds `symbol`."""
    for position in ledger.open_positions:
        if position.contract.occ == symbol and position.qty > 0:
            return position
    return None


def position_of(ledger: Ledger, order: Order, occ: Occ) -> PositionId:
    """Give the position a fill belongs to; a two-leg roll's opening leg belongs to the successor."""
    if order.intent.purpose is Purpose.ROLL and occ == order.intent.legs[1].occ:
        roll = ledger.rolls[order.intent.key]
        if roll.successor_id is not None:
            return roll.successor_id
    return order.intent.position_id


def observations(ledger: Ledger, broker_orders: Sequence[BrokerOrder]) -> list[e.EventBody]:
    """Give the events for orders whose broker status or count moved, and for foreign look-alikes."""
    bodies: list[e.EventBody] = []
    for shown in broker_orders:
        order = ledger.orders.get(shown.client_order_id)
        if order is not None and _is_news(order, shown):
            bodies.append(
                e.OrderObserved(
                    client_order_id=order.id,
                    broker_order_id=shown.broker_order_id,
                    status=shown.status,
                    cum=shown.cum,
                    detail=shown.reason,
                )
            )
    return bodies


def _is_news(order: Order, shown: BrokerOrder) -> bool:
    if order.state in (OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED):
        return False
    if order.state in (OrderState.NOT_PLACED, OrderState.REJECTED):
        return shown.cum > order.cum or not shown.status.is_terminal
    if order.state in (OrderState.UNKNOWN, OrderState.ABANDONING, OrderState.SENDING, OrderState.ORPHAN):
        return True
    return shown.status is not order.broker_status or shown.cum > order.cum


def recovered(ledger: Ledger) -> list[e.EventBody]:
    """Give the events of a start: an order that was being sent is UNKNOWN, never rejected."""
    return [
        e.OrderSettled(client_order_id=order.id, state=OrderState.UNKNOWN.value, reason="restart")
        for order in ledger.live_orders
        if order.state is OrderState.SENDING
    ]


def differences(
    ledger: Ledger, positions: Sequence[BrokerPosition]
) -> Mapping[str, tuple[int, int]]:
    """Give {symbol: (ledger, broker)} where the quantities differ, over the union of both sides."""
    ours = ledger.held()
    theirs = {position.symbol: position.qty for position in positions if position.qty}
    symbols = sorted({*ours, *theirs})
    both = {symbol: (ours.get(symbol, 0), theirs.get(symbol, 0)) for symbol in symbols}
    return {symbol: pair for symbol, pair in both.items() if pair[0] != pair[1]}


def breaks(
    ledger: Ledger, found: Mapping[str, tuple[int, int]], *, now: datetime, rules: ExecutionRules
) -> list[e.EventBody]:
    """Give the events for differences: provisional first, confirmed in a later snapshot, settled when gone.

    A confirmed one freezes the position that holds the symbol and makes the account reduce-only.
    """
    bodies: list[e.EventBody] = [
        e.BreakSettled(symbol=symbol, cause="quantities agree again")
        for symbol in ledger.breaks
        if symbol not in found
    ]
    for symbol, (ours, theirs) in found.items():
        earlier = ledger.breaks.get(symbol)
        if earlier is None:
            bodies.append(_break(symbol, ours, theirs, confirmed=False, now=now))
        elif (
            not earlier.confirmed and (now - earlier.seen_at).total_seconds() >= rules.mismatch_gap_s
        ):
            bodies += _confirmed(ledger, symbol, ours, theirs, now=now)
    return bodies


def _confirmed(ledger: Ledger, symbol: str, ours: int, theirs: int, *, now: datetime) -> list[e.EventBody]:
    reason = f"{symbol}: ledger {ours}, broker {theirs}"
    bodies: list[e.EventBody] = [_break(symbol, ours, theirs, confirmed=True, now=now)]
    held = holder(ledger, symbol)
    if held is not None:
        bodies.append(e.PositionFrozen(position_id=held.id, reason=reason))
    if ledger.control < ControlLevel.REDUCE_ONLY:
        bodies.append(e.ControlChanged(level=ControlLevel.REDUCE_ONLY, reason=reason, actor="reconcile"))
    return bodies


def _break(symbol: str, ours: int, theirs: int, *, confirmed: bool, now: datetime) -> e.BreakFound:
    return e.BreakFound(
        symbol=symbol,
        ledger_qty=ours,
        broker_qty=theirs,
        cause="unknown",
        confirmed=confirmed,
        seen_at=now,
    )


def completions(ledger: Ledger, *, stepping: frozenset[str]) -> list[e.EventBody]:
    """Give the events that end entries, exits and positions whose orders are all terminal and booked.

    `stepping` names entry keys whose next limit is still to come.
    """
    bodies: list[e.EventBody] = []
    for position in ledger.open_positions:
        orders = [o for o in ledger.orders.values() if _concerns(ledger, o, position)]
        live = any(order.is_live for order in orders)
        if live or not (orders or position.bought):
            continue
        if position.original_qty == 0 and any(order.intent.key in stepping for order in orders):
            continue
        bodies += _completion(position, orders)
    return bodies


def _concerns(ledger: Ledger, order: Order, position: Position) -> bool:
    if order.intent.position_id == position.id:
        return True
    if order.intent.purpose is not Purpose.ROLL or order.intent.key not in ledger.rolls:
        return False
    return ledger.rolls[order.intent.key].successor_id == position.id


def _completion(position: Position, orders: Sequence[Order]) -> list[e.EventBody]:
    bodies: list[e.EventBody] = []
    if position.original_qty == 0 and position.bought:
        bodies.append(e.EntryCompleted(position_id=position.id, original_qty=position.bought))
    if position.qty == 0:
        bodies.append(e.PositionClosed(position_id=position.id, reason=_close_reason(position)))
    elif position.exit is not None and _sold_since(position, orders) >= position.exit.qty:
        bodies.append(e.ExitWithdrawn(position_id=position.id, reason="done"))
    return bodies


def _close_reason(position: Position) -> str:
    if not position.bought:
        return "not_filled"
    if position.removed_by:
        return position.removed_by
    return position.exit.reason.value if position.exit else ExitReason.EXTERNAL.value


def _sold_since(position: Position, orders: Sequence[Order]) -> int:
    if position.exit is None:
        return 0
    decided_at = position.exit.at
    return sum(
        order.booked for order in orders if not order.intent.purpose.opens and order.created_at >= decided_at
    )
