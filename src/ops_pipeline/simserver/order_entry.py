"""Reads an order as a client sends it, or refuses it as the broker words it. Shell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import gcd
from typing import Any

from ops_pipeline.adapters.calendar.sessions import NEW_YORK
from ops_pipeline.domain.instruments import OptionContract
from ops_pipeline.domain.orders import Leg, OrderIntent, Purpose, Side
from ops_pipeline.domain.units import (
    ONE_CENT,
    ONE_DOLLAR,
    WHOLE_BP,
    AccountId,
    ClientOrderId,
    Occ,
    PositionId,
    Usd4,
    ceil_to_tick,
)
from ops_pipeline.simserver.calls import FORBIDDEN, INVALID_REQUEST, ApiError, Call, unprocessable
from ops_pipeline.simserver.desk import Spelled
from ops_pipeline.simserver.listing import listed
from ops_pipeline.simserver.order_prices import Pricing, read_pricing
from ops_pipeline.simserver.query import decimal_of
from ops_pipeline.simserver.tickets import OrderType, wire_id

LONGEST_ID = 128
# A market order buys at whatever is asked, up to a quarter above what was asked when it came (or its stop).
MARKET_COLLAR_BP = 12_500
_UNCOVERED = "account not eligible to trade uncovered option contracts"
_INTENTS = ("buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close")


@dataclass(frozen=True, slots=True)
class Entry:
    """An order ready for the broker, and how the client spelled it."""

    intent: OrderIntent
    spelled: Spelled


def read_entry(call: Call, *, replaces: str | None = None) -> Entry:
    """Read POST /v2/orders; ApiError where the broker would refuse it before it looks at the account."""
    body = _object(call.body)
    _refuse_what_options_lack(body)
    qty = _whole(body.get("qty"), "qty")
    contract = None
    if body.get("order_class") == "mleg":
        legs, order = _read_legs(call, body.get("legs"))
    else:
        contract = _listed(call, _text(body, "symbol"))
        legs, order = (_leg(call, contract, body, qty),), (0,)
    day = call.now.astimezone(NEW_YORK).date()
    pricing = read_pricing(body, contract, now=call.now, day=day)
    if pricing.type is OrderType.MARKET and not call.venue.is_open:
        raise unprocessable("options market orders are only allowed during market hours")
    intent = OrderIntent(
        client_order_id=_client_order_id(call, body),
        account=AccountId(call.desk.terms.number),
        purpose=_purpose(legs),
        key=legs[0].occ,
        generation=0,
        legs=legs,
        qty=qty,
        limit=_marketable(call, legs, pricing) if pricing.limit is None else pricing.limit,
        multiplier=100,
        position_id=PositionId(legs[0].occ),
        reason="",
    )
    spelled = Spelled(
        type=pricing.type,
        limit=pricing.limit,
        stop=pricing.stop,
        until=pricing.until,
        leg_order=order,
        replaces=replaces,
    )
    return Entry(intent, spelled)


def _object(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise ApiError(INVALID_REQUEST, "request body format is invalid: expected a JSON object")
    return body


def _refuse_what_options_lack(body: Mapping[str, Any]) -> None:
    kind = body.get("order_class") or "simple"
    if kind not in ("simple", "mleg"):
        raise unprocessable(f"invalid order_class for options trading: {kind}")
    if body.get("notional") is not None:
        raise unprocessable("notional is not supported for options trading")
    if body.get("extended_hours"):
        raise unprocessable("extended_hours is not supported for options trading")
    for field in ("take_profit", "stop_loss", "trail_price", "trail_percent"):
        if body.get(field) is not None:
            raise unprocessable(f"{field} is not supported for options trading")


def _text(body: Mapping[str, Any], field: str) -> str:
    found = body.get(field)
    if not isinstance(found, str) or not found:
        raise ApiError(INVALID_REQUEST, f"{field} is required")
    return found


def _whole(value: Any, field: str) -> int:
    read = decimal_of(value)
    if read is None:
        raise ApiError(INVALID_REQUEST, f"{field} is required: expected a number, was {value!r}")
    if read <= 0:
        raise unprocessable(f"{field} must be > 0, was {value}")
    if read != read.to_integral_value() or read >= Decimal(10) ** 9:
        raise unprocessable(f"{field} must be a whole number of contracts, was {value}")
    return int(read)


def _client_order_id(call: Call, body: Mapping[str, Any]) -> ClientOrderId:
    found = body.get("client_order_id")
    if not found:
        number = str(call.desk.book.next_number)
        return ClientOrderId(wire_id("client order", call.desk.terms.number, number))
    if not isinstance(found, str) or len(found) > LONGEST_ID:
        raise ApiError(INVALID_REQUEST, f"client_order_id must be a text of at most {LONGEST_ID} characters")
    return ClientOrderId(found)


def _listed(call: Call, symbol: str) -> OptionContract:
    contract = listed(call.venue.world, symbol, now=call.now)
    if contract is not None:
        return contract
    if symbol in call.venue.world.tickers:
        raise unprocessable(f"asset {symbol} is not tradable")
    raise unprocessable(f"asset {symbol} not found")


def _leg(call: Call, contract: OptionContract, body: Mapping[str, Any], qty: int) -> Leg:
    """Decide what a leg does: only buying to open and selling what is held are covered here."""
    side, intent = body.get("side"), body.get("position_intent")
    if intent is not None and intent not in _INTENTS:
        raise ApiError(INVALID_REQUEST, f"invalid position_intent: {intent!r}")
    if side is None and intent is not None:
        side = intent.partition("_")[0]
    if side not in ("buy", "sell"):
        raise ApiError(INVALID_REQUEST, f"invalid side: expected buy or sell, was {side!r}")
    held = call.desk.book.holdings.get(contract.occ)
    inferred = "buy_to_open" if side == "buy" else "sell_to_close" if held else "sell_to_open"
    if intent is not None and intent != inferred:
        raise unprocessable(f"position intent mismatch, inferred: {inferred}, specified: {intent}")
    if inferred == "sell_to_open":
        raise ApiError(FORBIDDEN, _UNCOVERED)
    leg = Leg(occ=contract.occ, side=Side(inferred))
    if leg.side is Side.SELL_TO_CLOSE:
        _refuse_beyond_available(call, leg.occ, qty)
    return leg


def _refuse_beyond_available(call: Call, occ: Occ, qty: int) -> None:
    desk = call.desk
    available = desk.broker.available(occ)
    if qty <= available:
        return
    held = desk.book.holdings[occ].qty
    related = [
        desk.tickets[order.broker_order_id].id
        for order in desk.book.live()
        if any(leg.occ == occ and leg.side is Side.SELL_TO_CLOSE for leg in order.legs)
    ]
    raise ApiError(
        FORBIDDEN,
        f"insufficient qty available for order (requested: {qty}, available: {available})",
        extra={
            "symbol": occ,
            "available": str(available),
            "existing_qty": str(held),
            "held_for_orders": str(held - available),
            "related_orders": related,
        },
    )


def _read_legs(call: Call, rows: Any) -> tuple[tuple[Leg, ...], tuple[int, ...]]:
    """Read the legs of a roll, what is sold first; and the places at which the client named them."""
    if (
        not isinstance(rows, list)
        or not 2 <= len(rows) <= 4
        or not all(isinstance(row, dict) for row in rows)
    ):
        raise unprocessable("legs: expected 2 to 4 of them for an mleg order")
    contracts = [_listed(call, _text(row, "symbol")) for row in rows]
    if len({contract.occ for contract in contracts}) != len(rows):
        raise unprocessable("legs must have different symbols")
    if len({contract.underlying for contract in contracts}) != 1:
        raise unprocessable("legs must have the same underlying")
    ratios = [_whole(row.get("ratio_qty"), "ratio_qty") for row in rows]
    if gcd(*ratios) != 1:
        raise unprocessable("leg ratio quantities should be relatively prime")
    qty = _whole(_object(call.body).get("qty"), "qty")
    legs = [
        _leg(call, contract, row, qty * ratio)
        for contract, row, ratio in zip(contracts, rows, ratios, strict=True)
    ]
    sides = [leg.side for leg in legs]
    if sorted(sides) != [Side.BUY_TO_OPEN, Side.SELL_TO_CLOSE] or ratios != [1, 1]:
        raise unprocessable("mleg order: expected one leg that sells to close and one that buys to open, 1:1")
    sold = sides.index(Side.SELL_TO_CLOSE)
    ordered = (legs[sold], legs[1 - sold])
    return ordered, tuple(ordered.index(leg) for leg in legs)


def _marketable(call: Call, legs: Sequence[Leg], pricing: Pricing) -> Usd4:
    """Give a limit that is marketable when the order wakes; 422 where nothing is quoted on the other side."""
    if len(legs) == 1 and legs[0].side is Side.SELL_TO_CLOSE and pricing.stop is not None:
        return ONE_CENT
    if pricing.stop is not None:
        return ceil_to_tick(pricing.stop * MARKET_COLLAR_BP // WHOLE_BP, ONE_DOLLAR // 10)
    quotes = call.venue.world.quotes([leg.occ for leg in legs], now=call.now)
    debit = 0
    for leg in legs:
        quote = quotes.get(leg.occ)
        price = None if quote is None else quote.ask if leg.side is Side.BUY_TO_OPEN else quote.bid
        if not price:
            raise unprocessable(f"no available quote for {leg.occ}")
        debit += price if leg.side is Side.BUY_TO_OPEN else -price
    if len(legs) == 1 and legs[0].side is Side.SELL_TO_CLOSE:
        return ONE_CENT
    asked = quotes[legs[-1].occ].ask or 0
    return ceil_to_tick(debit + asked * (MARKET_COLLAR_BP - WHOLE_BP) // WHOLE_BP, ONE_DOLLAR // 10)


def _purpose(legs: Sequence[Leg]) -> Purpose:
    if len(legs) > 1:
        return Purpose.ROLL
    return Purpose.ENTRY if legs[0].side is Side.BUY_TO_OPEN else Purpose.EXIT
