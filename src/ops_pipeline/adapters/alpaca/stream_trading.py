"""Frames of the trading websocket and the order updates in them. Pure."""

from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from ops_pipeline.adapters.alpaca import amounts
from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.adapters.alpaca.stream_frames import UNREADABLE, is_json, utc
from ops_pipeline.adapters.alpaca.wire import Instant, Number
from ops_pipeline.domain.orders import BrokerStatus, OrderUpdate
from ops_pipeline.domain.units import ClientOrderId

TRADE_UPDATES: Final = "trade_updates"
# Not an event of the broker's: updates may have been missed, so everything is to be looked at.
GAP: Final = "gap"

_STATUSES: Final = {status.value: status for status in BrokerStatus}


class PushedOrder(msgspec.Struct, frozen=True):
    """The part of an order that an update is read for; the rest is for the REST answer to tell."""

    id: str
    status: str
    client_order_id: str | None = None
    symbol: str | None = None
    filled_qty: Number | None = None
    updated_at: Instant | None = None


class TradingData(msgspec.Struct, frozen=True):
    """The body of any message; which fields are there depends on its stream."""

    status: str | None = None
    action: str | None = None
    streams: list[str] | None = None
    error_message: str | None = None
    event: str | None = None
    order: PushedOrder | None = None
    timestamp: Instant | None = None
    at: Instant | None = None


class TradingMessage(msgspec.Struct, frozen=True):
    """A message: `stream` names what `data` is; an error has an `action` instead."""

    stream: str | None = None
    action: str | None = None
    data: TradingData = TradingData()


_FROM_JSON: Final = msgspec.json.Decoder(TradingMessage)
_FROM_MSGPACK: Final = msgspec.msgpack.Decoder(TradingMessage)


def read_trading(frame: bytes) -> TradingMessage:
    """Read a frame, JSON (in text or binary, as paper sends it) or MessagePack.

    Fields nobody here reads may come, go or change. WireError where the frame is no such message.
    """
    try:
        return (_FROM_JSON if is_json(frame) else _FROM_MSGPACK).decode(frame)
    except UNREADABLE as error:
        raise WireError(f"trading stream: expected a message, {error}") from error


def order_update(data: TradingData, *, heard_at: datetime) -> OrderUpdate:
    """Read what a trade update says of its order; a multi-leg order's is the parent's, in its units.

    A status not known here is UNKNOWN, which is live. Updates without a time count as of `heard_at`.
    WireError where the order, its id or the event is missing, or the filled quantity is none.
    """
    order = data.order
    if order is None or not order.id or not data.event:
        raise WireError(f"trade update: expected an event and an order, was {data.event!r} and {order}")
    where = f"trade update of {order.id}"
    at = data.timestamp or data.at or order.updated_at or heard_at
    cum = amounts.units(
        order.filled_qty or Decimal(0), symbol=order.symbol or "", where=f"{where} filled_qty"
    )
    if cum < 0:
        raise WireError(f"{where} filled_qty: expected at least 0, was {cum}")
    return OrderUpdate(
        client_order_id=ClientOrderId(order.client_order_id or ""),
        broker_order_id=order.id,
        event=data.event,
        status=_STATUSES.get(order.status, BrokerStatus.UNKNOWN),
        cum=cum,
        at=utc(at, where),
    )


def gap(*, at: datetime) -> OrderUpdate:
    """Say that updates may have been missed; it is of no order."""
    return OrderUpdate(
        client_order_id=ClientOrderId(""),
        broker_order_id="",
        event=GAP,
        status=BrokerStatus.UNKNOWN,
        cum=0,
        at=at,
    )
