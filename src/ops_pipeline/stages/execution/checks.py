"""The last checks before the socket, for entries and exits alike. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from ops_pipeline.domain.accounts import Mode
from ops_pipeline.domain.breaks import Cause
from ops_pipeline.domain.controls import FREE, Brake
from ops_pipeline.domain.instruments import OptionContract
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import OptionQuote
from ops_pipeline.domain.orders import (
    GateResult,
    Order,
    OrderIntent,
    OrderState,
    Purpose,
    Side,
    most_allowed,
)
from ops_pipeline.domain.rules import POSITIONS_CEILING, ExecutionRules
from ops_pipeline.domain.units import Occ, format_usd
from ops_pipeline.stages.execution.lifecycle import entry_objection, is_exit, order_id

LOOK_ALIKE = "look_alike"
_TWIN_WINDOW = timedelta(seconds=60)
RATE_WINDOW = timedelta(seconds=60)
_REJECT_WINDOW = timedelta(minutes=10)
# RELIABILITY 5.1: a buy goes at most a tick or 2 % over the ask, and 10 % over the mid.
_OVER_ASK_PERCENT, _OVER_MID_PERCENT = 2, 10
# A two-leg order's net price moves by cents.
_NET_TICK = 100
_STANDARD = 100


class Door(NamedTuple):
    """What the door knows beside the ledger: this database, the lease's epoch, the brake, the market.

    `quotes` holds the newest quote of each leg that has one, `stream` why the broker's updates cannot be
    relied on; only orders that open need them.
    """

    database_id: str
    epoch: int
    brake: Brake = FREE
    quotes: Mapping[Occ, OptionQuote] = {}
    stream: str = ""


class Case(NamedTuple):
    """An order before the door; `contract` is its position's."""

    intent: OrderIntent
    order: Order
    ledger: Ledger
    contract: OptionContract
    now: datetime
    rules: ExecutionRules
    door: Door


Check = Callable[[Case], GateResult]


def before_send(
    order: Order, *, ledger: Ledger, now: datetime, rules: ExecutionRules, door: Door
) -> tuple[GateResult, ...]:
    """Ask every check; `ledger` may hold the order already. Exits pass those that guard risk only.

    A check that breaks refuses an entry; an exit it lets go, unless it is one of the first (`ALWAYS`).
    """
    intent = order.intent
    case = Case(
        intent=intent,
        order=order,
        ledger=ledger,
        contract=ledger.positions[intent.position_id].contract,
        now=now,
        rules=rules,
        door=door,
    )
    opens = intent.purpose.opens
    strict = partial(_ask, case=case, lets_go=False)
    results = [strict(name, check) for name, check in ALWAYS]
    results += [strict(name, check) for name, check in ENTRIES if opens]
    if is_exit(order):
        results += [_ask(name, check, case=case, lets_go=not opens) for name, check in EXITS]
    return tuple(results)


def _ask(name: str, check: Check, *, case: Case, lets_go: bool) -> GateResult:
    try:
        return check(case)
    except Exception as error:  # noqa: BLE001 - whatever a broken check raises, the order's fate is decided here
        return GateResult(name, lets_go, f"{type(error).__name__}: {error}", "a check that can be made")


def _mode(case: Case) -> GateResult:
    return GateResult("mode", case.ledger.mode is Mode.TRADE, case.ledger.mode.value, Mode.TRADE.value)


def control(intent: OrderIntent, ledger: Ledger, brake: Brake) -> GateResult:
    """Check the kill level, the stored one and the one that stands outside the database."""
    most, level = most_allowed(intent.purpose), max(ledger.control, brake.level)
    return GateResult("control", level <= most, level.name, f"<= {most.name}")


def _control(case: Case) -> GateResult:
    return control(case.intent, case.ledger, case.door.brake)


def _lease(case: Case) -> GateResult:
    """Check that no later writer has sent this order; that the epoch is the newest, its commit checks."""
    passed = case.door.epoch >= case.order.epoch and case.door.epoch > 0
    return GateResult("lease", passed, f"epoch {case.door.epoch}", f">= {max(1, case.order.epoch)}")


def _account(case: Case) -> GateResult:
    """Check that the id is this account's, at this broker, from this database, for this very cause."""
    intent, ledger = case.intent, case.ledger
    own = order_id(
        ledger,
        case.door.database_id,
        purpose=intent.purpose,
        key=intent.key,
        generation=intent.generation,
    )
    passed = intent.account == ledger.account and intent.client_order_id == own
    return GateResult(
        "account", passed, f"{intent.account} {intent.client_order_id}", f"{ledger.account} {own}"
    )


