"""Accounts, positions and orders between the venue's spelling and the domain's. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from ops_pipeline.adapters.alpaca import amounts, wire
from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.adapters.alpaca.instants import instant
from ops_pipeline.domain.accounts import BrokerAccount, BrokerPosition
from ops_pipeline.domain.instruments import OptionContract, Right, contract_of
from ops_pipeline.domain.orders import BrokerOrder, BrokerStatus, Leg, OrderIntent, Side
from ops_pipeline.domain.units import ClientOrderId, Occ, Usd4, to_decimal

STANDARD = 100
_ZERO = Decimal(0)
_STATUSES = {status.value: status for status in BrokerStatus}
_INTENTS = {side.value: side for side in Side}
_DIRECTIONS = {"buy": Side.BUY_TO_OPEN, "sell": Side.SELL_TO_CLOSE, "sell_short": Side.SELL_TO_CLOSE}
_VERBS = {Side.BUY_TO_OPEN: "buy", Side.SELL_TO_CLOSE: "sell"}
_RIGHTS = {"call": Right.CALL, "put": Right.PUT}


def account_of(row: wire.Account, *, as_of: datetime) -> BrokerAccount:
    """Read an account in US dollars; what is not told of options power or level counts as 0."""
    where = "account"
    if row.currency != "USD":
        raise WireError(f"{where}: expected amounts in USD, was {row.currency!r}")
    power = row.options_buying_power
    level = row.options_trading_level
    return BrokerAccount(
        number=row.account_number,
        equity=amounts.money(row.equity, where=f"{where} equity"),
        last_equity=amounts.money(row.last_equity, where=f"{where} last_equity"),
        cash=amounts.money(row.cash, where=f"{where} cash"),
        options_buying_power=amounts.money(power or _ZERO, where=f"{where} options_buying_power"),
        options_level=_level(level if level is not None else 0),
        blocked=row.trading_blocked
        or row.account_blocked
        or row.trade_suspended_by_user
        or row.status not in ("", "ACTIVE"),
        as_of=as_of,
    )


def position_of(row: wire.Position) -> BrokerPosition:
    """Read a position: contracts exactly; of shares the whole ones, for parts of one are not counted here."""
    where = f"position {row.symbol}"
    qty = amounts.units(row.qty, symbol=row.symbol, where=f"{where} qty")
    if row.side == "short" and qty > 0:
        qty = -qty
    return BrokerPosition(
        symbol=row.symbol,
        qty=qty,
        average_price=amounts.price(row.avg_entry_price, where=f"{where} avg_entry_price"),
        multiplier=STANDARD if contract_of(row.symbol) else 1,
    )


def order_of(row: wire.Order) -> BrokerOrder:
    """Read an order; a multi-leg one shows its parent's units, the leg that is sold first.

    A status that is not known here is UNKNOWN, which counts as live.
    """
    where = f"order {row.id}"
    placed = row.submitted_at or row.created_at
    if placed is None:
        raise WireError(f"{where}: expected submitted_at or created_at, found neither")
    symbol = _symbol_of(row)
    limit = row.limit_price
    return BrokerOrder(
        broker_order_id=row.id,
        client_order_id=ClientOrderId(row.client_order_id),
        status=_STATUSES.get(row.status, BrokerStatus.UNKNOWN),
        qty=amounts.units(row.qty or _ZERO, symbol=symbol, where=f"{where} qty"),
        cum=amounts.units(row.filled_qty or _ZERO, symbol=symbol, where=f"{where} filled_qty"),
        legs=_legs_of(row),
        limit=amounts.exact_price(limit, where=f"{where} limit_price") if limit is not None else 0,
        submitted_at=instant(placed, where=where),
        reason="" if row.status in _STATUSES else row.status,
    )


def is_multi_leg(row: wire.Order) -> bool:
    """Tell whether an order is the parent of legs, shown or not."""
    return row.order_class == "mleg" and not row.symbol


def follow(first: BrokerOrder, chain: Sequence[BrokerOrder]) -> BrokerOrder:
    """Show a replaced order as what it became, under the id it was sent with.

    A replacement for no more than what was left goes on from what had filled; any other speaks for the
    whole order.
    """
    shown = first
    for later in chain:
        goes_on = later.qty <= shown.qty - shown.cum
        shown = replace(
            later,
            client_order_id=first.client_order_id,
            qty=shown.cum + later.qty if goes_on else later.qty,
            cum=shown.cum + later.cum if goes_on else max(shown.cum, later.cum),
            submitted_at=first.submitted_at,
        )
    return shown


def order_body(intent: OrderIntent) -> Mapping[str, Any]:
    """Write a limit order for the day, with its id and with what each leg means to do to a position."""
    body: dict[str, Any] = {
        "client_order_id": intent.client_order_id,
        "qty": str(intent.qty),
        "type": "limit",
        "limit_price": price_text(intent.limit),
        "time_in_force": "day",
    }
    if len(intent.legs) == 1:
        leg = intent.legs[0]
        side = {"side": _VERBS[leg.side], "position_intent": leg.side.value}
        return {"symbol": leg.occ, **side, "order_class": "simple", **body}
    legs = [
        {
            "symbol": leg.occ,
            "ratio_qty": "1",
            "side": _VERBS[leg.side],
            "position_intent": leg.side.value,
        }
        for leg in intent.legs
    ]
    return {"order_class": "mleg", **body, "legs": legs}


def price_text(price: Usd4) -> str:
    """Write a price exactly, with two to four decimals."""
    whole, _, decimals = f"{to_decimal(price):.4f}".partition(".")
    return f"{whole}.{decimals[:2]}{decimals[2:].rstrip('0')}"


def contract_from(row: wire.OptionContract) -> OptionContract:
    """Read a listed contract; its row must say what its symbol says.

    One whose symbol, size or multiplier is not standard is adjusted. Unless it is said to be in the penny
    programme its steps are the wide ones, which are valid in both.
    """
    where = f"contract {row.symbol}"
    read = contract_of(row.symbol)
    if read is None:
        raise WireError(f"contract: expected an OCC symbol, was {row.symbol!r}")
    strike = amounts.price(row.strike_price, where=f"{where} strike_price", least=1)
    said = (row.expiration_date, _RIGHTS.get(row.type), strike)
    if said != (read.expiration, read.right, read.strike):
        raise WireError(f"{where}: expected what its symbol says, was {said}")
    multiplier = amounts.count(row.multiplier or Decimal(STANDARD), where=f"{where} multiplier")
    if multiplier <= 0:
        raise WireError(f"{where}: expected a multiplier > 0, was {multiplier}")
    whole = row.size is None or (row.size.is_finite() and row.size == STANDARD)
    standard = multiplier == STANDARD and whole
    return replace(
        read,
        multiplier=multiplier,
        adjusted=read.adjusted or not standard,
        penny=row.ppind is True,
    )


def _symbol_of(row: wire.Order) -> str:
    """Name what decides whether quantities are contracts: the order's symbol or its first leg's."""
    if row.symbol or not row.legs:
        return row.symbol or ""
    return row.legs[0].symbol or ""


def _legs_of(row: wire.Order) -> tuple[Leg, ...]:
    if row.symbol:
        return (_leg(row),)
    legs = [_leg(leg) for leg in row.legs or ()]
    return tuple(sorted(legs, key=lambda leg: leg.side is Side.BUY_TO_OPEN))


def _leg(row: wire.Order) -> Leg:
    """Read a leg; an order of others may open a short or close one, of which only its direction is kept."""
    side = _INTENTS.get(row.position_intent or "") or _DIRECTIONS.get(row.side or "")
    if side is None or not row.symbol:
        raise WireError(f"order {row.id}: expected a symbol and a side, was {row.symbol!r} {row.side!r}")
    return Leg(occ=Occ(row.symbol), side=side)


def _level(value: int | str) -> int:
    try:
        return int(value)
    except ValueError:
        raise WireError(f"account options_trading_level: expected a number, was {value!r}") from None
