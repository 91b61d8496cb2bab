"""The trading websocket: authorisation, listening, and an account's order updates. Shell."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from ops_pipeline.domain.orders import Side
from ops_pipeline.simserver.desk import Desk
from ops_pipeline.simserver.money import stamp, text
from ops_pipeline.simserver.order_json import order_json
from ops_pipeline.simserver.stream_line import ClientLine
from ops_pipeline.simserver.tickets import OrderChange, wire_id
from ops_pipeline.simserver.venue import Venue

TRADE_UPDATES: Final = "trade_updates"
AUTH_WITHIN_S: Final = 10.0


class TradingStreams:
    """The clients that listen to order updates, one an account."""

    def __init__(self, venue: Venue) -> None:
        """Serve a venue's accounts."""
        self._venue = venue
        self._lines: dict[str, ClientLine] = {}
        self._listening: set[str] = set()

    @property
    def lines(self) -> tuple[ClientLine, ...]:
        """Give the authorised connections."""
        return tuple(self._lines.values())

    async def serve(self, line: ClientLine, *, refused: bool) -> None:
        """Talk with one client until it leaves; `refused` turns it away as if another one stood."""
        desk = await self._authorise(line)
        if desk is None:
            return
        number = desk.terms.number
        if refused or number in self._lines:
            line.answer(_error("connection limit exceeded"))
            return
        self._lines[number] = line
        try:
            line.answer(_authorization("authorized", "authenticate"))
            await self._follow(line, desk)
        finally:
            del self._lines[number]
            self._listening.discard(number)

    def worded(self, change: OrderChange) -> dict[str, Any]:
        """Put what happened to an order into words; call under the venue's lock, as it happens."""
        desk = next(desk for desk in self._venue.desks if desk.terms.number == change.number)
        return {"stream": TRADE_UPDATES, "data": update_json(change, desk)}

    def tell(self, number: str, said: dict[str, Any]) -> None:
        """Push an update to its account's listener, if there is one; call in the server's loop."""
        line = self._lines.get(number)
        if line is not None and number in self._listening:
            line.push(said)

    async def _authorise(self, line: ClientLine) -> Desk | None:
        """Wait for a key that opens an account; None where none came in time."""
        due = asyncio.get_running_loop().time() + AUTH_WITHIN_S
        while (left_s := due - asyncio.get_running_loop().time()) > 0:
            try:
                said = await line.hear(left_s)
            except TimeoutError:
                return None
            action = said.get("action") if isinstance(said, Mapping) else None
            if action in ("auth", "authenticate"):
                desk = self._desk_of(said)
                if desk is not None:
                    return desk
                line.answer(_authorization("unauthorized", "authenticate"))
            elif action == "listen":
                line.answer(_authorization("unauthorized", "listen"))
            else:
                line.answer(_error("invalid syntax"))
                return None
        return None

    def _desk_of(self, said: Any) -> Desk | None:
        """Find the account of an authorisation, in the present form or the older one."""
        given = said.get("data") if said["action"] == "authenticate" else said
        if not isinstance(given, Mapping):
            return None
        key, secret = given.get("key_id", given.get("key")), given.get("secret_key", given.get("secret"))
        return self._venue.desk_of(str(key), str(secret))

    async def _follow(self, line: ClientLine, desk: Desk) -> None:
        while True:
            said = await line.hear()
            action = said.get("action") if isinstance(said, Mapping) else None
            data = said.get("data") if isinstance(said, Mapping) else None
            streams = data.get("streams") if isinstance(data, Mapping) else None
            if action in ("auth", "authenticate"):
                line.answer(_authorization("authorized", "authenticate"))
            elif action != "listen" or not isinstance(streams, list):
                line.answer(_error("invalid syntax"))
                return
            else:
                granted = [TRADE_UPDATES] if TRADE_UPDATES in streams else []
                (self._listening.add if granted else self._listening.discard)(desk.terms.number)
                line.answer({"stream": "listening", "data": {"streams": granted}})


def update_json(change: OrderChange, desk: Desk) -> dict[str, Any]:
    """Give the body of an update: the order as it was right after the change, and what was filled."""
    told: dict[str, Any] = {
        "at": stamp(change.at),
        "event_id": wire_id("event", change.ticket.id, change.event.value, str(change.after.cum)),
        "event": change.event.value,
        "timestamp": stamp(change.at),
        "order": order_json(change.after, change.ticket),
    }
    if not change.fills:
        return told
    if len(change.after.legs) == 1:
        (fill,) = change.fills
        return {
            **told,
            "execution_id": wire_id("execution", change.number, fill.execution_id),
            "price": text(fill.price),
            "qty": str(abs(fill.qty)),
            "position_qty": str(_held(desk, fill.occ)),
        }
    return {**told, **_strategy_fill(change, desk)}


def _strategy_fill(change: OrderChange, desk: Desk) -> dict[str, Any]:
    """Give what a multi-leg fill adds: the net price of a unit and each leg's execution."""
    buys = {leg.occ for leg in change.after.legs if leg.side is Side.BUY_TO_OPEN}
    net = sum(fill.price if fill.occ in buys else -fill.price for fill in change.fills)
    return {
        "price": text(net),
        "qty": str(change.after.cum - (change.before.cum if change.before else 0)),
        "position_qtys": {leg.occ: str(_held(desk, leg.occ)) for leg in change.after.legs},
        "legs": [
            {
                "execution_id": wire_id("execution", change.number, fill.execution_id),
                "order_id": change.ticket.leg_id(fill.occ),
                "symbol": fill.occ,
                "price": text(fill.price),
                "qty": str(abs(fill.qty)),
                "timestamp": stamp(fill.at),
            }
            for fill in change.fills
        ],
    }


def _held(desk: Desk, symbol: str) -> int:
    holding = desk.book.holdings.get(symbol)
    return 0 if holding is None else holding.qty


def _authorization(status: str, action: str) -> dict[str, Any]:
    return {"stream": "authorization", "data": {"status": status, "action": action}}


def _error(message: str) -> dict[str, Any]:
    return {"action": "error", "data": {"error_message": message}}
