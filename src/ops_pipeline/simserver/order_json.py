"""Orders as Alpaca spells them. Pure."""

from typing import Any

from ops_pipeline.domain.orders import BrokerOrder, Leg, Side
from ops_pipeline.domain.units import Usd4, to_decimal
from ops_pipeline.simserver.money import optional, plain, stamp, text
from ops_pipeline.simserver.tickets import Ticket, wire_id

_SIDES = {Side.BUY_TO_OPEN: "buy", Side.SELL_TO_CLOSE: "sell"}


def order_json(order: BrokerOrder, ticket: Ticket, *, nested: bool = True) -> dict[str, Any]:
    """Give an order. A multi-leg one names no symbol and no side itself: its legs do."""
    if len(order.legs) == 1:
        leg = order.legs[0]
        return {**_common(order, ticket), **_instrument(leg), "order_class": "simple", "legs": None}
    legs = legs_json(order, ticket) if nested else None
    return {**_common(order, ticket), "order_class": "mleg", "legs": legs}


def legs_json(order: BrokerOrder, ticket: Ticket) -> list[dict[str, Any]]:
    """Give the legs of a multi-leg order as orders of their own, in the order the client named them."""
    return [_leg_json(order, ticket, order.legs[place]) for place in ticket.leg_order]


def asset_id(symbol: str) -> str:
    """Give the UUID of a stock or a contract."""
    return wire_id("asset", symbol)


def side_word(side: Side) -> str:
    """Give `buy` or `sell`."""
    return _SIDES[side]


def _leg_json(order: BrokerOrder, ticket: Ticket, leg: Leg) -> dict[str, Any]:
    contracts, cost = ticket.filled(leg.occ)
    return {
        **_common(order, ticket),
        **_instrument(leg),
        "id": ticket.leg_id(leg.occ),
        "client_order_id": wire_id("client order of leg", ticket.id, leg.occ),
        "order_class": "mleg",
        "limit_price": None,
        "ratio_qty": "1",
        "filled_avg_price": _average(cost, contracts),
        "legs": None,
    }


def _common(order: BrokerOrder, ticket: Ticket) -> dict[str, Any]:
    return {
        "id": ticket.id,
        "client_order_id": ticket.client_order_id,
        "created_at": stamp(ticket.created_at),
        "updated_at": stamp(ticket.updated_at or ticket.created_at),
        "submitted_at": stamp(ticket.created_at),
        "filled_at": optional(ticket.filled_at if order.cum else None),
        "expired_at": optional(ticket.expired_at),
        "expires_at": stamp(ticket.expires_at),
        "canceled_at": optional(ticket.canceled_at),
        "failed_at": None,
        "replaced_at": optional(ticket.replaced_at),
        "replaced_by": ticket.replaced_by,
        "replaces": ticket.replaces,
        "notional": None,
        "qty": str(order.qty),
        "filled_qty": str(order.cum),
        "filled_avg_price": _average_of_all(order, ticket),
        "order_type": ticket.type.value,
        "type": ticket.type.value,
        "time_in_force": ticket.time_in_force,
        "limit_price": None if ticket.limit is None else text(ticket.limit),
        "stop_price": None if ticket.stop is None else text(ticket.stop),
        "status": order.status.value,
        "extended_hours": False,
        "trail_percent": None,
        "trail_price": None,
        "hwm": None,
    }


def _instrument(leg: Leg) -> dict[str, Any]:
    return {
        "asset_id": asset_id(leg.occ),
        "symbol": leg.occ,
        "asset_class": "us_option",
        "side": side_word(leg.side),
        "position_intent": leg.side.value,
    }


def _average_of_all(order: BrokerOrder, ticket: Ticket) -> str | None:
    """Give the price a unit was filled at: of a multi-leg order the net debit, negative for a credit."""
    net = 0
    for leg in order.legs:
        _, cost = ticket.filled(leg.occ)
        net += cost if leg.side is Side.BUY_TO_OPEN or len(order.legs) == 1 else -cost
    return _average(net, order.cum)


def _average(total: Usd4, contracts: int) -> str | None:
    return plain(round(to_decimal(total) / contracts, 6)) if contracts else None