def _shape(case: Case) -> GateResult:
    sides = tuple(leg.side for leg in case.intent.legs)
    single = Side.BUY_TO_OPEN if case.intent.purpose.opens else Side.SELL_TO_CLOSE
    wanted = (Side.SELL_TO_CLOSE, Side.BUY_TO_OPEN) if case.intent.purpose is Purpose.ROLL else (single,)
    observed = ",".join(side.value for side in sides)
    return GateResult("shape", sides == wanted, observed, ",".join(side.value for side in wanted))


def _price(case: Case) -> GateResult:
    """Check whole contracts and a limit on the contract's price steps; type and TIF have one value each."""
    limit, qty = case.intent.limit, case.intent.qty
    tick = _NET_TICK if len(case.intent.legs) > 1 else case.contract.tick(limit)
    passed = qty >= 1 and limit % tick == 0
    return GateResult(
        "price", passed, f"{qty} at {format_usd(limit)}", f">= 1, in steps of {format_usd(tick)}"
    )


def _frozen(case: Case) -> GateResult:
    """Check for differences: what has a cause may still be sold, as far as the broker holds it."""
    intent, breaks = case.intent, case.ledger.breaks
    frozen = case.ledger.positions[intent.position_id].frozen
    found = [breaks[leg.occ] for leg in intent.legs if leg.occ in breaks]
    barred = intent.purpose.opens
    causes = [row.cause for row in found if row.confirmed and (barred or row.cause is Cause.UNKNOWN)]
    observed = frozen or (f"break: {causes[0]}" if causes else "no")
    return GateResult("not_frozen", not frozen and not causes, observed, "no")


def _blocked(case: Case) -> GateResult:
    found = case.ledger.block_of(case.contract.underlying, case.now)
    return GateResult("blocked", found is None, f"{found.symbol}: {found.reason}" if found else "no", "no")


def _standard(case: Case) -> GateResult:
    """Check that what is bought delivers 100 plain shares."""
    bought, roll = case.contract, case.ledger.rolls.get(case.intent.key)
    if case.intent.purpose is Purpose.ROLL and roll is not None and roll.successor is not None:
        bought = roll.successor
    multiplier = case.intent.multiplier
    passed = not bought.adjusted and bought.multiplier == multiplier == _STANDARD
    observed = f"{bought.occ}, {multiplier} shares{', adjusted' if bought.adjusted else ''}"
    return GateResult("standard", passed, observed, f"{_STANDARD} shares, not adjusted")


