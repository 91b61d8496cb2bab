"""The orders of an account: placed, shown, replaced, cancelled. Shell."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from ops_pipeline.domain.orders import Accepted, BrokerOrder, BrokerStatus, Rejected, Side
from ops_pipeline.simserver.calls import (
    FORBIDDEN,
    INVALID_REQUEST,
    NOT_FOUND,
    ApiError,
    Call,
    Reply,
    unprocessable,
)
from ops_pipeline.simserver.money import text
from ops_pipeline.simserver.order_entry import Entry, read_entry
from ops_pipeline.simserver.order_json import legs_json, order_json, side_word
from ops_pipeline.simserver.query import choice_of, count_of, flag_of, instant_of, words_of
from ops_pipeline.simserver.tickets import Ticket

DEFAULT_LIMIT, MOST_ORDERS = 50, 500
_AMENDABLE = ("qty", "limit_price", "stop_price", "time_in_force", "client_order_id")
_MULTI_STATUS = 207
_NO_BUYING_POWER = "insufficient options buying power"


def submit(call: Call) -> Reply:
    """Answer POST /v2/orders."""
    _refuse_suspended(call)
    return Reply(place(call, read_entry(call)))


def place(call: Call, entry: Entry) -> dict[str, Any]:
    """Hand an order to the broker and give what became of it; ApiError where it is refused."""
    outcome = call.venue.submit(call.desk, entry.intent, entry.spelled)
    match outcome:
        case Accepted(order=order):
            return _shown(call, order.broker_order_id)
        case Rejected(code=code, message=message):
            raise ApiError(int(code), message, extra=_why(call, entry, message))
        case _:
            raise ApiError(INVALID_REQUEST, "client_order_id must be unique", status=422)


def listing(call: Call) -> Reply:
    """Answer GET /v2/orders."""
    query = call.query
    limit = count_of(query, "limit", default=DEFAULT_LIMIT, most=MOST_ORDERS)
    newest_first = choice_of(query, "direction", ("asc", "desc"), default="desc") == "desc"
    nested = flag_of(query, "nested")
    found: list[dict[str, Any]] = []
    for order, ticket in islice(_wanted(call, newest_first=newest_first), limit):
        found.append(order_json(order, ticket, nested=nested))
        if len(order.legs) > 1 and not nested:
            found += legs_json(order, ticket)
    return Reply(found)


def one(call: Call) -> Reply:
    """Answer GET /v2/orders/{order_id}, a leg's id included."""
    ticket = _found(call)
    order = call.desk.shown[ticket.broker_order_id]
    if ticket.id == call.path["order_id"]:
        return Reply(order_json(order, ticket))
    return Reply(next(leg for leg in legs_json(order, ticket) if leg["id"] == call.path["order_id"]))


def by_client_order_id(call: Call) -> Reply:
    """Answer GET /v2/orders:by_client_order_id."""
    wanted = call.query.get("client_order_id")
    if not wanted:
        raise ApiError(INVALID_REQUEST, "client_order_id is required")
    for ticket in reversed(call.desk.tickets.values()):
        if ticket.client_order_id == wanted:
            return Reply(_shown(call, ticket.broker_order_id))
    raise ApiError(NOT_FOUND, f"order not found for {wanted}")


def cancel(call: Call) -> Reply:
    """Answer DELETE /v2/orders/{order_id}: 204 is a request, not an outcome."""
    ticket = _found(call)
    if not call.venue.cancel(call.desk, ticket.broker_order_id):
        status = call.desk.shown[ticket.broker_order_id].status
        raise unprocessable(f'order is already in "{status.value}" state')
    return Reply(None, 204)


def cancel_all(call: Call) -> Reply:
    """Answer DELETE /v2/orders."""
    return Reply(cancel_open(call), _MULTI_STATUS)


def cancel_open(call: Call) -> list[dict[str, Any]]:
    """Cancel every open order; give a row for each."""
    rows = []
    for order in call.desk.book.live():
        done = call.venue.cancel(call.desk, order.broker_order_id)
        rows.append({"id": call.desk.tickets[order.broker_order_id].id, "status": 200 if done else 422})
    return rows


