"""Which projection rows a batch of events changes, and how they are written. Shell."""

from collections.abc import Sequence

from sqlalchemy import delete

from ops_pipeline.adapters.store import rows as r
from ops_pipeline.adapters.store import schema as s
from ops_pipeline.adapters.store.database import Database, Row
from ops_pipeline.domain import events as e
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.position_fold import trade_of

Changes = dict[str, list[Row]]

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
        case _:
            return getattr(body, "position_id", None)


def changes_of(ledger: Ledger, events: Sequence[e.Event]) -> Changes:
    """Give the rows, by table, that `events` changed; `ledger` is the fold that ends with them."""
    orders: dict[str, None] = {}
    positions: dict[str, None] = {}
    rolls: dict[str, None] = {}
    changes: Changes = {s.ACCOUNTS.name: [r.account_row(ledger)], s.FILLS.name: [], s.ACTIVITIES.name: []}
    for event in events:
        body = event.body
        if isinstance(body, e.OrderIntended):
            orders[body.intent.client_order_id] = None
        elif isinstance(body, e.FillBooked):
            orders[body.fill.client_order_id] = positions[body.position_id] = None
            changes[s.FILLS.name].append(_fill_row(event, body))
        elif (cid := getattr(body, "client_order_id", None)) is not None:
            orders[cid] = None
        elif isinstance(body, e.RollAdvanced):
            rolls[body.roll_id] = None
        elif (position_id := getattr(body, "position_id", None)) is not None:
            positions[position_id] = None
        if isinstance(body, (e.CashMoved, e.ContractsRemoved)):
            changes[s.ACTIVITIES.name].append(_activity_row(event, body))
    held = [position for position_id, position in ledger.positions.items() if position_id in positions] if (
        len(positions) > 1
    ) else [ledger.positions[e.PositionId(position_id)] for position_id in positions]
    changes[s.POSITIONS.name] = [r.POSITION.row(position) for position in held]
    changes[s.ORDERS.name] = [r.order_row(ledger.orders[e.ClientOrderId(cid)], ledger) for cid in orders]
    changes[s.ROLLS.name] = [r.roll_row(ledger.rolls[roll_id], ledger.account) for roll_id in rolls]
    trades = (trade_of(position) for position in held)
    changes[s.TRADES.name] = [r.TRADE.row(trade) for trade in trades if trade is not None]
    return changes


def write_changes(database: Database, changes: Changes) -> None:
    """Write projection rows, parents first; fills and activities are only ever added."""
    for table in s.PROJECTIONS:
        once = table in (s.FILLS, s.ACTIVITIES)
        database.insert(table, changes[table.name], on_conflict="error" if once else "update")


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


def _activity_row(event: e.Event, body: e.CashMoved | e.ContractsRemoved) -> Row:
    removed = isinstance(body, e.ContractsRemoved)
    return {
        "account": event.account,
        "activity_id": body.activity_id,
        "seq": event.seq,
        "kind": body.cause.value if isinstance(body, e.ContractsRemoved) else body.kind,
        "position_id": body.position_id if isinstance(body, e.ContractsRemoved) else None,
        "qty": body.qty if isinstance(body, e.ContractsRemoved) else 0,
        "amount": body.amount,
        "at_us": r.micros(event.at),
    }