def _collar(case: Case) -> GateResult:
    """Check the limit against the newest quote: near the ask, and not far over the mid."""
    intent = case.intent
    quote = case.door.quotes.get(intent.legs[-1].occ)
    if quote is None or not quote.bid or not quote.ask or quote.bid > quote.ask:
        return GateResult("collar", False, format_usd(intent.limit), "a quote with bid <= ask")
    tick = case.contract.tick(quote.ask)
    most = max(quote.ask + tick, quote.ask * (100 + _OVER_ASK_PERCENT) // 100)
    if len(intent.legs) > 1:
        sold = case.door.quotes.get(intent.legs[0].occ)
        most -= (sold.bid or 0) if sold else 0
    else:
        most = min(most, (quote.bid + quote.ask) * (100 + _OVER_MID_PERCENT) // 200)
    return GateResult("collar", intent.limit <= most, format_usd(intent.limit), f"<= {format_usd(most)}")


def _ceiling(case: Case) -> GateResult:
    intent, rules = case.intent, case.rules
    premium = intent.limit * intent.qty * intent.multiplier
    passed = intent.qty <= rules.order_contracts_max and premium <= rules.order_premium_max
    limit = f"<= {rules.order_contracts_max} contracts, {rules.order_premium_max}"
    return GateResult("ceiling", passed, f"{intent.qty} contracts, {premium}", limit)


def _managed(case: Case) -> GateResult:
    """Refuse a position more than can be got out at once (RELIABILITY G12); a roll changes no count."""
    others = sum(position.id != case.intent.position_id for position in case.ledger.open_positions)
    passed = others < POSITIONS_CEILING or case.intent.purpose is not Purpose.ENTRY
    return GateResult("managed", passed, str(others), f"< {POSITIONS_CEILING} open positions")


def _look_alike(case: Case) -> GateResult:
    twins = [order.id for order in look_alikes(case.intent, case.ledger, case.now)]
    return GateResult(LOOK_ALIKE, not twins, ",".join(twins) or "none", "none within 60 s")


def look_alikes(intent: OrderIntent, ledger: Ledger, now: datetime) -> list[Order]:
    """Give the orders of the last minute with the same legs for another cause."""
    return [
        order
        for order in ledger.intended_since(now - _TWIN_WINDOW)
        if order.id != intent.client_order_id
        and order.intent.legs == intent.legs
        and order.intent.key != intent.key
    ]


def _rate(case: Case) -> GateResult:
    recent, most = len(_others_sent(case)), case.rules.orders_per_minute
    return GateResult("rate", recent < most, str(recent), f"< {most} a minute")


def _others_sent(case: Case) -> list[Order]:
    return [order for order in case.ledger.sent_since(case.now - RATE_WINDOW) if order.id != case.order.id]


def _others_live(case: Case) -> list[Order]:
    return [order for order in case.ledger.live_orders if order.id != case.order.id]


def _symbol_rate(case: Case) -> GateResult:
    """Count the causes of entries in the underlying: the steps of one entry's walk are one."""
    symbol, positions = case.contract.underlying, case.ledger.positions
    causes = {
        order.intent.key
        for order in _others_sent(case)
        if order.intent.purpose.opens
        and order.intent.key != case.intent.key
        and positions[order.intent.position_id].contract.underlying == symbol
    }
    most = case.rules.symbol_entries_per_minute
    return GateResult("symbol_rate", len(causes) < most, f"{len(causes)} in {symbol}", f"< {most} a minute")


def _rejects(case: Case) -> GateResult:
    lately = case.ledger.turned_away_since(case.now - _REJECT_WINDOW)
    rejected = sum(order.state is OrderState.REJECTED for order in lately if order.id != case.order.id)
    most = case.rules.rejects_max
    return GateResult("rejects", rejected < most, str(rejected), f"< {most} in 10 minutes")


def _unknown(case: Case) -> GateResult:
    unclear = (OrderState.UNKNOWN, OrderState.ABANDONING)
    unknown = sum(order.state in unclear for order in _others_live(case))
    return GateResult(
        "unknown", unknown <= case.rules.unknown_max, str(unknown), f"<= {case.rules.unknown_max}"
    )


def _updates(case: Case) -> GateResult:
    return GateResult("updates", not case.door.stream, case.door.stream or "no trouble", "no trouble")


def _in_time(case: Case) -> GateResult:
    """Check once more that what the entry was decided on still stands when it leaves."""
    until = case.intent.expires_at
    limit = f"before {until:%H:%M:%S} UTC" if until else "any time"
    return GateResult("in_time", until is None or case.now < until, f"{case.now:%H:%M:%S} UTC", limit)


def _no_exit(case: Case) -> GateResult:
    objection = entry_objection(case.order, case.ledger)
    return GateResult("no_exit", not objection, objection or "none", "no exit is decided")


def _one_exit(case: Case) -> GateResult:
    live = [
        order.id
        for order in _others_live(case)
        if order.holds_slot and is_exit(order) and order.intent.position_id == case.intent.position_id
    ]
    return GateResult("one_exit", not live, ",".join(live) or "none", "no other live exit")


def _covered(case: Case) -> GateResult:
    """Refuse to sell what the ledger does not hold, or what other live orders already sell (P3)."""
    occ = case.intent.occ
    resting = sum(
        order.leaves
        for order in _others_live(case)
        if order.holds_slot
        for leg in order.intent.legs
        if leg.occ == occ and leg.side is Side.SELL_TO_CLOSE
    )
    free = case.ledger.held().get(occ, 0) - resting
    left = case.intent.qty - case.order.booked
    return GateResult("covered", left <= free, str(left), f"<= {free}")


ALWAYS: tuple[tuple[str, Check], ...] = (
    ("mode", _mode),
    ("control", _control),
    ("lease", _lease),
    ("account", _account),
    ("shape", _shape),
    ("price", _price),
    ("not_frozen", _frozen),
)
ENTRIES: tuple[tuple[str, Check], ...] = (
    ("blocked", _blocked),
    ("standard", _standard),
    ("collar", _collar),
    ("ceiling", _ceiling),
    ("managed", _managed),
    (LOOK_ALIKE, _look_alike),
    ("rate", _rate),
    ("symbol_rate", _symbol_rate),
    ("rejects", _rejects),
    ("unknown", _unknown),
    ("updates", _updates),
    ("in_time", _in_time),
    ("no_exit", _no_exit),
)
EXITS: tuple[tuple[str, Check], ...] = (("one_exit", _one_exit), ("covered", _covered))
