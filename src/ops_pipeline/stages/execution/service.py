"""Keeps an account's orders and positions true to its broker. Shell."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ops_pipeline.domain import events as e
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import Approved, Order, OrderState, Purpose
from ops_pipeline.domain.records import Failed, StepReport
from ops_pipeline.domain.rules import EntryRules
from ops_pipeline.ports import BrokerUnavailable, MarketData
from ops_pipeline.stages.execution import lifecycle, reconcile
from ops_pipeline.stages.execution.gateway import Desk, cancel, post, send

# Lifecycle activities may be booked days late (paper books them the next day); ids make overlap harmless.
_ACTIVITY_OVERLAP = timedelta(days=5)
_ENTRIES = (Purpose.ENTRY, Purpose.ROLL_OPEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionPorts:
    """What execution needs of one account: its desk and the market for its limits."""

    desk: Desk
    market: MarketData
    entry: EntryRules


def recover(now: datetime, ports: ExecutionPorts) -> None:
    """Begin after a start: what was being sent is unknown until the broker has been asked."""
    desk = ports.desk
    desk.store.commit(desk.account, reconcile.recovered(desk.store.ledger(desk.account)), at=now)


def run_once(now: datetime, ports: ExecutionPorts) -> StepReport:
    """Book what happened, observe orders, compare positions, carry entries on. A failed read changes nothing."""
    desk = ports.desk
    try:
        read = _reconcile(now, desk)
        sent = _keep_up(now, ports)
    except BrokerUnavailable as error:
        failed = (Failed(item="broker", error=str(error)),)
        return StepReport(stage="execution", now=now, account=desk.account, failed=failed)
    desk.store.commit(desk.account, _completed(now, ports), at=now)
    return StepReport(stage="execution", now=now, account=desk.account, read=read, sent=sent)


def _reconcile(now: datetime, desk: Desk) -> int:
    # gather
    ledger = desk.store.ledger(desk.account)
    activities = desk.broker.activities(since=now - _ACTIVITY_OVERLAP)
    live = [order for order in ledger.live_orders if order.attempt]
    shown = desk.broker.orders(since=min(o.created_at for o in live)) if live else ()
    # decide and apply: fills first, they outrank what an order says of itself
    booked = reconcile.bookings(ledger, activities)
    observed = reconcile.observations(ledger, shown)
    ledger = desk.store.commit(desk.account, [*booked, *observed], at=now)
    _look_up(now, desk, ledger, {order.client_order_id for order in shown})
    if not any(order.state is not OrderState.WORKING for order in desk.store.ledger(desk.account).live_orders):
        _compare(now, desk)
    return len(activities)


def _compare(now: datetime, desk: Desk) -> None:
    positions = desk.broker.positions()
    ledger = desk.store.ledger(desk.account)
    found = reconcile.differences(ledger, positions)
    if found or ledger.breaks:
        # A fill that landed between the two reads is not a difference: it is booked before it counts.
        late = reconcile.bookings(ledger, desk.broker.activities(since=now - _ACTIVITY_OVERLAP))
        ledger = desk.store.commit(desk.account, late, at=now)
        found = reconcile.differences(ledger, positions)
    bodies = reconcile.breaks(ledger, found, now=now, rules=desk.rules)
    desk.store.commit(desk.account, bodies, at=now)


def _look_up(now: datetime, desk: Desk, ledger: Ledger, shown: set[str]) -> None:
    for order in ledger.live_orders:
        asked = lifecycle.upkeep(order, now=now, rules=desk.rules) is lifecycle.Upkeep.LOOK_UP
        if not asked or order.id in shown or _just_asked(order, now, desk):
            continue
        found = desk.broker.order(order.id)
        if found is not None:
            bodies: list[e.EventBody] = reconcile.observations(ledger, [found])
        else:
            count = order.not_found + 1
            bodies = [e.OrderNotFound(client_order_id=order.id, count=count)]
            target = lifecycle.after_not_found(order, count=count, now=now)
            if target is not None:
                settled = e.OrderSettled(
                    client_order_id=order.id, state=target.value, reason=f"not found {count} times"
                )
                bodies.append(settled)
        desk.store.commit(desk.account, bodies, at=now)


def _just_asked(order: Order, now: datetime, desk: Desk) -> bool:
    return order.not_found > 0 and (now - order.updated_at).total_seconds() < desk.rules.not_found_gap_s


def _keep_up(now: datetime, ports: ExecutionPorts) -> int:
    desk = ports.desk
    sent = 0
    for order in desk.store.ledger(desk.account).live_orders:
        match lifecycle.upkeep(order, now=now, rules=desk.rules):
            case lifecycle.Upkeep.RESEND:
                post(lifecycle.approve_resend(order), desk=desk, now=now)
                sent += 1
            case lifecycle.Upkeep.CANCEL:
                cancel(order, desk=desk, now=now, reason="expired")
            case lifecycle.Upkeep.ABANDON:
                _settle(order, OrderState.ABANDONING, "deadline passed", desk=desk, now=now)
            case lifecycle.Upkeep.NOT_PLACED:
                _settle(order, OrderState.NOT_PLACED, "quarantine over", desk=desk, now=now)
            case lifecycle.Upkeep.QUARANTINE:
                _settle(order, OrderState.QUARANTINED, "fills missing", desk=desk, now=now)
            case _:
                _step_when_due(order, ports=ports, now=now)
    return sent + _step_entries(now, ports)


def _step_when_due(order: Order, *, ports: ExecutionPorts, now: datetime) -> None:
    if order.state is not OrderState.WORKING or order.intent.purpose not in _ENTRIES:
        return
    ledger = ports.desk.store.ledger(ports.desk.account)
    started = _started_at(ledger, order)
    if lifecycle.entry_is_due(order, started_at=started, now=now, rules=ports.entry):
        cancel(order, desk=ports.desk, now=now, reason="next step")


def _step_entries(now: datetime, ports: ExecutionPorts) -> int:
    desk = ports.desk
    ledger = desk.store.ledger(desk.account)
    sent = 0
    for order in _stepping(ledger, now=now, entry=ports.entry):
        sent += _step(order, ledger, ports=ports, now=now)
    return sent


def _step(order: Order, ledger: Ledger, *, ports: ExecutionPorts, now: datetime) -> int:
    quote = ports.market.quotes([order.intent.occ], now=now).get(order.intent.occ)
    if quote is None or not quote.bid or not quote.ask or quote.bid > quote.ask:
        return 0
    contract = ledger.positions[order.intent.position_id].contract
    limit = lifecycle.entry_limit(
        contract, bid=quote.bid, ask=quote.ask, step=order.intent.generation, rules=ports.entry
    )
    intent = order.intent
    new_id = lifecycle.order_id(
        ledger,
        ports.desk.store.database_id,
        purpose=intent.purpose,
        key=intent.key,
        generation=intent.generation + 1,
    )
    step = lifecycle.next_step(order, new_id=new_id, limit=limit)
    fit = min(step.qty, step.budget // (limit * step.multiplier))
    if fit < 1:
        return 0
    verdict = lifecycle.approve_step(order, replace(step, qty=fit))
    if isinstance(verdict, Approved):
        send(verdict, desk=ports.desk, now=now)
        return 1
    return 0


def _stepping(ledger: Ledger, *, now: datetime, entry: EntryRules) -> Sequence[Order]:
    """Give the newest order of each entry that is not complete and goes on."""
    newest: dict[str, Order] = {}
    for order in ledger.orders.values():
        position = ledger.positions.get(order.intent.position_id)
        if order.intent.purpose in _ENTRIES and position is not None and not position.original_qty:
            if position.is_open:
                newest[order.intent.key] = order
    return [
        order
        for order in newest.values()
        if lifecycle.entry_may_step(order, started_at=_started_at(ledger, order), now=now, rules=entry)
        and order.booked < order.intent.qty
    ]


def _started_at(ledger: Ledger, order: Order) -> datetime:
    return min(
        other.created_at
        for other in ledger.orders.values()
        if (other.intent.purpose, other.intent.key) == (order.intent.purpose, order.intent.key)
    )


def _completed(now: datetime, ports: ExecutionPorts) -> list[e.EventBody]:
    ledger = ports.desk.store.ledger(ports.desk.account)
    stepping = frozenset(order.intent.key for order in _stepping(ledger, now=now, entry=ports.entry))
    return reconcile.completions(ledger, stepping=stepping)


def _settle(order: Order, state: OrderState, reason: str, *, desk: Desk, now: datetime) -> None:
    settled = e.OrderSettled(client_order_id=order.id, state=state.value, reason=reason)
    desk.store.commit(desk.account, [settled], at=now)
