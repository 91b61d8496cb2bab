"""What was booked on an account, as Alpaca tells of it: trades at once, the rest a day late. Shell."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any

from ops_pipeline.adapters.calendar.sessions import NEW_YORK
from ops_pipeline.domain.instruments import contract_of, split_contract
from ops_pipeline.domain.orders import Activity, ActivityKind, BrokerStatus, Fill
from ops_pipeline.simserver.calls import Call, Reply, unprocessable
from ops_pipeline.simserver.desk import Desk
from ops_pipeline.simserver.money import stamp, text
from ops_pipeline.simserver.query import Query, choice_of, count_of, day_of, instant_of, words_of
from ops_pipeline.simserver.tickets import Ticket, wire_id

MOST_ROWS = 100
_NAMES = {
    ActivityKind.EXPIRY: "Option Expiry",
    ActivityKind.EXERCISE: "Option Exercise",
    ActivityKind.FEE: "Regulatory fees",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its code, when it shows, its id, and what writes it out."""

    code: str
    created_at: datetime
    id: str
    write: Callable[[], dict[str, Any]]


def listing(call: Call) -> Reply:
    """Answer GET /v2/account/activities."""
    kinds = words_of(call.query, "activity_types")
    category = call.query.get("category")
    if kinds and category:
        raise unprocessable("only one of activity_types and category is allowed")
    if category:
        choice_of(call.query, "category", ("trade_activity", "non_trade_activity"), default="")
    rows = [
        row
        for row in _rows(call.desk, call.now)
        if (not kinds or row.code in kinds) and (not category or (row.code == "FILL") == (category[0] == "t"))
    ]
    return Reply(_page(rows, call.query))


def of_type(call: Call) -> Reply:
    """Answer GET /v2/account/activities/{activity_type}."""
    wanted = call.path["activity_type"]
    return Reply(_page([row for row in _rows(call.desk, call.now) if row.code == wanted], call.query))


def _page(rows: list[Row], query: Query) -> list[dict[str, Any]]:
    size = count_of(query, "page_size", default=MOST_ROWS, most=MOST_ROWS)
    newest_first = choice_of(query, "direction", ("asc", "desc"), default="desc") == "desc"
    after, until, day = instant_of(query, "after"), instant_of(query, "until"), day_of(query, "date")
    ordered = sorted(rows, key=lambda row: row.created_at)
    kept = [
        row
        for row in (reversed(ordered) if newest_first else ordered)
        if (after is None or row.created_at > after)
        and (until is None or row.created_at < until)
        and (day is None or row.created_at.astimezone(NEW_YORK).date() == day)
    ]
    token = query.get("page_token")
    if token:
        places = [place for place, row in enumerate(kept) if row.id == token]
        if not places:
            raise unprocessable(f"invalid page_token: {token}")
        kept = kept[places[0] + 1 :]
    return [row.write() for row in kept[:size]]


def _rows(desk: Desk, now: datetime) -> Iterator[Row]:
    """Give every row that shows at `now`, in the order it was booked."""
    by_client_id = {ticket.client_order_id: ticket for ticket in desk.tickets.values()}
    by_execution = {fill.execution_id: ticket for ticket in desk.tickets.values() for fill in ticket.fills}
    held: dict[str, int] = {}
    fees: dict[datetime, int] = {}
    for activity in desk.book.activities:
        if activity.fill is not None:
            ticket = (
                by_execution.get(activity.fill.execution_id) or by_client_id[activity.fill.client_order_id]
            )
            yield _fill_row(desk, activity.fill, ticket)
            dawn = _next_dawn(activity.at)
            fees[dawn] = fees.get(dawn, 0) + activity.fill.fees
        elif activity.kind is ActivityKind.SPLIT:
            yield from _split_rows(desk, activity, held)
        elif _next_dawn(activity.at) <= now:
            yield _late_row(desk, activity)
        held[activity.symbol] = held.get(activity.symbol, 0) + activity.qty
    for dawn, amount in fees.items():
        if amount and dawn <= now:
            yield _fee_row(desk, dawn, amount)


def _fill_row(desk: Desk, fill: Fill, ticket: Ticket) -> Row:
    row_id = f"{_digits(fill.at)}::{wire_id('execution', desk.terms.number, fill.execution_id)}"
    return Row("FILL", fill.at, row_id, lambda: _fill_json(desk, row_id, fill, ticket))


