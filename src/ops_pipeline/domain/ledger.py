"""An account's ledger: the fold of its event chain. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from ops_pipeline.domain import events as e
from ops_pipeline.domain import order_fold, position_fold
from ops_pipeline.domain.accounts import ControlLevel, Mode, Tier
from ops_pipeline.domain.alerts import Alert, AlertCleared, AlertCode, AlertRaised
from ops_pipeline.domain.controls import (
    NO_WISH,
    PositionWished,
    SymbolBlocked,
    SymbolUnblocked,
    Wish,
    kill_id_of,
)
from ops_pipeline.domain.errors import ForbiddenError, LedgerError
from ops_pipeline.domain.ledger_index import LedgerIndex, index_of
from ops_pipeline.domain.orders import Order, OrderIntent, Purpose, most_allowed
from ops_pipeline.domain.positions import Position
from ops_pipeline.domain.rolls import Roll
from ops_pipeline.domain.units import AccountId, ClientOrderId, PositionId, Usd4


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Everything the event chain says of one account; `cash` and `start_cash` in Usd4.

    `raised_at` is when the kill level last rose, `kill_id` names the newest flatten ("": none).
    `kept` is the fold's index of what is alive; a ledger without one looks through its history.
    """

    account: AccountId
    seq: int = 0
    head: str = e.GENESIS
    number: str = ""
    broker: str = ""
    mode: Mode = Mode.SHADOW
    tier: Tier = Tier.TINY
    tier_drift: int = 0
    tier_session: date | None = None
    start_cash: Usd4 = 0
    cash: Usd4 = 0
    other_cash: Usd4 = 0
    control: ControlLevel = ControlLevel.NORMAL
    control_reason: str = ""
    raised_at: datetime | None = None
    kill_id: str = ""
    paused_session: date | None = None
    breaks: Mapping[str, e.BreakFound] = field(default_factory=dict)
    orders: Mapping[ClientOrderId, Order] = field(default_factory=dict)
    positions: Mapping[PositionId, Position] = field(default_factory=dict)
    rolls: Mapping[str, Roll] = field(default_factory=dict)
    alerts: Mapping[tuple[AlertCode, str], Alert] = field(default_factory=dict)
    blocked: Mapping[str, SymbolBlocked] = field(default_factory=dict)
    wishes: Mapping[PositionId, Wish] = field(default_factory=dict)
    executions: Mapping[str, int] = field(default_factory=dict)
    kept: LedgerIndex | None = field(default=None, compare=False, repr=False)

    @property
    def index(self) -> LedgerIndex:
        """Give the index of what is alive."""
        if self.kept is not None:
            return self.kept
        live_rolls = [roll.id for roll in self.rolls.values() if roll.is_live]
        return index_of(self.orders.values(), self.positions.values(), live_rolls)

    @property
    def live_orders(self) -> tuple[Order, ...]:
        """Give the orders that may still trade, oldest first."""
        return tuple([self.orders[key] for key in self.index.live])

    @property
    def open_positions(self) -> tuple[Position, ...]:
        """Give the positions not yet closed, oldest first."""
        return tuple([self.positions[key] for key in self.index.open])

    @property
    def live_rolls(self) -> tuple[Roll, ...]:
        """Give the rolls that still have steps to take, oldest first."""
        return tuple([self.rolls[key] for key in self.index.rolls])

    def orders_of(self, position_id: PositionId) -> tuple[Order, ...]:
        """Give all orders made for a position, oldest first."""
        return tuple([self.orders[key] for key in self.index.by_position.get(position_id, ())])

    def turned_away_since(self, at: datetime) -> tuple[Order, ...]:
        """Give the orders not placed or rejected after `at`, the last so changed first."""
        found: list[Order] = []
        for key in reversed(self.index.turned_away):
            order = self.orders[key]
            if order.updated_at <= at:
                break
            found.append(order)
        return tuple(found)

    def closed_since(self, at: datetime) -> tuple[Position, ...]:
        """Give the positions closed at or after `at`, oldest first."""
        found: list[Position] = []
        for key in reversed(self.index.closed):
            position = self.positions[key]
            if position.closed_at is not None and position.closed_at < at:
                break
            found.append(position)
        return tuple(reversed(found))

    def entered_since(self, session: date) -> tuple[Position, ...]:
        """Give the positions whose entry session is `session` or later, oldest first."""
        found: list[Position] = []
        for position in reversed(self.positions.values()):  # type: ignore[call-overload] # the fold keeps dicts
            if position.entry_session >= session:
                found.append(position)
            elif self.kept is not None:  # a fold holds them in the order in which they were opened
                break
        return tuple(reversed(found))

    @property
    def realised(self) -> Usd4:
        """Sum realised profit net of every fee, over all positions, and other cash movements."""
        return sum(position.realised for position in self.positions.values()) + self.other_cash

    @property
    def fees(self) -> Usd4:
        """Sum the fees of all fills."""
        return sum(position.fees for position in self.positions.values())

    def block_of(self, symbol: str, now: datetime) -> SymbolBlocked | None:
        """Give the block that stands on an underlying at `now`; None: entries are allowed."""
        found = self.blocked.get(symbol)
        return None if found is None or (found.until is not None and found.until <= now) else found

    def wish_of(self, position_id: PositionId) -> Wish:
        """Give what people want of a position."""
        return self.wishes.get(position_id, NO_WISH)

    def next_generation(self, purpose: Purpose, key: str) -> int:
        """Give the next order of this cause its number; the one before must be terminal (O4)."""
        return self.index.generations.get((purpose, key), 0) + 1

    def held(self) -> dict[str, int]:
        """Give contracts held per symbol, as the ledger has it."""
        held: dict[str, int] = {}
        for position in self.positions.values():
            if position.qty:
                held[position.contract.occ] = held.get(position.contract.occ, 0) + position.qty
        return held


