"""The last checks before the socket, for entries and exits alike. Pure."""

from datetime import datetime, timedelta

from ops_pipeline.domain.accounts import ControlLevel, Mode
from ops_pipeline.domain.breaks import Cause
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import GateResult, Order, OrderIntent, Purpose, Side
from ops_pipeline.domain.rules import ExecutionRules
from ops_pipeline.stages.execution.lifecycle import entry_objection, is_exit

_LOOK_ALIKE = timedelta(seconds=60)
_RATE_WINDOW = timedelta(seconds=60)


def before_send(
    intent: OrderIntent, *, ledger: Ledger, now: datetime, rules: ExecutionRules
) -> tuple[GateResult, ...]:
    """Check mode, kill level, shape, ceilings, look-alikes, the exit slot and the rate.

    `ledger` already holds the intent's own order. Exits pass the checks that guard risk only.
    """
    results = [_mode(ledger), _control(intent, ledger), _shape(intent), _frozen(intent, ledger)]
    others = [order for order in ledger.orders.values() if order.id != intent.client_order_id]
    if intent.purpose.opens:
        results += [_ceiling(intent, rules), _look_alike(intent, others, now), _rate(others, now, rules)]
        results.append(_no_exit(ledger.orders[intent.client_order_id], ledger))
    if is_exit(ledger.orders[intent.client_order_id]):
        results += [_one_exit(intent, others), _covered(intent, ledger, others)]
    return tuple(results)


def _mode(ledger: Ledger) -> GateResult:
    return GateResult("mode", ledger.mode is Mode.TRADE, ledger.mode.value, Mode.TRADE.value)


def _control(intent: OrderIntent, ledger: Ledger) -> GateResult:
    most = ControlLevel.NORMAL if intent.purpose.opens else ControlLevel.FLATTEN
    return GateResult("control", ledger.control <= most, ledger.control.name, f"<= {most.name}")


def _shape(intent: OrderIntent) -> GateResult:
    sides = tuple(leg.side for leg in intent.legs)
    single = Side.BUY_TO_OPEN if intent.purpose.opens else Side.SELL_TO_CLOSE
    wanted = (Side.SELL_TO_CLOSE, Side.BUY_TO_OPEN) if intent.purpose is Purpose.ROLL else (single,)
    observed = ",".join(side.value for side in sides)
    return GateResult("shape", sides == wanted, observed, ",".join(side.value for side in wanted))


def _frozen(intent: OrderIntent, ledger: Ledger) -> GateResult:
    position = ledger.positions.get(intent.position_id)
    frozen = position.frozen if position else ""
    found = [ledger.breaks[leg.occ] for leg in intent.legs if leg.occ in ledger.breaks]
    # What has a cause may still be sold, at most what the broker holds of it; nothing is bought.
    barred = intent.purpose.opens
    causes = [row.cause for row in found if row.confirmed and (barred or row.cause is Cause.UNKNOWN)]
    observed = frozen or (f"break: {causes[0]}" if causes else "no")
    return GateResult("not_frozen", not frozen and not causes, observed, "no")


def _ceiling(intent: OrderIntent, rules: ExecutionRules) -> GateResult:
    premium = intent.limit * intent.qty * intent.multiplier
    passed = intent.qty <= rules.order_contracts_max and premium <= rules.order_premium_max
    limit = f"<= {rules.order_contracts_max} contracts, {rules.order_premium_max}"
    return GateResult("ceiling", passed, f"{intent.qty} contracts, {premium}", limit)


def _look_alike(intent: OrderIntent, others: list[Order], now: datetime) -> GateResult:
    twins = [
        order.id
        for order in others
        if order.intent.legs == intent.legs
        and order.intent.key != intent.key
        and now - order.created_at < _LOOK_ALIKE
    ]
    return GateResult("look_alike", not twins, ",".join(twins) or "none", "none within 60 s")


def _rate(others: list[Order], now: datetime, rules: ExecutionRules) -> GateResult:
    recent = sum(1 for order in others if order.last_sent_at and now - order.last_sent_at < _RATE_WINDOW)
    return GateResult(
        "rate", recent < rules.orders_per_minute, str(recent), f"< {rules.orders_per_minute} a minute"
    )


def _one_exit(intent: OrderIntent, others: list[Order]) -> GateResult:
    live = [
        order.id
        for order in others
        if order.is_live and is_exit(order) and order.intent.position_id == intent.position_id
    ]
    return GateResult("one_exit", not live, ",".join(live) or "none", "no other live exit")


def _no_exit(order: Order, ledger: Ledger) -> GateResult:
    objection = entry_objection(order, ledger)
    return GateResult("no_exit", not objection, objection or "none", "no exit is decided")


def _covered(intent: OrderIntent, ledger: Ledger, others: list[Order]) -> GateResult:
    """Refuse to sell what the ledger does not hold, or what other live orders already sell (P3)."""
    occ = intent.occ
    resting = sum(
        order.leaves
        for order in others
        for leg in order.intent.legs
        if leg.occ == occ and leg.side is Side.SELL_TO_CLOSE
    )
    booked = ledger.orders[intent.client_order_id].booked
    free = ledger.held().get(occ, 0) - resting
    return GateResult("covered", intent.qty - booked <= free, str(intent.qty - booked), f"<= {free}")