def _fill_json(desk: Desk, row_id: str, fill: Fill, ticket: Ticket) -> dict[str, Any]:
    order = desk.shown[ticket.broker_order_id]
    own = [earlier for earlier in ticket.fills if earlier.occ == fill.occ]
    done = sum(abs(earlier.qty) for earlier in own[: own.index(fill) + 1])
    whole = done == order.qty
    status = BrokerStatus.FILLED if whole else BrokerStatus.PARTIALLY_FILLED
    return {
        "id": row_id,
        "activity_type": "FILL",
        "transaction_time": stamp(fill.at),
        "type": "fill" if whole else "partial_fill",
        "price": text(fill.price),
        "qty": str(abs(fill.qty)),
        "side": "buy" if fill.qty > 0 else "sell",
        "symbol": fill.occ,
        "leaves_qty": str(order.qty - done),
        "order_id": ticket.id if len(order.legs) == 1 else ticket.leg_id(fill.occ),
        "cum_qty": str(done),
        "order_status": status.value,
    }


def _late_row(desk: Desk, activity: Activity) -> Row:
    """Give the row of an expiry or an exercise: dated its own day, booked the day after, as on paper."""
    dawn = _next_dawn(activity.at)
    row_id = f"{_digits(dawn)}::{wire_id('activity', desk.terms.number, activity.activity_id)}"
    body = {
        "id": row_id,
        "activity_type": activity.kind.value,
        "date": activity.at.astimezone(NEW_YORK).date().isoformat(),
        "created_at": stamp(dawn),
        "net_amount": text(activity.amount),
        "description": _NAMES.get(activity.kind, activity.kind.value),
        "symbol": activity.symbol,
        "qty": str(activity.qty),
        "price": text(activity.price),
        "currency": "USD",
        "status": "executed",
        "group_id": wire_id("group", desk.terms.number, activity.activity_id),
    }
    return Row(activity.kind.value, dawn, row_id, partial(dict, body))


def _split_rows(desk: Desk, activity: Activity, held: dict[str, int]) -> Iterator[Row]:
    """Give the two rows by which a contract became another; `held` is brought up to them."""
    contract = contract_of(activity.symbol)
    assert contract is not None
    assert activity.split is not None
    after, for_one = split_contract(contract, activity.split)
    qty = held.pop(activity.symbol)
    held[after.occ] = held.get(after.occ, 0) + qty * for_one
    group = wire_id("group", desk.terms.number, activity.activity_id)
    for symbol, change in ((activity.symbol, -qty), (after.occ, qty * for_one)):
        row_id = f"{_digits(activity.at)}::{wire_id('activity', group, symbol)}"
        body = {
            "id": row_id,
            "activity_type": "OPCA",
            "activity_sub_type": "FSPLIT" if activity.split.new > activity.split.old else "RSPLIT",
            "date": activity.at.astimezone(NEW_YORK).date().isoformat(),
            "created_at": stamp(activity.at),
            "net_amount": "0",
            "description": f"Option Corporate Action {activity.split.new}:{activity.split.old}",
            "symbol": symbol,
            "qty": str(change),
            "currency": "USD",
            "status": "executed",
            "group_id": group,
        }
        yield Row("OPCA", activity.at, row_id, partial(dict, body))


def _fee_row(desk: Desk, dawn: datetime, amount: int) -> Row:
    """Give the row of a day's regulatory fees."""
    row_id = f"{_digits(dawn)}::{wire_id('fees', desk.terms.number, dawn.isoformat())}"
    body = {
        "id": row_id,
        "activity_type": "FEE",
        "activity_sub_type": "REG",
        "date": (dawn.astimezone(NEW_YORK).date() - timedelta(days=1)).isoformat(),
        "created_at": stamp(dawn),
        "net_amount": text(-amount),
        "description": _NAMES[ActivityKind.FEE],
        "currency": "USD",
        "status": "executed",
    }
    return Row("FEE", dawn, row_id, partial(dict, body))


def _next_dawn(at: datetime) -> datetime:
    """Give the midnight in New York that follows `at`."""
    day = at.astimezone(NEW_YORK).date() + timedelta(days=1)
    return datetime.combine(day, time(), tzinfo=NEW_YORK).astimezone(UTC)


def _digits(at: datetime) -> str:
    return f"{at.astimezone(NEW_YORK):%Y%m%d%H%M%S}{at.microsecond // 1000:03d}"
