"""What an account holds: shown, closed, exercised. Shell."""

from dataclasses import replace
from typing import Any

from ops_pipeline.adapters.simulator.book import Holding
from ops_pipeline.domain.instruments import contract_of
from ops_pipeline.domain.units import Occ, Usd4
from ops_pipeline.simserver.calls import FORBIDDEN, NOT_FOUND, ApiError, Call, Reply, unprocessable
from ops_pipeline.simserver.marks import mark_of
from ops_pipeline.simserver.money import ratio, text
from ops_pipeline.simserver.order_entry import read_entry
from ops_pipeline.simserver.order_json import asset_id
from ops_pipeline.simserver.orders import cancel_open, place
from ops_pipeline.simserver.query import decimal_of, flag_of

_MULTI_STATUS = 207


def listing(call: Call) -> Reply:
    """Answer GET /v2/positions."""
    return Reply([_position_json(call, symbol) for symbol in sorted(call.desk.book.holdings)])


def one(call: Call) -> Reply:
    """Answer GET /v2/positions/{symbol_or_asset_id}."""
    return Reply(_position_json(call, _symbol(call)))


def close(call: Call) -> Reply:
    """Answer DELETE /v2/positions/{symbol_or_asset_id}: sell at the market, all of it or a part."""
    symbol = _symbol(call)
    return Reply(_sell(call, symbol, _part(call, call.desk.book.holdings[symbol])))


def close_all(call: Call) -> Reply:
    """Answer DELETE /v2/positions."""
    if flag_of(call.query, "cancel_orders"):
        cancel_open(call)
    rows: list[dict[str, Any]] = []
    for symbol in sorted(call.desk.book.holdings):
        try:
            body = _sell(call, symbol, call.desk.book.holdings[symbol].qty)
            rows.append({"symbol": symbol, "status": 200, "body": body})
        except ApiError as error:
            rows.append({"symbol": symbol, "status": error.reply.status, "body": error.reply.body})
    return Reply(rows, _MULTI_STATUS)


def exercise(call: Call) -> Reply:
    """Answer POST /v2/positions/{symbol_or_contract_id}/exercise: all that is available, at once."""
    symbol = _exercisable(call)
    session = call.venue.calendar.session_at(call.now)
    if session is not None and call.now >= session.close_at:
        raise unprocessable("exercise requests are rejected between market close and midnight")
    if not call.desk.broker.available(Occ(symbol)):
        raise ApiError(FORBIDDEN, f"insufficient qty available to exercise {symbol}")
    if not call.desk.broker.exercise(Occ(symbol)):
        raise unprocessable(f"cannot exercise {symbol}: it is not in the money")
    return Reply(None)


def do_not_exercise(call: Call) -> Reply:
    """Answer POST /v2/positions/{symbol_or_contract_id}/do-not-exercise."""
    call.desk.broker.not_exercised.add(_exercisable(call))
    return Reply(None)


def _sell(call: Call, symbol: str, qty: int) -> dict[str, Any]:
    body = {"symbol": symbol, "qty": qty, "side": "sell", "type": "market", "time_in_force": "day"}
    return place(call, read_entry(replace(call, body=body)))


def _symbol(call: Call) -> str:
    """Find what is held by symbol or by asset id."""
    wanted = call.path["symbol"]
    for symbol in call.desk.book.holdings:
        if wanted in (symbol, asset_id(symbol)):
            return symbol
    raise ApiError(NOT_FOUND, "position does not exist")


def _exercisable(call: Call) -> str:
    """Find what an instruction is for: one for what is not held is forbidden."""
    try:
        return _symbol(call)
    except ApiError as error:
        raise ApiError(FORBIDDEN, "no available position") from error


def _part(call: Call, holding: Holding) -> int:
    qty, share = call.query.get("qty"), call.query.get("percentage")
    if qty and share:
        raise unprocessable("only one of qty and percentage is allowed")
    if share:
        read = decimal_of(share)
        if read is None or not 0 < read <= 100:
            raise unprocessable(f"percentage must be above 0 and at most 100, was {share}")
        part = int(holding.qty * read / 100)
        if not part:
            raise unprocessable(f"percentage {share} of {holding.qty} contracts is less than one")
        return part
    if not qty:
        return holding.qty
    read = decimal_of(qty)
    if read is None or read <= 0 or read != read.to_integral_value():
        raise unprocessable(f"qty must be a whole number > 0, was {qty}")
    return int(read)


def _position_json(call: Call, symbol: str) -> dict[str, Any]:
    holding = call.desk.book.holdings[symbol]
    shares = holding.qty * holding.multiplier
    price = _price(call, symbol)
    before = _price_at_last_close(call, symbol)
    value, cost = price * shares, holding.cost
    basis = _basis_today(call, symbol, holding, before)
    today = value - basis
    return {
        "asset_id": asset_id(symbol),
        "symbol": symbol,
        "exchange": "",
        "asset_class": "us_option" if contract_of(symbol) else "us_equity",
        "asset_marginable": False,
        "qty": str(holding.qty),
        "qty_available": str(call.desk.broker.available(Occ(symbol))),
        "side": "long",
        "avg_entry_price": text(cost // shares),
        "market_value": text(value),
        "cost_basis": text(cost),
        "unrealized_pl": text(value - cost),
        "unrealized_plpc": ratio(value - cost, cost),
        "unrealized_intraday_pl": text(today),
        "unrealized_intraday_plpc": ratio(today, basis),
        "current_price": text(price),
        "lastday_price": text(before),
        "change_today": ratio(price - before, before),
    }


def _basis_today(call: Call, symbol: str, holding: Holding, before: Usd4) -> Usd4:
    """Give what the day's profit counts from: the price of what was bought today, else the last close."""
    opened = call.venue.session().open_at
    bought = spent = 0
    for activity in reversed(call.desk.book.activities):
        if activity.at < opened:
            break
        fill = activity.fill
        if fill is not None and fill.occ == symbol and fill.qty > 0:
            bought += fill.qty
            spent += fill.qty * fill.price
    fresh = min(bought, holding.qty)
    newly = spent * fresh // bought if bought else 0
    return (newly + before * (holding.qty - fresh)) * holding.multiplier


def _price(call: Call, symbol: str) -> Usd4:
    """Give what a position is valued at a share: the mid, the bid without an ask, 0 without a bid."""
    return mark_of(call.venue.world.quotes([Occ(symbol)], now=call.now).get(Occ(symbol)))


def _price_at_last_close(call: Call, symbol: str) -> Usd4:
    """Give the mark at the last session's close; today's where it was not quoted then."""
    previous = call.venue.calendar.previous(call.venue.session().date)
    quote = call.venue.world.quotes([Occ(symbol)], now=previous.close_at).get(Occ(symbol))
    return mark_of(quote) or _price(call, symbol)
