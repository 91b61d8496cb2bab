"""What the broker's answers mean for the ledger: bookings, observations, differences. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import BrokerPosition, ControlLevel
from ops_pipeline.domain.instruments import Split, split_contract
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
from ops_pipeline.domain.units import Occ, PositionId, Usd4
from ops_pipeline.stages.execution.lifecycle import ENTRIES, RESTART, TAKE_OVER

_REMOVALS = {
    ActivityKind.EXPIRY: ExitReason.EXPIRED,
    ActivityKind.EXERCISE: ExitReason.EXERCISED,
}
# Orders thought never to have reached the broker are watched to the end of the session all the same.
_WATCHED_FOR = timedelta(hours=8)
LIQUIDATION = "liquidation"


def watched(ledger: Ledger, *, now: datetime) -> list[Order]:
    """Give the sent orders the broker is asked for: live ones, and late ones that may yet turn up."""
    late = ledger.turned_away_since(now - _WATCHED_FOR)
    return [order for order in (*ledger.live_orders, *late) if order.attempt]


def bookings(ledger: Ledger, activities: Sequence[Activity]) -> list[e.EventBody]:
    """Give the events for activities not yet booked, in the broker's order.

    Whatever moved cash is booked: to the position it belongs to, else as a movement of its own.
    """
    bodies: list[e.EventBody] = []
    seen: set[str] = set()
    held = {position.id: position.qty for position in ledger.open_positions}
    for activity in activities:
        fact = _fact(activity)
        if fact not in ledger.executions and fact not in seen:
            seen.add(fact)
            bodies += _booking(ledger, activity, held)
    return bodies


def _fact(activity: Activity) -> str:
    return activity.fill.execution_id if activity.fill else activity.activity_id


def _booking(ledger: Ledger, activity: Activity, held: dict[PositionId, int]) -> list[e.EventBody]:
    """Book one activity; `held` follows the quantities through the batch."""
    fill = activity.fill
    if fill is not None and fill.client_order_id in ledger.orders:
        order = ledger.orders[fill.client_order_id]
        position_id = position_of(ledger, order, fill.occ)
        left = held.get(position_id, 0) + fill.qty
        if left < 0 or position_id not in ledger.positions:
            return _contradiction(activity, position_id, ledger)
        held[position_id] = left
        multiplier = order.intent.multiplier
        return [e.FillBooked(fill=fill, position_id=position_id, multiplier=multiplier)]
    owner = _owner(ledger, activity.symbol, held)
    if activity.split is not None and owner is not None:
        return [_adjusted(activity, activity.split, owner, held)]
    cause = _cause_of(activity)
    if owner is None or activity.qty >= 0 or cause is None:
        return _other_cash(ledger, activity)
    qty = min(-activity.qty, held[owner.id])
    held[owner.id] -= qty
    amount = activity.amount * qty // -activity.qty
    removed = e.ContractsRemoved(
        position_id=owner.id,
        activity_id=_fact(activity),
        cause=cause,
        qty=qty,
        amount=amount,
        detail=activity.detail,
    )
    if amount == activity.amount:
        return [removed]
    return [removed, _cash(activity, activity.amount - amount, f"{_fact(activity)}#rest")]


def _adjusted(
    activity: Activity, split: Split, owner: Position, held: dict[PositionId, int]
) -> e.ContractsAdjusted:
    contract, for_one = split_contract(owner.contract, split)
    held[owner.id] *= for_one
    return e.ContractsAdjusted(
        position_id=owner.id,
        activity_id=_fact(activity),
        contract=contract,
        for_one=for_one,
        shares_new=split.new,
        shares_old=split.old,
    )


def _cause_of(activity: Activity) -> ExitReason | None:
    if activity.fill is None:
        return _REMOVALS.get(activity.kind)
    return ExitReason.LIQUIDATED if activity.detail == LIQUIDATION else ExitReason.EXTERNAL


def _other_cash(ledger: Ledger, activity: Activity) -> list[e.EventBody]:
    """Book what belongs to no position of ours; an assignment means a short, which must not exist."""
    if activity.kind is ActivityKind.ASSIGNMENT and ledger.control < ControlLevel.HARD_STOP:
        reason = f"assigned {activity.symbol}: no short is ever held"
        stop = e.ControlChanged(level=ControlLevel.HARD_STOP, reason=reason, actor="reconcile")
        return [stop, _cash(activity, activity.amount, _fact(activity))]
    return [_cash(activity, activity.amount, _fact(activity))] if activity.amount else []


def _contradiction(activity: Activity, position_id: PositionId, ledger: Ledger) -> list[e.EventBody]:
    """Keep the cash true and freeze: a fill that the ledger's quantity cannot explain."""
    bodies: list[e.EventBody] = [_cash(activity, activity.amount, _fact(activity))]
    if position_id in ledger.positions:
        reason = f"sold {-activity.qty} more than held: {_fact(activity)}"
        bodies.append(e.PositionFrozen(position_id=position_id, reason=reason))
    return bodies


