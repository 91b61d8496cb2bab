"""What the broker's answers mean for the ledger: observations, differences, completions. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import BrokerPosition
from ops_pipeline.domain.breaks import INFERRED_FOR_DAYS, BreakFound, BreakSettled, Cause
from ops_pipeline.domain.instruments import contract_of
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import BrokerOrder, Order, OrderState, Purpose
from ops_pipeline.domain.positions import ExitReason, Position
from ops_pipeline.domain.rules import ExecutionRules
from ops_pipeline.stages.execution.booking import highest, reduce_only
from ops_pipeline.stages.execution.lifecycle import ENTRIES, RESTART, TAKE_OVER

AGREED = "quantities agree again"
# Orders thought never to have reached the broker are watched to the end of the session all the same.
_WATCHED_FOR = timedelta(hours=8)


def watched(ledger: Ledger, *, now: datetime) -> list[Order]:
    """Give the sent orders the broker is asked for: live ones, and late ones that may yet turn up."""
    late = ledger.turned_away_since(now - _WATCHED_FOR)
    return [order for order in (*ledger.live_orders, *late) if order.attempt]


def holder(ledger: Ledger, symbol: str) -> Position | None:
    """Give the open position that holds `symbol`."""
    held = (p for p in ledger.open_positions if p.contract.occ == symbol and p.qty > 0)
    return next(held, None)


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
    other |= shown.cum > order.intent.qty
    return other and order.state is not OrderState.QUARANTINED


def _quarantined(ledger: Ledger, order: Order, shown: BrokerOrder) -> list[e.EventBody]:
    what = ",".join(leg.occ for leg in shown.legs)
    reason = f"order {order.id}: the broker shows {shown.cum} filled of {shown.qty} {what}"
    bodies: list[e.EventBody] = [
        e.OrderSettled(client_order_id=order.id, state=OrderState.QUARANTINED.value, reason=reason)
    ]
    return bodies + reduce_only(ledger, reason)


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
    ledger: Ledger,
    found: Mapping[str, tuple[int, int]],
    causes: Mapping[str, Cause],
    *,
    now: datetime,
    rules: ExecutionRules,
) -> list[e.EventBody]:
    """Give the events for differences: provisional first, confirmed in a later snapshot, settled when gone.

    Only the same difference seen again is confirmed. One without a known cause then freezes the position
    that holds the symbol and makes the account reduce-only; so does one that was explained by a guess
    that nothing bore out. One that is gone thaws its position; the level is a person's to lower.
    """
    bodies: list[e.EventBody] = []
    for symbol, standing in ledger.breaks.items():
        if symbol not in found:
            bodies += _settled(ledger, standing)
    for symbol, pair in found.items():
        earlier = ledger.breaks.get(symbol)
        newest = _newest(symbol, pair, earlier, causes.get(symbol, Cause.UNKNOWN), now=now, rules=rules)
        if newest != earlier:
            bodies.append(newest)
        bodies += _held_still(ledger, newest)
    return highest(bodies)


def _settled(ledger: Ledger, standing: BreakFound) -> list[e.EventBody]:
    agreed = BreakSettled(symbol=standing.symbol, cause=AGREED, inferred=standing.cause.value)
    told = BreakSettled(
        symbol=standing.symbol,
        cause=standing.cause.value,
        inferred=standing.inferred,
        evidence=standing.evidence,
    )
    thawed = [
        e.PositionFrozen(position_id=position.id, reason="")
        for position in ledger.open_positions
        if position.frozen.startswith(_break_prefix(standing.symbol))
    ]
    return [told if standing.evidence else agreed, *thawed]


def _newest(
    symbol: str,
    pair: tuple[int, int],
    earlier: BreakFound | None,
    cause: Cause,
    *,
    now: datetime,
    rules: ExecutionRules,
) -> BreakFound:
    """Give what is known of a difference now; a cause once inferred is kept until its time is over."""
    ours, theirs = pair
    if earlier is None or (earlier.ledger_qty, earlier.broker_qty) != pair:
        return BreakFound(
            symbol=symbol, ledger_qty=ours, broker_qty=theirs, cause=cause, confirmed=False, seen_at=now
        )
    if cause is Cause.UNKNOWN:
        cause = earlier.cause
    if now - earlier.seen_at > timedelta(days=INFERRED_FOR_DAYS):
        cause = Cause.UNKNOWN
    again = (now - earlier.seen_at).total_seconds() >= rules.mismatch_gap_s
    return replace(earlier, cause=cause, confirmed=earlier.confirmed or again, evidence="", inferred="")


def _held_still(ledger: Ledger, found: BreakFound) -> list[e.EventBody]:
    """Freeze what nobody can explain; a short, an assignment, delivered shares make it reduce-only."""
    if not found.confirmed:
        return []
    reason = f"{_break_prefix(found.symbol)}{found.ledger_qty}, broker {found.broker_qty}, {found.cause}"
    if found.cause is not Cause.UNKNOWN:
        shares = found.cause is Cause.EXERCISE and contract_of(found.symbol) is None
        grave = found.broker_qty < 0 or found.cause is Cause.ASSIGNMENT or shares
        return reduce_only(ledger, reason) if grave else []
    held = holder(ledger, found.symbol)
    bodies: list[e.EventBody] = []
    if held is not None and not held.frozen:
        bodies.append(e.PositionFrozen(position_id=held.id, reason=reason))
    return bodies + reduce_only(ledger, reason)


def _break_prefix(symbol: str) -> str:
    return f"{symbol}: ledger "


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
        return position.removed_by or "not_filled"
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
