"""What the broker's activities mean for the ledger: each fact booked once, with its cause. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.breaks import Cause, ExternalMoved, FillBusted
from ops_pipeline.domain.ids import PREFIX
from ops_pipeline.domain.instruments import OptionContract, contract_of, split_contract
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import Activity, ActivityKind, Fill, Order, Purpose
from ops_pipeline.domain.positions import ExitReason, Position
from ops_pipeline.domain.units import Contracts, Occ, PositionId, Usd4
from ops_pipeline.stages.execution.causes import LIQUIDATES_BEFORE_CLOSE

LIQUIDATION = "liquidation"
# Gives the end of a day's session; None: the day has none, or it is not known.
Closes = Callable[[date], datetime | None]

_CAUSES = {
    ActivityKind.EXPIRY: Cause.EXPIRY,
    ActivityKind.EXERCISE: Cause.EXERCISE,
    ActivityKind.ASSIGNMENT: Cause.ASSIGNMENT,
    ActivityKind.SPLIT: Cause.CORPORATE_ACTION,
    ActivityKind.BUST: Cause.BUST,
}
_REASONS = {
    Cause.EXPIRY: ExitReason.EXPIRED,
    Cause.EXERCISE: ExitReason.EXERCISED,
    Cause.LIQUIDATION: ExitReason.LIQUIDATED,
}


@dataclass(slots=True)
class _Holdings:
    """Quantities as they move through a batch: of positions, beside them, resolved by a person.

    `booked` counts the legs of orders, `seen` holds the facts of the batch so far.
    """

    ledger: Ledger
    held: dict[PositionId, int]
    beside: dict[str, int]
    resolved: dict[str, int]
    booked: dict[tuple[str, str], int]
    seen: set[str]
    contracts: dict[PositionId, OptionContract]
    assigned: frozenset[str]
    closes: Closes

    def owners(self, symbol: str) -> Iterator[Position]:
        """Give the positions that hold `symbol`, oldest first; one that the batch brought back comes last."""
        for position_id in [key for key, qty in self.held.items() if qty > 0]:
            position = self.ledger.positions[position_id]
            if self.contracts.get(position_id, position.contract).occ == symbol:
                yield position


def bookings(
    ledger: Ledger, activities: Sequence[Activity], *, closes: Closes = lambda _: None
) -> list[e.EventBody]:
    """Give the events for activities not yet booked, by their instants.

    A list may come in any order: of one instant, what adds is booked before what takes away, a bust last.
    Whatever moved cash or quantity is booked: to the position it belongs to, else beside them. What happened
    before the account was opened is part of what it was opened with.
    """
    bodies: list[e.EventBody] = []
    state = _state_of(ledger, activities, closes)
    seen = state.seen
    for activity in sorted(activities, key=_turn):
        fact = fact_of(activity)
        early = _is_early(activity, ledger)
        if not early and fact not in ledger.executions and fact not in seen:
            seen.add(fact)
            bodies += _booking(activity, state)
            bodies += _halt(ledger, activity.symbol) if activity.kind is ActivityKind.ASSIGNMENT else []
    return highest([*_with_evidence(ledger, bodies), *_levels(ledger, bodies)])


def _is_early(activity: Activity, ledger: Ledger) -> bool:
    """Tell whether it happened before the account was opened; what an order of ours did never did."""
    ours = activity.fill is not None and activity.fill.client_order_id in ledger.orders
    return not ours and ledger.opened_at is not None and activity.at < ledger.opened_at


def _turn(activity: Activity) -> tuple[datetime, bool, bool]:
    return activity.at, activity.kind is ActivityKind.BUST, activity.qty < 0


def book_by_hand(ledger: Ledger, activity: Activity, cause: Cause) -> list[e.EventBody]:
    """Book a movement that a person declares; it settles nothing that was declared before."""
    state = _state_of(replace(ledger, resolved={}), (), lambda _: None)
    return list(_moved(activity, cause, state))


def _state_of(ledger: Ledger, activities: Sequence[Activity], closes: Closes) -> _Holdings:
    contracts = [contract_of(a.symbol) for a in activities if a.kind is ActivityKind.ASSIGNMENT]
    return _Holdings(
        ledger=ledger,
        held={position.id: position.qty for position in ledger.open_positions},
        beside={symbol: row.qty for symbol, row in ledger.external.items()},
        resolved=dict(ledger.resolved),
        booked={},
        seen=set(),
        contracts={},
        assigned=frozenset(contract.underlying for contract in contracts if contract),
        closes=closes,
    )


def fact_of(activity: Activity) -> str:
    """Name the fact an activity tells; a fill is told under its execution id."""
    fill = activity.fill
    return fill.execution_id if fill and activity.kind is not ActivityKind.BUST else activity.activity_id


def _booking(activity: Activity, state: _Holdings) -> list[e.EventBody]:
    """Book one activity; `state` follows the quantities through the batch."""
    fill = activity.fill
    if activity.kind is ActivityKind.BUST:
        return _busted(activity, fill, state)
    if fill is not None and fill.client_order_id in state.ledger.orders:
        return _filled(activity, fill, state)
    if activity.split is not None:
        return _adjusted(activity, state)
    if not activity.qty:
        return [_cash(activity)] if activity.amount else []
    return list(_moved(activity, _cause_of(activity, state), state))


def _filled(activity: Activity, fill: Fill, state: _Holdings) -> list[e.EventBody]:
    ledger = state.ledger
    order = ledger.orders[fill.client_order_id]
    position_id = position_of(ledger, order, fill.occ)
    left = state.held.get(position_id, 0) + fill.qty
    if left < 0 or position_id not in ledger.positions:
        return _contradiction(activity, position_id, state)
    state.held[position_id] = left
    booked = _booked(order, fill.occ, state) + abs(fill.qty)
    state.booked[order.id, fill.occ] = booked
    bodies: list[e.EventBody] = [
        e.FillBooked(fill=fill, position_id=position_id, multiplier=order.intent.multiplier)
    ]
    if booked > order.intent.qty:
        reason = f"overfilled: {order.id} has {booked} of {order.intent.qty}"
        bodies.append(e.PositionFrozen(position_id=position_id, reason=reason))
        bodies += reduce_only(ledger, reason)
    return bodies


def _booked(order: Order, occ: Occ, state: _Holdings) -> Contracts:
    """Give what a leg of an order has booked by now, in this batch too."""
    leg = next((i for i, leg in enumerate(order.intent.legs) if leg.occ == occ), 0)
    return state.booked.get((order.id, occ), order.leg_booked[leg])


def position_of(ledger: Ledger, order: Order, occ: Occ) -> PositionId:
    """Give the position a fill belongs to; a two-leg roll's opening leg belongs to the successor."""
    if order.intent.purpose is Purpose.ROLL and occ == order.intent.legs[1].occ:
        roll = ledger.rolls[order.intent.key]
        if roll.successor_id is not None:
            return roll.successor_id
    return order.intent.position_id