def _cash(activity: Activity, amount: Usd4, fact: str) -> e.CashMoved:
    detail = activity.detail or activity.symbol
    return e.CashMoved(activity_id=fact, kind=activity.kind.value, amount=amount, detail=detail)


def _owner(ledger: Ledger, symbol: str, held: Mapping[PositionId, int]) -> Position | None:
    for position in ledger.open_positions:
        if position.contract.occ == symbol and held.get(position.id, 0) > 0:
            return position
    return None


def holder(ledger: Ledger, symbol: str) -> Position | None:
    """Give the open position that holds `symbol`."""
    return _owner(ledger, symbol, {position.id: position.qty for position in ledger.open_positions})


def position_of(ledger: Ledger, order: Order, occ: Occ) -> PositionId:
    """Give the position a fill belongs to; a two-leg roll's opening leg belongs to the successor."""
    if order.intent.purpose is Purpose.ROLL and occ == order.intent.legs[1].occ:
        roll = ledger.rolls[order.intent.key]
        if roll.successor_id is not None:
            return roll.successor_id
    return order.intent.position_id


def observations(ledger: Ledger, broker_orders: Sequence[BrokerOrder]) -> list[e.EventBody]:
    """Give the events for orders whose broker status or count moved.

    An order that is not what was intended is a contradiction: quarantined, the account reduce-only.
    """
    bodies: list[e.EventBody] = []
    for shown in broker_orders:
        order = ledger.orders.get(shown.client_order_id)
        if order is None:
            continue
        if order.is_live and _differs(order, shown):
            bodies += _quarantined(ledger, order, shown)
        elif _is_news(order, shown):
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


def _differs(order: Order, shown: BrokerOrder) -> bool:
    other = shown.qty != order.intent.qty or bool(shown.legs and shown.legs != order.intent.legs)
    return other and order.state is not OrderState.QUARANTINED


def _quarantined(ledger: Ledger, order: Order, shown: BrokerOrder) -> list[e.EventBody]:
    reason = f"order {order.id}: the broker shows {shown.qty} of {','.join(leg.occ for leg in shown.legs)}"
    bodies: list[e.EventBody] = [
        e.OrderSettled(client_order_id=order.id, state=OrderState.QUARANTINED.value, reason=reason)
    ]
    return bodies + _reduce_only(ledger, reason)


def _reduce_only(ledger: Ledger, reason: str) -> list[e.EventBody]:
    if ledger.control >= ControlLevel.REDUCE_ONLY:
        return []
    return [e.ControlChanged(level=ControlLevel.REDUCE_ONLY, reason=reason, actor="reconcile")]


def _is_news(order: Order, shown: BrokerOrder) -> bool:
    if order.state in (OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED):
        return False
    if order.state in (OrderState.NOT_PLACED, OrderState.REJECTED):
        return shown.cum > order.cum or not shown.status.is_terminal
    if order.state in (OrderState.UNKNOWN, OrderState.ABANDONING, OrderState.SENDING, OrderState.ORPHAN):
        return True
    fell = shown.cum < order.cum and order.cum > max(order.leg_booked)
    return shown.status is not order.broker_status or shown.cum > order.cum or fell


