"""Which projection rows a batch of events changes, and how they are written. Shell."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from sqlalchemy import bindparam, delete

from ops_pipeline.adapters.store import rows as r
from ops_pipeline.adapters.store import schema as s
from ops_pipeline.adapters.store.database import Database, Row
from ops_pipeline.domain import events as e
from ops_pipeline.domain.alerts import AlertCleared, AlertRaised
from ops_pipeline.domain.breaks import Cause, ExternalMoved, FillBusted
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.position_fold import trade_of
from ops_pipeline.domain.units import ClientOrderId, PositionId, Usd4

Changes = dict[str, list[Row]]

ONLY_ADDED = (s.FILLS, s.ACTIVITIES)
# What is told of an activity that is no fill of ours.
_Told = e.CashMoved | e.ContractsRemoved | ExternalMoved | FillBusted

_REOPENS = (e.FillBooked, FillBusted, e.OrderObserved)
_NO_TRADE = delete(s.TRADES).where(s.TRADES.c.position_id == bindparam("of_position"))
_DELETES = {table.name: delete(table) for table in s.PROJECTIONS}


def position_of(body: e.EventBody, ledger: Ledger) -> str | None:
    """Name the position an event is about, directly or through its order; None: neither."""
    match body:
        case e.OrderIntended(intent=intent):
            return intent.position_id
        case (
            e.OrderSending(client_order_id=cid)
            | e.OrderAnswered(client_order_id=cid)
            | e.OrderObserved(client_order_id=cid)
            | e.OrderNotFound(client_order_id=cid)
            | e.OrderSettled(client_order_id=cid)
        ):
            return ledger.orders[cid].intent.position_id
        case AlertRaised(key=key) | AlertCleared(key=key):
            order = ledger.orders.get(ClientOrderId(key))
            return order.intent.position_id if order else key if PositionId(key) in ledger.positions else None
        case _:
            return getattr(body, "position_id", None)


def changes_of(ledger: Ledger, events: Sequence[e.Event]) -> Changes:
    """Give the rows, by table, that `events` changed; `ledger` is the fold that ends with them."""
    bodies = [event.body for event in events]
    added = added_rows(events)
    positions = [ledger.positions[key] for key in dict.fromkeys(_positions_in(bodies, ledger))]
    orders = [ledger.orders[key] for key in dict.fromkeys(_orders_in(bodies))]
    rolls = dict.fromkeys(body.roll_id for body in bodies if isinstance(body, e.RollAdvanced))
    trades = [trade for trade in map(trade_of, positions) if trade is not None]
    return {
        s.ACCOUNTS.name: [r.account_row(ledger)],
        s.POSITIONS.name: [r.POSITION.row(position) for position in positions],
        s.ORDERS.name: [r.order_row(order, ledger) for order in orders],
        s.FILLS.name: added[s.FILLS.name],
        s.ACTIVITIES.name: added[s.ACTIVITIES.name],
        s.TRADES.name: [r.TRADE.row(trade) for trade in trades],
        s.ROLLS.name: [r.roll_row(ledger.rolls[roll_id], ledger.account) for roll_id in rolls],
    }


def added_rows(events: Sequence[e.Event]) -> Changes:
    """Give the rows that events add for good: fills and activities, each with its event's number."""
    return {
        s.FILLS.name: [_fill_row(event, body) for event, body in _fills_in(events)],
        s.ACTIVITIES.name: [_activity_row(event, body) for event, body in _activities_in(events)],
    }


def state_rows(ledger: Ledger) -> dict[str, dict[str, Callable[[], Row]]]:
    """Give, by table and key, what makes the row of each thing that a fold holds."""
    positions = ledger.positions
    trades = {key: trade for key in positions if (trade := trade_of(positions[key])) is not None}
    return {
        s.ACCOUNTS.name: {ledger.account: partial(r.account_row, ledger)} if ledger.seq else {},
        s.POSITIONS.name: {key: partial(r.POSITION.row, positions[key]) for key in positions},
        s.ORDERS.name: {key: partial(r.order_row, order, ledger) for key, order in ledger.orders.items()},
        s.TRADES.name: {key: partial(r.TRADE.row, trade) for key, trade in trades.items()},
        s.ROLLS.name: {key: partial(r.roll_row, roll, ledger.account) for key, roll in ledger.rolls.items()},
    }


def _positions_in(bodies: Sequence[e.EventBody], ledger: Ledger) -> Iterator[PositionId]:
    for body in bodies:
        if isinstance(body, e.OrderObserved):  # an order that turns up brings its position back
            yield ledger.orders[body.client_order_id].intent.position_id
        elif not isinstance(body, e.RollAdvanced) and hasattr(body, "position_id"):
            yield body.position_id


def _orders_in(bodies: Sequence[e.EventBody]) -> Iterator[ClientOrderId]:
    for body in bodies:
        if isinstance(body, e.OrderIntended):
            yield body.intent.client_order_id
        elif isinstance(body, (e.FillBooked, FillBusted)):
            yield body.fill.client_order_id
        elif hasattr(body, "client_order_id"):
            yield body.client_order_id


def _fills_in(events: Sequence[e.Event]) -> Iterator[tuple[e.Event, e.FillBooked]]:
    for event in events:
        if isinstance(event.body, e.FillBooked):
            yield event, event.body


def _activities_in(events: Sequence[e.Event]) -> Iterator[tuple[e.Event, _Told]]:
    for event in events:
        if isinstance(event.body, _Told):
            yield event, event.body


def reopened_by(after: Ledger, events: Sequence[e.Event]) -> list[PositionId]:
    """Give the positions that a late fill, a bust or an order that turned up may have brought back.

    Their trade is none any more.
    """
    told = dict.fromkeys(_positions_in([v.body for v in events if isinstance(v.body, _REOPENS)], after))
    return [key for key in told if after.positions[key].is_open]


def write_changes(database: Database, changes: Changes, reopened: Sequence[PositionId] = ()) -> None:
    """Write projection rows, parents first; fills and activities are only ever added."""
    for position_id in reopened:
        database.write(_NO_TRADE, of_position=position_id)
    for table in s.PROJECTIONS:
        on_conflict = "error" if table in ONLY_ADDED else "update"
        database.insert(table, changes[table.name], on_conflict=on_conflict)


def clear(database: Database) -> None:
    """Empty every projection."""
    for table in reversed(s.PROJECTIONS):
        database.write(_DELETES[table.name])


def _fill_row(event: e.Event, body: e.FillBooked) -> Row:
    fill = body.fill
    return {
        "account": event.account,
        "execution_id": fill.execution_id,
        "seq": event.seq,
        "client_order_id": fill.client_order_id,
        "position_id": body.position_id,
        "occ": fill.occ,
        "qty": fill.qty,
        "price": fill.price,
        "fees": fill.fees,
        "multiplier": body.multiplier,
        "at_us": r.micros(fill.at),
    }


def _activity_row(event: e.Event, body: _Told) -> Row:
    kind, qty, amount = _told(body)
    return {
        "account": event.account,
        "activity_id": body.activity_id,
        "seq": event.seq,
        "kind": kind,
        "position_id": getattr(body, "position_id", None),
        "qty": qty,
        "amount": amount,
        "at_us": r.micros(event.at),
    }


def _told(body: _Told) -> tuple[str, int, Usd4]:
    match body:
        case FillBusted(fill=fill):
            return Cause.BUST.value, fill.qty, fill.price * fill.qty * body.multiplier + fill.fees
        case e.CashMoved():
            return body.kind, 0, body.amount
        case _:
            return body.cause.value, body.qty, body.amount