def _contradiction(activity: Activity, position_id: PositionId, state: _Holdings) -> list[e.EventBody]:
    """Keep cash and quantity true and freeze: a fill that the ledger's quantity cannot explain."""
    bodies: list[e.EventBody] = [_beside(activity, activity.qty, activity.amount, Cause.UNKNOWN, state)]
    if position_id in state.ledger.positions:
        reason = f"sold {-activity.qty} more than held: {fact_of(activity)}"
        bodies.append(e.PositionFrozen(position_id=position_id, reason=reason))
    return bodies


def _busted(activity: Activity, fill: Fill | None, state: _Holdings) -> list[e.EventBody]:
    """Take an execution back; one of ours that is not booked yet waits for its own activity."""
    ledger = state.ledger
    if fill is None or fill.client_order_id not in ledger.orders:
        return list(_moved(activity, Cause.BUST, state))
    if fill.execution_id not in ledger.executions and fill.execution_id not in state.seen:
        state.seen.discard(fact_of(activity))
        return []
    order = ledger.orders[fill.client_order_id]
    position_id = position_of(ledger, order, fill.occ)
    booked = _booked(order, fill.occ, state)
    if booked < abs(fill.qty):  # the fill contradicted the ledger, so it stands beside our positions
        return list(_moved(activity, Cause.BUST, state))
    left = state.held.get(position_id, 0) - fill.qty
    if left < 0:
        return _contradiction(activity, position_id, state)
    state.held[position_id] = left
    state.booked[order.id, fill.occ] = booked - abs(fill.qty)
    multiplier = order.intent.multiplier
    return [
        FillBusted(
            activity_id=activity.activity_id, fill=fill, position_id=position_id, multiplier=multiplier
        )
    ]


