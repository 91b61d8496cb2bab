"""An account's ledger as the fold of its events: each one checked, counted and applied. Pure."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from ops_pipeline.domain import breaks as b
from ops_pipeline.domain import events as e
from ops_pipeline.domain import order_fold, position_fold
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.alerts import Alert, AlertCleared, AlertRaised
from ops_pipeline.domain.changing import changed
from ops_pipeline.domain.controls import (
    PersonsEvent,
    PositionWished,
    SymbolBlocked,
    SymbolUnblocked,
    kill_id_of,
)
from ops_pipeline.domain.errors import ForbiddenError, LedgerError
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import Order, OrderIntent, OrderState, most_allowed
from ops_pipeline.domain.positions import Position
from ops_pipeline.domain.rolls import Roll
from ops_pipeline.domain.units import ClientOrderId, PositionId, Usd4


def apply_all(ledger: Ledger, events: Iterable[e.Event]) -> Ledger:
    """Fold `events` in order; one that does not fit raises LedgerError and changes nothing."""
    ledger = replace(
        ledger,
        orders=dict(ledger.orders),
        positions=dict(ledger.positions),
        rolls=dict(ledger.rolls),
        breaks=dict(ledger.breaks),
        external=dict(ledger.external),
        resolved=dict(ledger.resolved),
        alerts=dict(ledger.alerts),
        blocked=dict(ledger.blocked),
        wishes=dict(ledger.wishes),
        executions=dict(ledger.executions),
        kept=ledger.index.copy(),
    )
    seq, head = ledger.seq, ledger.head
    for event in events:
        if event.seq != seq + 1 or event.previous != head:
            raise LedgerError(f"account {ledger.account}: expected event {seq + 1}, was {event.seq}")
        ledger = _apply(ledger, event)
        seq, head = event.seq, event.hash
    return replace(ledger, seq=seq, head=head)


def apply_standing(ledger: Ledger, events: Iterable[e.Event]) -> Ledger:
    """Fold, over a ledger known otherwise, only what stands in no order, position, roll or amount of cash.

    Levels, alerts, blocks, wishes, what is held beside our positions, how far activities were read.
    """
    ledger = replace(ledger, alerts={}, blocked={}, wishes={}, external={}, resolved={})
    for event in events:
        body = event.body
        if isinstance(body, b.Beside):
            b.fold_beside(ledger.external, ledger.resolved, body)  # type: ignore[arg-type] # its own dicts
            if isinstance(body, b.ActivitiesRead):
                ledger = replace(ledger, read_through=body.through)
        elif isinstance(body, e.AccountOpened):
            ledger = replace(ledger, opened_at=event.at, read_through=event.at)
        elif isinstance(body, e.ContractsAdjusted):
            _split_wish(ledger, body)
        elif isinstance(body, e.ControlChanged):
            ledger = _controlled(ledger, body, event)
        elif isinstance(body, AlertRaised | AlertCleared | PersonsEvent):
            ledger = _lasting(ledger, body, event.at)
    return ledger


def _apply(ledger: Ledger, event: e.Event) -> Ledger:  # the fold mutates its own copies
    body, at = event.body, event.at
    match body:
        case e.PositionOpened():
            return _put_position(ledger, position_fold.start_position(ledger.account, body, at))
        case e.OrderIntended(intent=intent):
            _may_intend(ledger, intent)
            return _put_order(ledger, order_fold.start_order(body, at))
        case e.FillBooked():
            return _book(ledger, body, event)
        case e.OrderSending():
            order = _order(ledger, body.client_order_id)
            _may_send(ledger, order)
            return _put_order(ledger, order_fold.send(order, body, at))
        case e.OrderAnswered() | e.OrderObserved() | e.OrderNotFound() | e.OrderSettled():
            return _told(ledger, _changed_order(_order(ledger, body.client_order_id), body, at))
        case (
            e.EntryCompleted()
            | e.PositionMarked()
            | e.ExitDecided()
            | e.ExitWithdrawn()
            | e.ContractsAdopted()
            | e.ContractsAdjusted()
            | e.ContractsRemoved()
            | e.PositionClosed()
            | e.PositionFrozen()
        ):
            position = _changed_position(_position(ledger, body.position_id), body, at)
            if isinstance(body, (e.ContractsRemoved, e.ContractsAdjusted, e.ContractsAdopted)):
                _once(ledger, body.activity_id, event)
            if isinstance(body, e.ContractsAdjusted):
                _split_wish(ledger, body)
            return _moved(_put_position(ledger, position), _credit(body, position))
        case e.RollAdvanced() | e.RollRefused():
            return _roll(ledger, body, at)
        case b.FillBusted():
            return _bust(ledger, body, event)
        case _:
            return (
                _beside(ledger, body, event) if isinstance(body, b.Beside) else _account(ledger, body, event)
            )


def _split_wish(ledger: Ledger, body: e.ContractsAdjusted) -> None:
    wish = ledger.wishes.get(body.position_id)
    if wish is not None:
        ledger.wishes[body.position_id] = wish.split(body.for_one)  # type: ignore[index] # see _put_order


def _credit(body: e.EventBody, position: Position) -> Usd4:
    """Give the cash that an event of a position brings without a fill."""
    if isinstance(body, e.ContractsRemoved):
        return body.amount
    return -position.cost if isinstance(body, e.ContractsAdopted) else 0


def _moved(ledger: Ledger, amount: Usd4) -> Ledger:
    return replace(ledger, cash=ledger.cash + amount) if amount else ledger


def _may_intend(ledger: Ledger, intent: OrderIntent) -> None:
    if intent.client_order_id in ledger.orders:
        raise LedgerError(f"order {intent.client_order_id}: intended twice")
    cause = (intent.purpose, intent.key)
    live = [o.id for o in ledger.live_orders if (o.intent.purpose, o.intent.key) == cause]
    if live:
        raise LedgerError(f"order {intent.client_order_id}: {live[0]} of the same cause is not terminal")


def _may_send(ledger: Ledger, order: Order) -> None:
    """Refuse, in the transaction that writes SENDING, what the kill level forbids (K1)."""
    most = most_allowed(order.intent.purpose)
    if ledger.control > most:
        raise ForbiddenError(
            f"order {order.id}: expected control <= {most.name} to send it, was {ledger.control.name}"
        )


def _once(ledger: Ledger, fact_id: str, event: e.Event) -> None:
    if fact_id in ledger.executions:
        raise LedgerError(f"account {ledger.account}: {fact_id} booked twice")
    ledger.executions[fact_id] = event.seq  # type: ignore[index] # see _put_order


def _order(ledger: Ledger, cid: ClientOrderId) -> Order:
    if cid not in ledger.orders:
        raise LedgerError(f"order {cid}: not in the ledger of {ledger.account}")
    return ledger.orders[cid]


def _position(ledger: Ledger, position_id: PositionId) -> Position:
    if position_id not in ledger.positions:
        raise LedgerError(f"position {position_id}: not in the ledger of {ledger.account}")
    return ledger.positions[position_id]


def _put_order(ledger: Ledger, order: Order) -> Ledger:
    ledger.orders[order.id] = order  # type: ignore[index] # apply_all gave this fold its own dicts
    ledger.index.note_order(order, ledger.orders)
    return ledger


def _told(ledger: Ledger, order: Order) -> Ledger:
    """Put an order; one that turned up although it was given up keeps its position open while it lives."""
    position = ledger.positions.get(order.intent.position_id)
    if order.state is OrderState.ORPHAN and order.intent.purpose.opens and position is not None:
        ledger = _put_position(ledger, position_fold.reopened(position))
    return _put_order(ledger, order)


def _put_position(ledger: Ledger, position: Position) -> Ledger:
    ledger.positions[position.id] = position  # type: ignore[index] # see _put_order
    ledger.index.note_position(position, ledger.positions)
    return ledger


def _changed_order(order: Order, body: e.EventBody, at: datetime) -> Order:
    match body:
        case e.OrderAnswered():
            return order_fold.answer(order, body, at)
        case e.OrderObserved():
            return order_fold.observe(order, body, at)
        case e.OrderNotFound():
            return order_fold.not_found(order, body, at)
        case e.OrderSettled():
            return order_fold.settle(order, body, at)
        case _:
            raise LedgerError(f"order {order.id}: {type(body).__name__} is not an order event")


def _changed_position(position: Position, body: e.EventBody, at: datetime) -> Position:
    match body:
        case e.EntryCompleted():
            return position_fold.complete_entry(position, body)
        case e.PositionMarked():
            return position_fold.mark(position, body, at)
        case e.ExitDecided():
            return position_fold.decide_exit(position, body)
        case e.ExitWithdrawn():
            return position_fold.withdraw_exit(position)
        case e.ContractsAdopted():
            return position_fold.adopt_contracts(position, body)
        case e.ContractsAdjusted():
            return position_fold.adjust_contracts(position, body)
        case e.ContractsRemoved():
            return position_fold.remove_contracts(position, body)
        case e.PositionClosed():
            return position_fold.close(position, body, at)
        case e.PositionFrozen():
            return changed(position, frozen=body.reason)
        case _:
            raise LedgerError(f"position {position.id}: {type(body).__name__} is not a position event")


def _book(ledger: Ledger, body: e.FillBooked, event: e.Event) -> Ledger:
    fill = body.fill
    _once(ledger, fill.execution_id, event)
    position = position_fold.book_fill(_position(ledger, body.position_id), fill)
    order = order_fold.book(_order(ledger, fill.client_order_id), fill, event.at)
    flow = fill.price * fill.qty * body.multiplier + fill.fees
    return _moved(_put_order(_put_position(ledger, position), order), -flow)


def _bust(ledger: Ledger, body: b.FillBusted, event: e.Event) -> Ledger:
    fill = body.fill
    _once(ledger, body.activity_id, event)
    position = position_fold.bust_fill(_position(ledger, body.position_id), fill)
    order = order_fold.bust(_order(ledger, fill.client_order_id), fill, event.at)
    flow = fill.price * fill.qty * body.multiplier + fill.fees
    return _moved(_put_order(_put_position(ledger, position), order), flow)


def _beside(ledger: Ledger, body: b.Beside, event: e.Event) -> Ledger:
    if isinstance(body, b.ExternalMoved):
        _once(ledger, body.activity_id, event)
    cash, realised = b.fold_beside(ledger.external, ledger.resolved, body)  # type: ignore[arg-type] # see _put_order
    ledger = replace(ledger, cash=ledger.cash + cash, other_cash=ledger.other_cash + realised)
    match body:
        case b.ExternalAdopted():
            begun = position_fold.begin_held(_position(ledger, body.position_id), body.qty, body.cost)
            return _put_position(ledger, begun)
        case b.PositionReleased():
            left = position_fold.release(_position(ledger, body.position_id), body.qty, body.basis)
            return _put_position(ledger, left)
        case b.ActivitiesRead(through=through):
            return replace(ledger, read_through=through)
        case _:
            return ledger


def _roll(ledger: Ledger, body: e.RollAdvanced | e.RollRefused, at: datetime) -> Ledger:
    position = _position(ledger, body.position_id)
    if isinstance(body, e.RollRefused):
        return _put_position(ledger, changed(position, rolled_on=body.session))
    ledger.rolls[body.roll_id] = Roll(  # type: ignore[index] # see _put_order
        id=body.roll_id,
        position_id=body.position_id,
        state=body.state,
        successor=body.successor,
        successor_id=body.successor_id,
        qty=body.qty,
        two_leg=body.two_leg,
        pnl_locked=body.pnl_locked,
        reason=body.reason,
        updated_at=at,
    )
    ledger.index.note_roll(body.roll_id, is_live=ledger.rolls[body.roll_id].is_live)
    return ledger


def _account(ledger: Ledger, body: e.EventBody, event: e.Event) -> Ledger:
    match body:
        case e.AccountOpened():
            if event.seq > 1:
                raise LedgerError(f"account {ledger.account}: opened twice")
            return replace(
                ledger,
                number=body.number,
                broker=body.broker,
                mode=body.mode,
                tier=body.tier,
                start_cash=body.cash,
                cash=body.cash,
                opened_at=event.at,
                read_through=event.at,
            )
        case e.CashMoved():
            _once(ledger, body.activity_id, event)
            return replace(ledger, cash=ledger.cash + body.amount, other_cash=ledger.other_cash + body.amount)
        case e.TierChanged():
            return replace(ledger, tier=body.tier, tier_drift=0, tier_session=body.session)
        case e.TierDrifted():
            return replace(ledger, tier_drift=body.sessions, tier_session=body.session)
        case e.ControlChanged():
            return _controlled(ledger, body, event)
        case e.EntriesPaused():
            return replace(ledger, paused_session=body.session)
        case _:
            return _lasting(ledger, body, event.at)


def _lasting(ledger: Ledger, body: e.EventBody, at: datetime) -> Ledger:
    """Fold what lasts until something ends it: breaks, alerts, blocks, wishes."""
    match body:
        case b.BreakFound():
            ledger.breaks[body.symbol] = body  # type: ignore[index] # see _put_order
        case b.BreakSettled():
            ledger.breaks.pop(body.symbol, None)  # type: ignore[attr-defined] # see _put_order
        case AlertRaised(code=code, key=key, severity=severity, detail=detail):
            raised = Alert(code=code, key=key, severity=severity, detail=detail, at=at)
            ledger.alerts[code, key] = raised  # type: ignore[index] # see _put_order
        case AlertCleared(code=code, key=key):
            ledger.alerts.pop((code, key), None)  # type: ignore[attr-defined] # see _put_order
        case SymbolBlocked(symbol=symbol):
            ledger.blocked[symbol] = body  # type: ignore[index] # see _put_order
        case SymbolUnblocked(symbol=symbol):
            ledger.blocked.pop(symbol, None)  # type: ignore[attr-defined] # see _put_order
        case PositionWished(position_id=position_id):
            wish = ledger.wish_of(_position(ledger, position_id).id).tightened(body)
            ledger.wishes[position_id] = wish  # type: ignore[index] # see _put_order
        case _:
            raise LedgerError(f"account {ledger.account}: {type(body).__name__} has no fold")
    return ledger


def _controlled(ledger: Ledger, body: e.ControlChanged, event: e.Event) -> Ledger:
    """Set the level; a flatten that begins gets its id, which stays its orders' cause to the end.

    What nobody asked for was decided before its commit: where the level has risen since, it stands (5.3).
    """
    if body.actor in e.AUTOMATIC and body.level < ledger.control:
        return ledger
    begins = body.level is ControlLevel.FLATTEN and ledger.control < ControlLevel.FLATTEN
    return replace(
        ledger,
        control=body.level,
        control_reason=body.reason,
        raised_at=event.at if body.level > ledger.control else ledger.raised_at,
        kill_id=kill_id_of(ledger.account, event.seq) if begins else ledger.kill_id,
    )
