"""Type, prices and life of an order, by what the broker allows on the day. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from ops_pipeline.domain.capabilities import ALPACA, Capability, Support
from ops_pipeline.domain.instruments import OptionContract
from ops_pipeline.domain.units import ONE_CENT, Usd4, to_decimal, to_usd4
from ops_pipeline.simserver.calls import unprocessable
from ops_pipeline.simserver.query import decimal_of
from ops_pipeline.simserver.tickets import OrderType

_ABILITIES = {
    OrderType.MARKET: Capability.TYPE_MARKET,
    OrderType.LIMIT: Capability.TYPE_LIMIT,
    OrderType.STOP: Capability.TYPE_STOP,
    OrderType.STOP_LIMIT: Capability.TYPE_STOP_LIMIT,
}
_LIVES = {"day": Capability.TIF_DAY, "gtc": Capability.TIF_GTC}
_STOPS = (OrderType.STOP, OrderType.STOP_LIMIT)
_LIMITS = (OrderType.LIMIT, OrderType.STOP_LIMIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """What an order says of its price and its life; `until` None: the day."""

    type: OrderType
    limit: Usd4 | None
    stop: Usd4 | None
    until: datetime | None


def read_pricing(
    body: Mapping[str, Any], contract: OptionContract | None, *, now: datetime, day: date
) -> Pricing:
    """Read type, limit_price, stop_price and time_in_force; `contract` None: an order of several legs."""
    order_type = _type_of(body, day, several_legs=contract is None)
    return Pricing(
        type=order_type,
        limit=_read(body, "limit_price", contract, is_wanted=order_type in _LIMITS),
        stop=_read(body, "stop_price", contract, is_wanted=order_type in _STOPS),
        until=_until(body, now, day),
    )


def _type_of(body: Mapping[str, Any], day: date, *, several_legs: bool) -> OrderType:
    found = body.get("type")
    allowed = [
        kind
        for kind, ability in _ABILITIES.items()
        if _is_allowed(ability, day) and not (several_legs and kind in _STOPS)
    ]
    if found not in [kind.value for kind in allowed]:
        raise unprocessable(
            f"invalid order type for options trading: {found!r}, expected {' or '.join(allowed)}"
        )
    return OrderType(found)


def _until(body: Mapping[str, Any], now: datetime, day: date) -> datetime | None:
    found = body.get("time_in_force")
    allowed = [life for life, ability in _LIVES.items() if _is_allowed(ability, day)]
    if found not in allowed:
        raise unprocessable(
            f"invalid time_in_force for options trading: {found!r}, expected {' or '.join(allowed)}"
        )
    return now + timedelta(days=ALPACA.cut_offs.gtc_days) if found == "gtc" else None


def _is_allowed(ability: Capability, day: date) -> bool:
    return ALPACA.support(ability, on=day) is Support.YES


def _read(
    body: Mapping[str, Any], field: str, contract: OptionContract | None, *, is_wanted: bool
) -> Usd4 | None:
    """Read a price that must be there or must not be; an order of several legs may ask for a credit."""
    given = body.get(field)
    if given is None or not is_wanted:
        if given is not None or is_wanted:
            verb = "require" if is_wanted else "require no"
            raise unprocessable(f"{body.get('type')} orders {verb} {field}")
        return None
    price = _amount(given, field)
    if price <= 0 and contract is not None:
        raise unprocessable(f"{field} must be > 0, was {given}")
    if price % ONE_CENT:
        raise unprocessable(
            f"invalid {field} {given}. sub-penny increment does not fulfill minimum pricing criteria"
        )
    tick = ONE_CENT if contract is None else contract.tick(price)
    if price % tick:
        raise unprocessable(
            f"invalid {field} {given}: expected a multiple of {to_decimal(tick).normalize():f}"
        )
    return price


def _amount(given: Any, field: str) -> Usd4:
    read = decimal_of(given)
    if read is None:
        raise unprocessable(f"invalid {field} {given!r}: expected a number of dollars")
    try:
        return to_usd4(read)
    except ValueError:
        raise unprocessable(
            f"invalid {field} {given}. sub-penny increment does not fulfill minimum pricing criteria"
        ) from None