def _adjusted(activity: Activity, state: _Holdings) -> list[e.EventBody]:
    """Express every holding of a contract that split in what it became."""
    if activity.split is None or (contract := contract_of(activity.symbol)) is None:
        return []
    fact, bodies = fact_of(activity), list[e.EventBody]()
    for owner in list(state.owners(activity.symbol)):
        before = state.contracts.get(owner.id, owner.contract)
        after, for_one = split_contract(before, activity.split)
        state.held[owner.id] *= for_one
        state.contracts[owner.id] = after
        bodies.append(
            e.ContractsAdjusted(
                position_id=owner.id,
                activity_id=_numbered(fact, bodies),
                contract=after,
                for_one=for_one,
                shares_new=activity.split.new,
                shares_old=activity.split.old,
            )
        )
    left = state.beside.get(activity.symbol, 0)
    if left:
        after, for_one = split_contract(contract, activity.split)
        gone = replace(activity, activity_id=_numbered(fact, bodies))
        cost = state.ledger.external[activity.symbol].cost if activity.symbol in state.ledger.external else 0
        bodies.append(_beside(gone, -left, cost, Cause.CORPORATE_ACTION, state))
        come = replace(activity, activity_id=_numbered(fact, bodies), symbol=after.occ)
        bodies.append(_beside(come, left * for_one, -cost, Cause.CORPORATE_ACTION, state))
    return bodies


def _cause_of(activity: Activity, state: _Holdings) -> Cause:
    fill = activity.fill
    if fill is not None:
        if fill.client_order_id.startswith(PREFIX):
            return Cause.MISSED_FILL
        return Cause.LIQUIDATION if _is_liquidation(activity, state.closes) else Cause.MANUAL_TRADE
    if activity.kind is ActivityKind.OPTION_TRADE:
        return Cause.ASSIGNMENT if activity.symbol in state.assigned else Cause.EXERCISE
    return _CAUSES.get(activity.kind, Cause.MANUAL_TRADE)


def _is_liquidation(activity: Activity, closes: Closes) -> bool:
    """Tell whether a sale of others is the broker's: it says so, or its time on expiry day does."""
    if activity.detail == LIQUIDATION:
        return True
    contract = contract_of(activity.symbol)
    close = closes(contract.expiration) if contract else None
    return close is not None and activity.qty < 0 and close - LIQUIDATES_BEFORE_CLOSE <= activity.at <= close


def _moved(activity: Activity, cause: Cause, state: _Holdings) -> Iterator[e.EventBody]:
    """Book a movement that no order of ours made.

    What a person resolved before is settled first, then what is held beside our positions moves, then
    our positions, the oldest first; a sale beyond all of it is a short.
    """
    whole, fact = activity.qty, fact_of(activity)
    settled = _resolved_part(activity, state)
    rest = whole - settled
    sales = list(_sales(activity.symbol, rest, state)) if rest < 0 else []
    rest += sum(qty for _, qty in sales)
    bodies: list[e.EventBody] = []
    left = activity.amount
    for owner, qty in sales:
        amount = activity.amount * qty // abs(whole)
        left -= amount
        state.held[owner.id] -= qty
        bodies.append(
            e.ContractsRemoved(
                position_id=owner.id,
                activity_id=_numbered(fact, bodies),
                cause=_REASONS.get(cause, ExitReason.EXTERNAL),
                qty=qty,
                amount=amount if rest or settled or (owner, qty) != sales[-1] else amount + left,
                detail=activity.detail,
            )
        )
    yield from bodies
    if rest or settled:
        part = replace(activity, activity_id=_numbered(fact, bodies))
        yield _beside(part, rest, left, cause, state, resolved=settled)


def _resolved_part(activity: Activity, state: _Holdings) -> int:
    owed = state.resolved.get(activity.symbol, 0)
    if owed * activity.qty <= 0:
        return 0
    sign = 1 if owed > 0 else -1
    settled = sign * min(abs(owed), abs(activity.qty))
    state.resolved[activity.symbol] = owed - settled
    return settled


def _sales(symbol: str, qty: int, state: _Holdings) -> Iterator[tuple[Position, int]]:
    """Give what a sale of `qty` (negative) takes off each position once what is beside them is gone."""
    left = -qty - max(0, state.beside.get(symbol, 0))
    for owner in state.owners(symbol):
        if left <= 0:
            return
        part = min(left, state.held[owner.id])
        left -= part
        yield owner, part


