"""What ends a state that waits for a person: the events, and what they will do in words. Pure."""

from dataclasses import dataclass
from datetime import datetime

from ops_pipeline.domain import events as e
from ops_pipeline.domain.breaks import (
    BreakFound,
    BreakSettled,
    Cause,
    ExternalAdopted,
    ExternalMoved,
    OperatorActed,
    PositionReleased,
)
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import Activity, ActivityKind, BrokerOrder, BrokerStatus, Order, OrderState
from ops_pipeline.domain.positions import Position
from ops_pipeline.domain.units import Usd4, format_usd
from ops_pipeline.stages.execution.booking import book_by_hand

_ENDS = {
    BrokerStatus.FILLED: OrderState.FILLED,
    BrokerStatus.CANCELED: OrderState.CANCELED,
    BrokerStatus.EXPIRED: OrderState.EXPIRED,
    BrokerStatus.REJECTED: OrderState.REJECTED,
}


# Their activities find the order they belong to: booked by hand they would count twice.
_TOLD_BY_FILLS = (Cause.MISSED_FILL, Cause.BUST)


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who acts, why and when."""

    actor: str
    reason: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Proposal:
    """What will happen, a line each, and the events that make it happen."""

    lines: tuple[str, ...]
    bodies: tuple[e.EventBody, ...]


@dataclass(frozen=True, slots=True)
class Objection:
    """Why it can not be done, and what can."""

    why: str


def adopt(ledger: Ledger, opened: e.PositionOpened, *, price: Usd4, by: By) -> Proposal | Objection:
    """Make a position of what is held of a contract beside ours; `price`: the broker's average, a share.

    What the broker holds and no activity has told is taken over at that price, as cash that came in kind.
    """
    symbol = opened.contract.occ
    taken, found = _taken_over(ledger, symbol, price * opened.contract.multiplier)
    held = ledger.external.get(symbol)
    qty = (held.qty if held else 0) + taken
    cost = (held.cost if held else 0) + taken * price * opened.contract.multiplier
    if qty <= 0:
        return Objection(f"expected contracts of {symbol} that no position accounts for, was {qty}")
    if opened.contract.expiration < by.now.date():
        return Objection(f"{symbol} expired on {opened.contract.expiration}: `ops resolve` names its cause")
    adopted = ExternalAdopted(position_id=opened.position_id, symbol=symbol, qty=qty, cost=cost)
    acted = _acted("adopt", symbol, taken, by, cause=Cause.MANUAL_TRADE.value)
    return Proposal(
        lines=(
            f"{qty} {symbol} become position {opened.position_id} at {format_usd(cost)} in all",
            f"it is watched and sold under the exit rules of a {opened.strategy.value} position",
        ),
        bodies=(acted, *found, opened, adopted),
    )


def _taken_over(ledger: Ledger, symbol: str, unit: Usd4) -> tuple[int, tuple[e.EventBody, ...]]:
    """Book what the broker shows beyond the ledger; give how many and the events."""
    found = ledger.breaks.get(symbol)
    qty = found.broker_qty - found.ledger_qty if found is not None else 0
    if found is None or qty <= 0:
        return 0, ()
    fact, cost = _fact(ledger, symbol), unit * qty
    moved = ExternalMoved(
        activity_id=fact,
        symbol=symbol,
        qty=qty,
        amount=-cost,
        cause=Cause.MANUAL_TRADE,
        detail="cost by the broker's average price",
    )
    in_kind = e.CashMoved(activity_id=f"{fact}#cash", kind="OPERATOR", amount=cost, detail="came in kind")
    return qty, (moved, in_kind, *_settled(ledger, found, Cause.MANUAL_TRADE, fact))


def release(ledger: Ledger, position: Position, *, hand_over: bool, by: By) -> Proposal | Objection:
    """Unfreeze a position whose difference is gone, or stop managing it."""
    symbol = position.contract.occ
    if symbol in ledger.breaks and not hand_over:
        standing = ledger.breaks[symbol].standing
        return Objection(f"{symbol}: the difference stands, {standing}; `ops resolve {symbol} --as CAUSE`")
    if not hand_over:
        if not position.frozen:
            return Objection(f"{position.id} is not frozen; --hand-over stops managing it")
        thawed = e.PositionFrozen(position_id=position.id, reason="")
        line = f"{position.id} is watched and traded again; it was frozen: {position.frozen}"
        return Proposal((line,), (_acted("release", position.id, 0, by), thawed))
    busy: list[str] = [order.id for order in ledger.orders_of(position.id) if order.is_live]
    busy += [roll.id for roll in ledger.live_rolls if roll.position_id == position.id]
    if busy or position.qty <= 0:
        what = f"{', '.join(busy)} still works" if busy else "it holds nothing"
        return Objection(f"{position.id} can not be handed over: {what}")
    left = PositionReleased(position_id=position.id, symbol=symbol, qty=position.qty, basis=position.basis)
    closed = e.PositionClosed(position_id=position.id, reason="released")
    lines = (
        f"{position.qty} {symbol} stay at the broker and are no longer managed: NO exit protects them",
        f"{position.id} closes with what it has realised; `ops adopt {symbol}` takes it back",
    )
    return Proposal(lines, (_acted("release", position.id, 0, by), left, closed))


def resolve_break(ledger: Ledger, symbol: str, cause: Cause, *, amount: Usd4, by: By) -> Proposal | Objection:
    """Book a difference under the cause a person names; its activity, should it come, moves cash only."""
    found = ledger.breaks.get(symbol)
    if found is None:
        return Objection(f"{symbol}: ledger and broker agree")
    if cause is Cause.UNKNOWN:
        return Objection("a resolution names a cause: unknown is what it ends")
    if cause in _TOLD_BY_FILLS:
        return Objection(f"a {cause} is booked by its activity: wait for it, or name what else it was")
    fact, change = _fact(ledger, symbol), found.broker_qty - found.ledger_qty
    activity = Activity(
        activity_id=fact,
        kind=ActivityKind.TRANSFER,
        at=by.now,
        symbol=symbol,
        qty=change,
        price=0,
        amount=amount,
        detail=by.reason,
    )
    booked = book_by_hand(ledger, activity, cause)
    lines = (
        f"{symbol}: the ledger's {found.ledger_qty} become the broker's {found.broker_qty} by {cause}",
        f"cash moves by {format_usd(amount)}; the activity that tells of it later moves cash only",
        f"the account stays at {ledger.control.name}: its level is lowered by a command of its own",
    )
    acted = _acted("resolve", symbol, change, by, cause=cause.value)
    return Proposal(lines, (acted, *booked, *_settled(ledger, found, cause, fact)))


def resolve_order(order: Order, shown: BrokerOrder | None, cause: Cause, *, by: By) -> Proposal | Objection:
    """End a quarantined order as what the broker says of it; one it still works on is not ended."""
    if order.state is not OrderState.QUARANTINED:
        return Objection(f"{order.id} is {order.state}: expected QUARANTINED")
    if shown is not None and shown.status not in _ENDS:
        return Objection(f"{order.id} still works at the broker ({shown.status}): cancel it first")
    state = OrderState.NOT_PLACED if shown is None else _ENDS[shown.status]
    filled = shown.cum if shown else 0
    note = f"{cause}: {by.reason}"
    settled = e.OrderSettled(client_order_id=order.id, state=state.value, reason=note)
    lines = (
        f"{order.id} ends as {state}: {order.booked} booked, {filled} filled at the broker",
        "its position stays frozen where it is: `ops release` unfreezes it",
    )
    return Proposal(lines, (_acted("resolve", order.id, 0, by, cause=cause.value), settled))


def _settled(ledger: Ledger, found: BreakFound, cause: Cause, fact: str) -> list[e.EventBody]:
    thawed = [
        e.PositionFrozen(position_id=position.id, reason="")
        for position in ledger.open_positions
        if position.frozen.startswith(f"{found.symbol}: ledger ")
    ]
    inferred = found.inferred or found.cause.value
    ended = BreakSettled(symbol=found.symbol, cause=cause.value, inferred=inferred, evidence=fact)
    return [ended, *thawed]


def _fact(ledger: Ledger, symbol: str) -> str:
    """Name a person's booking by its place in the chain: no two are alike."""
    return f"OPERATOR-{symbol}-{ledger.seq + 1}"


def _acted(command: str, subject: str, adjusted: int, by: By, *, cause: str = "") -> OperatorActed:
    return OperatorActed(
        command=command, subject=subject, cause=cause, adjusted=adjusted, reason=by.reason, actor=by.actor
    )