def recovered(ledger: Ledger, *, took_over: bool = False) -> list[e.EventBody]:
    """Give the events of a start: an order that was being sent is UNKNOWN, never rejected.

    `took_over`: from a process that may still be sending it.
    """
    return [
        e.OrderSettled(
            client_order_id=order.id,
            state=OrderState.UNKNOWN.value,
            reason=TAKE_OVER if took_over else RESTART,
        )
        for order in ledger.live_orders
        if order.state is OrderState.SENDING
    ]


def differences(ledger: Ledger, positions: Sequence[BrokerPosition]) -> Mapping[str, tuple[int, int]]:
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

    Only the same difference seen again is confirmed: it freezes the position that holds the symbol and
    makes the account reduce-only. One that is gone thaws its position; the level is a person's to lower.
    """
    bodies: list[e.EventBody] = []
    for symbol in ledger.breaks:
        if symbol not in found:
            bodies.append(e.BreakSettled(symbol=symbol, cause="quantities agree again"))
            bodies += [
                e.PositionFrozen(position_id=position.id, reason="")
                for position in ledger.open_positions
                if position.frozen.startswith(_break_prefix(symbol))
            ]
    for symbol, (ours, theirs) in found.items():
        earlier = ledger.breaks.get(symbol)
        same = earlier is not None and (earlier.ledger_qty, earlier.broker_qty) == (ours, theirs)
        if earlier is None or (not same and not earlier.confirmed):
            bodies.append(_break(symbol, ours, theirs, confirmed=False, now=now))
        elif not earlier.confirmed and (now - earlier.seen_at).total_seconds() >= rules.mismatch_gap_s:
            bodies += _confirmed(ledger, symbol, ours, theirs, now=now)
    return bodies


def _break_prefix(symbol: str) -> str:
    return f"{symbol}: ledger "


def _confirmed(ledger: Ledger, symbol: str, ours: int, theirs: int, *, now: datetime) -> list[e.EventBody]:
    reason = f"{_break_prefix(symbol)}{ours}, broker {theirs}"
    bodies: list[e.EventBody] = [_break(symbol, ours, theirs, confirmed=True, now=now)]
    held = holder(ledger, symbol)
    if held is not None and not held.frozen:
        bodies.append(e.PositionFrozen(position_id=held.id, reason=reason))
    return bodies + _reduce_only(ledger, reason)


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
        orders = _orders_concerning(ledger, position)
        live = any(order.is_live for order in orders)
        if live or not (orders or position.bought):
            continue
        if position.original_qty == 0 and any(order.intent.key in stepping for order in orders):
            continue
        bodies += _completion(position, orders)
    return bodies


def _orders_concerning(ledger: Ledger, position: Position) -> list[Order]:
    """Give a position's own orders, and the two-leg orders that roll another into it."""
    into = [roll.position_id for roll in ledger.rolls.values() if roll.successor_id == position.id]
    rolling = [
        order
        for predecessor in into
        for order in ledger.orders_of(predecessor)
        if order.intent.purpose is Purpose.ROLL
        and order.intent.key in ledger.rolls
        and ledger.rolls[order.intent.key].successor_id == position.id
    ]
    return [*ledger.orders_of(position.id), *rolling]


def _completion(position: Position, orders: Sequence[Order]) -> list[e.EventBody]:
    bodies: list[e.EventBody] = []
    if position.original_qty == 0 and position.bought:
        bodies.append(e.EntryCompleted(position_id=position.id, original_qty=position.bought))
    if position.qty == 0:
        bodies.append(e.PositionClosed(position_id=position.id, reason=_close_reason(position)))
    elif position.exit and not position.exit.latched and _sold_since(position, orders) >= position.exit.qty:
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
        order.booked
        for order in orders
        if order.intent.purpose not in ENTRIES and order.created_at >= decided_at
    )