def apply_all(ledger: Ledger, events: Iterable[e.Event]) -> Ledger:
    """Fold `events` in order; one that does not fit raises LedgerError and changes nothing."""
    ledger = replace(
        ledger,
        orders=dict(ledger.orders),
        positions=dict(ledger.positions),
        rolls=dict(ledger.rolls),
        breaks=dict(ledger.breaks),
        alerts=dict(ledger.alerts),
        blocked=dict(ledger.blocked),
        wishes=dict(ledger.wishes),
        executions=dict(ledger.executions),
        kept=ledger.index.copy(),
    )
    for event in events:
        if event.seq != ledger.seq + 1 or event.previous != ledger.head:
            raise LedgerError(f"account {ledger.account}: expected event {ledger.seq + 1}, was {event.seq}")
        ledger = replace(_apply(ledger, event.body, event.at), seq=event.seq, head=event.hash)
    return ledger


def _apply(ledger: Ledger, body: e.EventBody, at: datetime) -> Ledger:  # the fold mutates its own copies
    match body:
        case e.PositionOpened():
            return _put_position(ledger, position_fold.start_position(ledger.account, body, at))
        case e.OrderIntended(intent=intent):
            _may_intend(ledger, intent)
            return _put_order(ledger, order_fold.start_order(body, at))
        case e.FillBooked():
            return _book(ledger, body, at)
        case e.OrderSending():
            order = _order(ledger, body.client_order_id)
            _may_send(ledger, order)
            return _put_order(ledger, order_fold.send(order, body, at))
        case e.OrderAnswered() | e.OrderObserved() | e.OrderNotFound() | e.OrderSettled():
            return _put_order(ledger, _changed_order(_order(ledger, body.client_order_id), body, at))
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
            amount = 0
            if isinstance(body, e.ContractsRemoved):
                _once(ledger, body.activity_id)
                amount = body.amount
            if isinstance(body, e.ContractsAdjusted):
                _once(ledger, body.activity_id)
                if position.id in ledger.wishes:
                    split = ledger.wishes[position.id].split(body.for_one)
                    ledger.wishes[position.id] = split  # type: ignore[index] # see _put_order
            if isinstance(body, e.ContractsAdopted):
                _once(ledger, body.activity_id)
                amount = -position.cost
            return replace(_put_position(ledger, position), cash=ledger.cash + amount)
        case e.RollAdvanced() | e.RollRefused():
            return _roll(ledger, body, at)
        case _:
            return _account(ledger, body, at)


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


def _once(ledger: Ledger, fact_id: str) -> None:
    if fact_id in ledger.executions:
        raise LedgerError(f"account {ledger.account}: {fact_id} booked twice")
    ledger.executions[fact_id] = ledger.seq + 1  # type: ignore[index] # see _put_order


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
            return replace(position, frozen=body.reason)
        case _:
            raise LedgerError(f"position {position.id}: {type(body).__name__} is not a position event")


def _book(ledger: Ledger, body: e.FillBooked, at: datetime) -> Ledger:
    fill = body.fill
    _once(ledger, fill.execution_id)
    position = position_fold.book_fill(_position(ledger, body.position_id), fill)
    order = order_fold.book(_order(ledger, fill.client_order_id), fill, at)
    flow = fill.price * fill.qty * body.multiplier + fill.fees
    return replace(_put_order(_put_position(ledger, position), order), cash=ledger.cash - flow)


def _roll(ledger: Ledger, body: e.RollAdvanced | e.RollRefused, at: datetime) -> Ledger:
    position = _position(ledger, body.position_id)
    if isinstance(body, e.RollRefused):
        return _put_position(ledger, replace(position, rolled_on=body.session))
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


def _account(ledger: Ledger, body: e.EventBody, at: datetime) -> Ledger:
    match body:
        case e.AccountOpened():
            if ledger.seq:
                raise LedgerError(f"account {ledger.account}: opened twice")
            return replace(
                ledger,
                number=body.number,
                broker=body.broker,
                mode=body.mode,
                tier=body.tier,
                start_cash=body.cash,
                cash=body.cash,
            )
        case e.CashMoved():
            _once(ledger, body.activity_id)
            return replace(ledger, cash=ledger.cash + body.amount, other_cash=ledger.other_cash + body.amount)
        case e.TierChanged():
            return replace(ledger, tier=body.tier, tier_drift=0, tier_session=body.session)
        case e.TierDrifted():
            return replace(ledger, tier_drift=body.sessions, tier_session=body.session)
        case e.ControlChanged():
            return _controlled(ledger, body, at)
        case e.EntriesPaused():
            return replace(ledger, paused_session=body.session)
        case _:
            return _lasting(ledger, body, at)


def _lasting(ledger: Ledger, body: e.EventBody, at: datetime) -> Ledger:
    """Fold what lasts until something ends it: breaks, alerts, blocks, wishes."""
    match body:
        case e.BreakFound():
            ledger.breaks[body.symbol] = body  # type: ignore[index] # see _put_order
        case e.BreakSettled():
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


def _controlled(ledger: Ledger, body: e.ControlChanged, at: datetime) -> Ledger:
    """Set the level; a flatten that begins gets its id, which stays its orders' cause to the end."""
    begins = body.level is ControlLevel.FLATTEN and ledger.control < ControlLevel.FLATTEN
    return replace(
        ledger,
        control=body.level,
        control_reason=body.reason,
        raised_at=at if body.level > ledger.control else ledger.raised_at,
        kill_id=kill_id_of(ledger.account, ledger.seq + 1) if begins else ledger.kill_id,
    )