def amend(call: Call) -> Reply:
    """Answer PATCH /v2/orders/{order_id}: a new order takes the old one's place, under a new id.

    What is not named stays; of a partly filled order only the rest is replaced.
    """
    _refuse_suspended(call)
    ticket = _found(call)
    old = call.desk.shown[ticket.broker_order_id]
    if old.status.is_terminal or ticket.replaced_by is not None:
        raise unprocessable(f'cannot replace order in "{old.status.value}" state')
    if len(old.legs) > 1:
        raise unprocessable("mleg orders cannot be replaced: cancel and submit anew")
    desk, venue = call.desk, call.venue
    if not venue.withdraw(desk, old.broker_order_id):
        raise unprocessable("cannot replace order: it was filled meanwhile")
    left = desk.shown[old.broker_order_id]
    try:
        entry = read_entry(replace(call, body=_amended(call, left, ticket)), replaces=ticket.id)
        body = place(call, entry)
    except ApiError:
        status = BrokerStatus.PARTIALLY_FILLED if left.cum else old.status
        desk.reinstate(old.broker_order_id, replace(left, status=status))
        raise
    venue.gave_way(desk, old.broker_order_id, body["id"])
    return Reply(body)


def _amended(call: Call, left: BrokerOrder, ticket: Ticket) -> dict[str, Any]:
    changes = call.body if isinstance(call.body, dict) else {}
    named = {key: value for key, value in changes.items() if value is not None}
    prices = {"limit_price": ticket.limit, "stop_price": ticket.stop}
    return {
        "symbol": left.legs[0].occ,
        "side": side_word(left.legs[0].side),
        "position_intent": left.legs[0].side.value,
        "qty": str(left.qty - left.cum),
        "type": ticket.type.value,
        "time_in_force": ticket.time_in_force,
        **{name: text(price) for name, price in prices.items() if price is not None},
        **{key: named[key] for key in _AMENDABLE if key in named},
    }


def _wanted(call: Call, *, newest_first: bool) -> Iterator[tuple[BrokerOrder, Ticket]]:
    query = call.query
    status = choice_of(query, "status", ("open", "closed", "all"), default="open")
    after, until = instant_of(query, "after"), instant_of(query, "until")
    symbols, side = words_of(query, "symbols"), query.get("side")
    classes = words_of(query, "asset_class")
    if classes and not {"us_option", "all"} & set(classes):
        return
    for broker_id in _between_ids(call, newest_first=newest_first):
        order, ticket = call.desk.shown[broker_id], call.desk.tickets[broker_id]
        closed = order.status.is_terminal or ticket.replaced_by is not None
        if status != "all" and closed != (status == "closed"):
            continue
        if after is not None and ticket.created_at <= after:
            continue
        if until is not None and ticket.created_at >= until:
            continue
        if symbols and not any(leg.occ in symbols for leg in order.legs):
            continue
        if not side or side_word(order.legs[0].side) == side:
            yield order, ticket


def _between_ids(call: Call, *, newest_first: bool) -> Sequence[str]:
    """Give the orders after and before those the query names, by the broker's ids."""
    ids = list(call.desk.shown)
    first, last = 0, len(ids)
    for name in ("after_order_id", "before_order_id"):
        if call.query.get(name):
            ticket = call.desk.ticket_of(call.query[name])
            if ticket is None:
                raise unprocessable(f"invalid {name}: no order {call.query[name]}")
            place = ids.index(ticket.broker_order_id)
            first, last = (place + 1, last) if name == "after_order_id" else (first, place)
    return ids[first:last][::-1] if newest_first else ids[first:last]


def _found(call: Call) -> Ticket:
    ticket = call.desk.ticket_of(call.path["order_id"])
    if ticket is None:
        raise ApiError(NOT_FOUND, f"order not found for {call.path['order_id']}")
    return ticket


def _shown(call: Call, broker_order_id: str) -> dict[str, Any]:
    return order_json(call.desk.shown[broker_order_id], call.desk.tickets[broker_order_id])


def _refuse_suspended(call: Call) -> None:
    if call.desk.book.blocked:
        raise ApiError(FORBIDDEN, "account is not allowed to trade")
    if call.desk.configuration.suspend_trade:
        raise ApiError(FORBIDDEN, "trading is suspended by the account's configuration")


def _why(call: Call, entry: Entry, message: str) -> dict[str, str]:
    if message != _NO_BUYING_POWER:
        return {}
    intent = entry.intent
    cost = max(0, intent.limit) * intent.qty * intent.multiplier
    assert intent.legs[-1].side is Side.BUY_TO_OPEN
    return {"options_buying_power": text(call.desk.broker.free_cash()), "cost_basis": text(cost)}