def _beside(
    activity: Activity, qty: int, amount: Usd4, cause: Cause, state: _Holdings, *, resolved: int = 0
) -> ExternalMoved:
    state.beside[activity.symbol] = state.beside.get(activity.symbol, 0) + qty
    return ExternalMoved(
        activity_id=activity.activity_id,
        symbol=activity.symbol,
        qty=qty,
        amount=amount,
        cause=cause,
        detail=activity.detail,
        resolved=resolved,
    )


def _numbered(fact: str, before: Sequence[object]) -> str:
    """Name one of several events of a fact; the first carries the fact's own name."""
    return f"{fact}#{len(before)}" if before else fact


def _cash(activity: Activity) -> e.CashMoved:
    detail = activity.detail or activity.symbol
    kind = activity.kind.value
    return e.CashMoved(activity_id=fact_of(activity), kind=kind, amount=activity.amount, detail=detail)


def _with_evidence(ledger: Ledger, bodies: Sequence[e.EventBody]) -> list[e.EventBody]:
    """Add to each difference that a booking explains what confirmed its cause, or corrected it."""
    explained: dict[str, e.EventBody] = {}
    for body in bodies:
        for symbol, cause, fact in _explains(ledger, body):
            standing = ledger.breaks.get(symbol)
            if standing is not None and not standing.evidence:
                inferred = standing.cause.value
                explained[symbol] = replace(standing, cause=cause, evidence=fact, inferred=inferred)
    return [*bodies, *explained.values()]


def _explains(ledger: Ledger, body: e.EventBody) -> list[tuple[str, Cause, str]]:
    match body:
        case e.FillBooked(fill=fill):
            return [(fill.occ, Cause.MISSED_FILL, fill.execution_id)]
        case FillBusted(fill=fill, activity_id=fact):
            return [(fill.occ, Cause.BUST, fact)]
        case ExternalMoved(symbol=symbol, cause=cause, activity_id=fact):
            return [(symbol, cause, fact)]
        case e.ContractsRemoved(position_id=position_id, cause=reason, activity_id=fact):
            causes = {reason: cause for cause, reason in _REASONS.items()}
            symbol = ledger.positions[position_id].contract.occ
            return [(symbol, causes.get(reason, Cause.MANUAL_TRADE), fact)]
        case e.ContractsAdjusted(position_id=position_id, contract=after, activity_id=fact):
            before = ledger.positions[position_id].contract.occ
            return [(occ, Cause.CORPORATE_ACTION, fact) for occ in (before, after.occ)]
        case _:
            return []


def _levels(ledger: Ledger, bodies: Sequence[e.EventBody]) -> list[e.EventBody]:
    """Reduce for what must not go on unseen: a short, shares that were delivered, an unknown order's fill."""
    held = {symbol: row.qty for symbol, row in ledger.external.items()}
    levels: list[e.EventBody] = []
    for body in bodies:
        if not isinstance(body, ExternalMoved) or not body.qty:
            continue
        symbol = body.symbol
        held[symbol] = held.get(symbol, 0) + body.qty
        delivered = body.cause is Cause.EXERCISE and contract_of(symbol) is None
        if held[symbol] < 0 or delivered or body.cause is Cause.MISSED_FILL:
            levels += reduce_only(ledger, f"{body.cause}: {held[symbol]} {symbol}, not managed")
    return levels


def _halt(ledger: Ledger, symbol: str) -> list[e.EventBody]:
    """Stop everything: an assignment means a short, which must not exist."""
    if ledger.control >= ControlLevel.HARD_STOP:
        return []
    reason = f"assigned {symbol}: no short is ever held"
    return [e.ControlChanged(level=ControlLevel.HARD_STOP, reason=reason, actor="reconcile")]


def reduce_only(ledger: Ledger, reason: str) -> list[e.EventBody]:
    """Give the event that makes the account reduce-only, where it is not already."""
    if ledger.control >= ControlLevel.REDUCE_ONLY:
        return []
    return [e.ControlChanged(level=ControlLevel.REDUCE_ONLY, reason=reason, actor="reconcile")]


def highest(bodies: Sequence[e.EventBody]) -> list[e.EventBody]:
    """Keep one change of level, the highest; before everything it is for (RELIABILITY 5.3)."""
    levels = [body for body in bodies if isinstance(body, e.ControlChanged)]
    rest = [body for body in bodies if not isinstance(body, e.ControlChanged)]
    return [*([max(levels, key=lambda body: body.level)] if levels else []), *rest]
