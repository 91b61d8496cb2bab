"""An order as the broker will see it, held against what the broker allows on a day. Pure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from math import gcd

from ops_pipeline.domain.capabilities import Capability, CapabilityProfile, Support
from ops_pipeline.domain.instruments import OptionContract, parse_occ
from ops_pipeline.domain.orders import GateResult, OrderIntent
from ops_pipeline.domain.units import ONE_CENT, Usd4, format_usd

UNKNOWN = "unknown"
_ID = re.compile(r"[A-Za-z0-9-]+", re.ASCII)


class OrderType(StrEnum):
    """How the price is decided."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class TimeInForce(StrEnum):
    """How long an order lives."""

    DAY = "day"
    GTC = "gtc"


class OrderClass(StrEnum):
    """Whether an order stands alone, has legs, or brings others along."""

    SIMPLE = "simple"
    MLEG = "mleg"
    BRACKET = "bracket"


class PositionIntent(StrEnum):
    """What a leg does to the position; the broker knows two that this program never sends."""

    BUY_TO_OPEN = "buy_to_open"
    SELL_TO_CLOSE = "sell_to_close"
    SELL_TO_OPEN = "sell_to_open"
    BUY_TO_CLOSE = "buy_to_close"


@dataclass(frozen=True, slots=True, kw_only=True)
class LegShape:
    """One contract of an order; `ratio` contracts of it per unit."""

    contract: OptionContract
    intent: PositionIntent
    ratio: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderShape:
    """An order described; `limit` and `stop` in Usd4 per share (a net debit where there are legs)."""

    client_order_id: str
    type: OrderType
    time_in_force: TimeInForce
    order_class: OrderClass
    legs: tuple[LegShape, ...]
    qty: int
    limit: Usd4 | None = None
    stop: Usd4 | None = None
    extended_hours: bool = False
    notional: Usd4 | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When and for whom: the session, whether it is open, minutes to its close, the account's level.

    None: not known, which passes nothing that asks for it.
    """

    on: date
    is_open: bool | None = None
    minutes_to_close: float | None = None
    options_level: int | None = None


@dataclass(frozen=True, slots=True)
class _Case:
    order: OrderShape
    moment: Moment
    profile: CapabilityProfile


_Rule = Callable[[_Case], Iterator[GateResult]]
_OPENING = (PositionIntent.BUY_TO_OPEN, PositionIntent.SELL_TO_OPEN)
_LIMITED = (OrderType.LIMIT, OrderType.STOP_LIMIT)
_STOPPED = (OrderType.STOP, OrderType.STOP_LIMIT)
_ROLL = frozenset({PositionIntent.SELL_TO_CLOSE, PositionIntent.BUY_TO_OPEN})


def describe_intent(intent: OrderIntent) -> OrderShape:
    """Describe an intent of this program: a DAY limit order of one or two legs."""
    legs = tuple(
        LegShape(contract=parse_occ(leg.occ), intent=PositionIntent(leg.side.value)) for leg in intent.legs
    )
    return OrderShape(
        client_order_id=intent.client_order_id,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        order_class=OrderClass.SIMPLE if len(legs) == 1 else OrderClass.MLEG,
        legs=legs,
        qty=intent.qty,
        limit=intent.limit,
    )


def check_order(order: OrderShape, *, moment: Moment, profile: CapabilityProfile) -> tuple[GateResult, ...]:
    """Hold the order against every rule of its day; all are evaluated, each has its name."""
    case = _Case(order, moment, profile)
    return tuple(result for rule in _RULES for result in rule(case))


def objections(order: OrderShape, *, moment: Moment, profile: CapabilityProfile) -> tuple[GateResult, ...]:
    """Give the rules that the order breaks, or of which nobody knows; none: it may be sent."""
    return tuple(r for r in check_order(order, moment=moment, profile=profile) if not r.passed)


def _supported(case: _Case, capability: Capability) -> GateResult:
    support = case.profile.support(capability, on=case.moment.on)
    return GateResult(capability.value, support is Support.YES, support.value, Support.YES.value)


def _kind(case: _Case) -> Iterator[GateResult]:
    order = case.order
    yield _supported(case, Capability(f"tif_{order.time_in_force}"))
    yield _supported(case, Capability(f"type_{order.type}"))
    yield _supported(case, Capability(f"class_{order.order_class}"))
    if order.extended_hours:
        yield _supported(case, Capability.EXTENDED_HOURS)
    if order.notional is not None:
        yield _supported(case, Capability.NOTIONAL)
    if order.order_class is OrderClass.MLEG:
        plain = order.type in (OrderType.MARKET, OrderType.LIMIT)
        yield GateResult("mleg_type", plain, order.type, "market or limit")


def _hours(case: _Case) -> Iterator[GateResult]:
    if case.order.type is OrderType.MARKET:
        is_open = case.moment.is_open
        observed = UNKNOWN if is_open is None else "open" if is_open else "closed"
        yield GateResult("market_hours", is_open is True, observed, "open")


def _quantity(case: _Case) -> Iterator[GateResult]:
    qty = case.order.qty
    yield GateResult("quantity", qty >= 1, str(qty), ">= 1")


def _identity(case: _Case) -> Iterator[GateResult]:
    own, most = case.order.client_order_id, case.profile.id_length
    if case.profile.support(Capability.ID_OF_128, on=case.moment.on) is Support.YES:
        most = 128
    passed = bool(_ID.fullmatch(own)) and len(own) <= most
    yield GateResult("client_order_id", passed, own or "none", f"1 to {most} letters, digits and -")


def _prices(case: _Case) -> Iterator[GateResult]:
    order = case.order
    for name, price, kinds in (("limit", order.limit, _LIMITED), ("stop", order.stop, _STOPPED)):
        wanted = order.type in kinds
        if price is None or not wanted:
            fits = (price is not None) == wanted
            yield GateResult(name, fits, _money(price), "a price" if wanted else "none")
            continue
        single = order.order_class is not OrderClass.MLEG
        tick = order.legs[0].contract.tick(price) if single and order.legs else ONE_CENT
        passed = price % tick == 0 and (price > 0 or not single)
        yield GateResult(name, passed, _money(price), f"a multiple of {_money(tick)}")


def _money(price: Usd4 | None) -> str:
    return "none" if price is None else format_usd(price) if price % ONE_CENT == 0 else f"{price} Usd4"


def _legs(case: _Case) -> Iterator[GateResult]:
    legs, least, most = case.order.legs, 1, 1
    if case.order.order_class is OrderClass.MLEG:
        least, most = case.profile.mleg_legs
    expected = f"{least}" if least == most else f"{least} to {most}"
    yield GateResult("legs", least <= len(legs) <= most, str(len(legs)), expected)
    symbols = [leg.contract.occ for leg in legs]
    yield GateResult("legs_differ", len(set(symbols)) == len(symbols), ", ".join(symbols), "each once")
    ratios = [leg.ratio for leg in legs]
    prime = bool(ratios) and min(ratios) >= 1 and gcd(*ratios) == 1
    yield GateResult("ratios", prime, ":".join(map(str, ratios)), ">= 1, relatively prime")


def _covered(case: _Case) -> Iterator[GateResult]:
    """Ask that what a multi-leg order sells to open is bought in the same order, and lives as long."""
    if case.order.order_class is not OrderClass.MLEG:
        return
    for leg in case.order.legs:
        if leg.intent is PositionIntent.SELL_TO_OPEN:
            cover = sum(other.ratio for other in case.order.legs if _covers(other.contract, leg, other))
            sold = sum(other.ratio for other in case.order.legs if _rivals(leg, other))
            observed = f"{sold} sold, {cover} bought"
            yield GateResult("covered", sold <= cover, observed, "covered within the order")


def _covers(contract: OptionContract, short: LegShape, long: LegShape) -> bool:
    sold = short.contract
    return (
        long.intent is PositionIntent.BUY_TO_OPEN
        and (contract.underlying, contract.right) == (sold.underlying, sold.right)
        and contract.expiration >= sold.expiration
    )


def _rivals(short: LegShape, other: LegShape) -> bool:
    one, two = short.contract, other.contract
    return other.intent is PositionIntent.SELL_TO_OPEN and (one.underlying, one.right) == (
        two.underlying,
        two.right,
    )


def _level(case: _Case) -> Iterator[GateResult]:
    levels, own = case.profile.levels, case.moment.options_level
    intents = {leg.intent for leg in case.order.legs}
    if case.order.order_class is OrderClass.MLEG:
        needed = levels.mleg
        if intents == _ROLL and own is not None and own < needed:
            below = case.profile.support(Capability.MLEG_ROLL_LEVEL_2, on=case.moment.on)
            needed = levels.long if below is Support.YES else needed
    else:
        needed = levels.covered if PositionIntent.SELL_TO_OPEN in intents else levels.long
    observed = UNKNOWN if own is None else str(own)
    yield GateResult("options_level", own is not None and own >= needed, observed, f">= {needed}")


def _roll(case: _Case) -> Iterator[GateResult]:
    intents = {leg.intent for leg in case.order.legs}
    if case.order.order_class is OrderClass.MLEG and intents == _ROLL:
        yield _supported(case, Capability.MLEG_ROLL)


def _contracts(case: _Case) -> Iterator[GateResult]:
    """Ask that no contract is over, and that none is opened that is adjusted or about to be sold off."""
    on, left, cut_off = case.moment.on, case.moment.minutes_to_close, case.profile.cut_offs.may_sell
    for leg in case.order.legs:
        contract = leg.contract
        alive = contract.expiration >= on
        yield GateResult("expired", alive, f"{contract.occ} on {on}", "not after its expiration")
        if leg.intent not in _OPENING:
            continue
        yield GateResult("standard", not contract.adjusted, contract.occ, "not adjusted")
        if contract.expiration == on:
            observed = UNKNOWN if left is None else f"{left:g} min"
            passed = left is not None and left > cut_off
            yield GateResult("expiry_cut_off", passed, observed, f"> {cut_off} min before the close")


_RULES: tuple[_Rule, ...] = (
    _kind,
    _hours,
    _quantity,
    _identity,
    _prices,
    _legs,
    _covered,
    _level,
    _roll,
    _contracts,
)
