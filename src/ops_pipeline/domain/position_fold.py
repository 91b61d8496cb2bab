"""How a position's events change it, and the trade it ends as. Pure."""

from dataclasses import replace
from datetime import datetime

from ops_pipeline.domain import events as e
from ops_pipeline.domain.changing import changed
from ops_pipeline.domain.errors import LedgerError
from ops_pipeline.domain.orders import Fill
from ops_pipeline.domain.positions import Position, PositionStatus, Trade
from ops_pipeline.domain.units import AccountId, Contracts, Usd4, gain_bp, round_event_float


def start_position(account: AccountId, body: e.PositionOpened, at: datetime) -> Position:
    """Give the position that its entry order is going to fill."""
    return Position(
        id=body.position_id,
        account=account,
        tier=body.tier,
        contract=body.contract,
        strategy=body.strategy,
        signal_id=body.signal_id,
        status=PositionStatus.OPENING,
        opened_at=at,
        entry_session=body.session,
        entry_dte=body.entry_dte,
        entry_underlying=body.entry_underlying,
        entry_atr=body.entry_atr,
        entry_iv_rank=body.entry_iv_rank,
        entry_delta=body.entry_delta,
        rolled_from=body.rolled_from,
        roll_count=body.roll_count,
    )


def book_fill(position: Position, fill: Fill) -> Position:
    """Move quantity, cost, proceeds and fees by one execution; selling more than held is refused.

    A late purchase brings a closed position back: what is held is managed.
    """
    amount = fill.price * abs(fill.qty) * position.contract.multiplier
    fees = position.fees + fill.fees
    if fill.qty > 0:
        bought, cost = position.bought + fill.qty, position.cost + amount
        average = -(-cost // (bought * position.contract.multiplier))
        position = reopened(position)
        return changed(position, bought=bought, cost=cost, fees=fees, peak=max(position.peak, average))
    sold = position.sold - fill.qty
    if sold > position.bought:
        raise LedgerError(f"position {position.id}: sold {sold} of {position.bought} bought")
    return changed(position, sold=sold, proceeds=position.proceeds + amount, fees=fees)


def bust_fill(position: Position, fill: Fill) -> Position:
    """Take an execution back: a busted sale is held again, a busted purchase was never held."""
    amount = fill.price * abs(fill.qty) * position.contract.multiplier
    fees = position.fees - fill.fees
    if fill.qty < 0:
        if position.sold + fill.qty < 0:
            raise LedgerError(f"position {position.id}: {-fill.qty} sales taken back, sold {position.sold}")
        position = reopened(position)
        return changed(
            position, sold=position.sold + fill.qty, proceeds=position.proceeds - amount, fees=fees
        )
    bought = position.bought - fill.qty
    if bought < position.sold:
        raise LedgerError(f"position {position.id}: {fill.qty} purchases taken back, holds {position.qty}")
    return changed(
        position,
        bought=bought,
        cost=position.cost - amount,
        fees=fees,
        original_qty=max(0, position.original_qty - fill.qty),
        removed_by=position.removed_by if bought else "busted",
    )


def complete_entry(position: Position, body: e.EntryCompleted) -> Position:
    """Fix the original quantity; a position in which nothing was bought waits to be closed."""
    status = PositionStatus.EXITING if position.exit else PositionStatus.OPEN
    return changed(position, original_qty=body.original_qty, status=status)


def mark(position: Position, body: e.PositionMarked, at: datetime) -> Position:
    """Take over peak, arming, trailing stop and counts; peak and stop only ever rise.

    Without a mark (the stop read a bid) the last mark and its time stand: blindness counts from there.
    """
    if body.peak < position.peak or body.trailing_stop < position.trailing_stop:
        raise LedgerError(f"position {position.id}: peak and trailing stop only rise")
    seen = body.mark is not None
    return changed(
        position,
        mark=body.mark if seen else position.mark,
        marked_at=at if seen else position.marked_at,
        peak=body.peak,
        armed=body.armed,
        trailing_stop=body.trailing_stop,
        stop_count=body.stop_count,
        trail_count=body.trail_count,
    )


def decide_exit(position: Position, body: e.ExitDecided) -> Position:
    """Take an exit decision over; a latched one gives way only to a higher rank."""
    current = position.exit
    if current is not None and current.latched and body.decision.rank > current.rank:
        raise LedgerError(f"position {position.id}: {current.reason} is latched")
    return changed(position, exit=body.decision, status=PositionStatus.EXITING)


def withdraw_exit(position: Position) -> Position:
    """Drop a decision that is done or no longer holds."""
    status = PositionStatus.OPEN if position.original_qty else PositionStatus.OPENING
    return changed(position, exit=None, status=status)


def reopened(position: Position) -> Position:
    """Bring a closed position back; one that is open stays as it is."""
    if position.status is not PositionStatus.CLOSED:
        return position
    status = PositionStatus.OPEN if position.original_qty else PositionStatus.OPENING
    return changed(position, status=status, closed_at=None, close_reason="")


def adopt_contracts(position: Position, body: e.ContractsAdopted) -> Position:
    """Begin with contracts that were held before: bought at their cost, nothing left to enter."""
    return begin_held(position, body.qty, body.price * body.qty * position.contract.multiplier)


def begin_held(position: Position, qty: Contracts, cost: Usd4) -> Position:
    """Let a planned position hold `qty` contracts that cost `cost` in all; nothing is left to enter."""
    if position.bought:
        raise LedgerError(f"position {position.id}: adopts into {position.bought} bought")
    peak = -(-cost // (qty * position.contract.multiplier))
    return changed(position, bought=qty, original_qty=qty, cost=cost, peak=peak, status=PositionStatus.OPEN)


def release(position: Position, qty: Contracts, basis: Usd4) -> Position:
    """Let go of everything held at its cost; what was realised before stays realised."""
    if (qty, basis) != (position.qty, position.basis):
        raise LedgerError(f"position {position.id}: releases {qty} at {basis}, holds {position.qty}")
    return changed(position, sold=position.bought, proceeds=position.proceeds + basis, removed_by="released")


def adjust_contracts(position: Position, body: e.ContractsAdjusted) -> Position:
    """Express the position in the contracts a split made of it; cost, proceeds and fees stay.

    Prices per share are rounded so that no peak or stop is lowered by the rounding.
    """
    if not position.qty:
        raise LedgerError(f"position {position.id}: expected contracts to split, holds none")
    units = body.for_one * body.contract.multiplier
    was = position.contract.multiplier
    atr = position.entry_atr
    current = position.exit
    return changed(
        position,
        contract=body.contract,
        original_qty=position.original_qty * body.for_one,
        bought=position.bought * body.for_one,
        sold=position.sold * body.for_one,
        peak=-(-position.peak * was // units),
        trailing_stop=-(-position.trailing_stop * was // units),
        mark=None if position.mark is None else position.mark * was // units,
        entry_underlying=position.entry_underlying * body.shares_old // body.shares_new,
        entry_atr=None if atr is None else round_event_float(atr * body.shares_old / body.shares_new),
        exit=None if current is None else replace(current, qty=current.qty * body.for_one),
    )


def remove_contracts(position: Position, body: e.ContractsRemoved) -> Position:
    """Take out contracts that left without a fill; what they were worth counts as proceeds."""
    sold = position.sold + body.qty
    if sold > position.bought:
        raise LedgerError(f"position {position.id}: {body.cause} of {body.qty}, holds {position.qty}")
    return changed(position, sold=sold, proceeds=position.proceeds + body.amount, removed_by=body.cause.value)


def close(position: Position, body: e.PositionClosed, at: datetime) -> Position:
    """End the position; anything still held is a contradiction."""
    if position.qty:
        raise LedgerError(f"position {position.id}: expected nothing held to close, was {position.qty}")
    return changed(position, status=PositionStatus.CLOSED, closed_at=at, close_reason=body.reason, exit=None)


def trade_of(position: Position) -> Trade | None:
    """Give the trade a closed position amounts to; None while open or where nothing was bought."""
    if position.closed_at is None or not position.bought:
        return None
    pnl = position.proceeds - position.cost - position.fees
    return Trade(
        position_id=position.id,
        account=position.account,
        tier=position.tier,
        contract=position.contract,
        strategy=position.strategy,
        qty=position.bought,
        cost=position.cost,
        proceeds=position.proceeds,
        fees=position.fees,
        pnl=pnl,
        pnl_bp=gain_bp(position.cost + pnl, position.cost),
        reason=position.close_reason,
        entry_session=position.entry_session,
        opened_at=position.opened_at,
        closed_at=position.closed_at,
    )
