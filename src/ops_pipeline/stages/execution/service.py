"""Keeps an account's orders and positions true to its broker. Shell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.errors import StoreUnavailableError
from ops_pipeline.domain.fees import fee_rules_on
from ops_pipeline.domain.instruments import contract_of
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import OptionQuote, QuoteRules, is_usable, trust_of
from ops_pipeline.domain.order_fold import FILLS_MISSING
from ops_pipeline.domain.orders import Activity, Approved, Deferred, Order, OrderIntent, OrderState
from ops_pipeline.domain.records import Failed, StepReport
from ops_pipeline.domain.rules import EntryRules
from ops_pipeline.domain.units import AccountId, Usd4
from ops_pipeline.ports import AccessRefused, BrokerUnavailable, MarketData
from ops_pipeline.stages.execution import alarms, ladder, lifecycle, reconcile
from ops_pipeline.stages.execution.booking import bookings
from ops_pipeline.stages.execution.causes import Surroundings, causes_of
from ops_pipeline.stages.execution.gateway import Desk, cancel, keep_suspended, post, request_cancel, send
from ops_pipeline.stages.execution.reading import ACTIVITY_OVERLAP, observe, refuse_doubtful

# States in which the broker may hold something that the ledger has not booked yet.
_IN_FLIGHT = (
    OrderState.SENDING,
    OrderState.UNKNOWN,
    OrderState.CANCELING,
    OrderState.DRAINING,
    OrderState.ABANDONING,
    OrderState.ORPHAN,
)
_LOOKED_UP = (*_IN_FLIGHT, OrderState.WORKING)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionPorts:
    """What execution needs of one account: its desk, the market for its limits, what quotes it trusts.

    `agreed` remembers when ledger and broker were last found to hold the same. `caught_up` lives as long
    as the process: the accounts whose past was read since it started.
    """

    desk: Desk
    market: MarketData
    entry: EntryRules
    quotes: QuoteRules
    agreed: dict[AccountId, datetime] = field(default_factory=dict)
    caught_up: set[AccountId] = field(default_factory=set)


def recover(now: datetime, ports: ExecutionPorts) -> None:
    """Begin after a start: what was being sent is unknown until the broker has been asked.

    The first run that reaches the broker reads activities from as far back as anything open goes.
    """
    desk = ports.desk
    before, took_over = desk.store.ledger(desk.account), desk.store.took_over(desk.account)
    desk.store.commit(desk.account, reconcile.recovered(before, took_over=took_over), at=now)


def run_once(now: datetime, ports: ExecutionPorts) -> StepReport:
    """Book what happened, observe orders, compare positions, carry entries on.

    A failed read changes nothing, and keeps no exit from being sent again.
    """
    desk = ports.desk
    read = sent = 0
    failed: tuple[Failed, ...] = ()
    _cancel_forbidden(now, desk)
    keep_suspended(desk, now=now)
    try:
        read = _reconcile(now, ports)
        sent = _keep_up(now, ports)
    except BrokerUnavailable as error:
        failed = (Failed(item="broker", error=str(error)),)
        sent = _resend_exits(now, desk)
    except StoreUnavailableError as error:
        failed = (Failed(item="database", error=str(error)),)
    desk.store.commit(desk.account, _completed(now, ports), at=now)
    ledger = desk.store.ledger(desk.account)
    unknown = sum(o.state is OrderState.UNKNOWN for o in ledger.live_orders)
    return StepReport(
        stage="execution",
        now=now,
        account=desk.account,
        read=read,
        sent=sent,
        unknown=unknown,
        failed=failed,
        again_at=_again_at(ledger, now, ports, failed=bool(failed)),
    )


def _again_at(ledger: Ledger, now: datetime, ports: ExecutionPorts, *, failed: bool) -> datetime | None:
    """Give when a live order wants to be looked at next, ahead of the usual pace; `failed`: a read did."""
    wishes: list[datetime | None] = []
    if failed and any(order.state in _IN_FLIGHT for order in ledger.live_orders):
        wishes.append(now + timedelta(seconds=ports.desk.rules.not_found_gap_s))
    for order in ledger.live_orders:
        walks = order.intent.purpose in lifecycle.ENTRIES
        started_at = _started_at(ledger, order) if walks else order.created_at
        wishes.append(
            lifecycle.again_at(
                order, started_at=started_at, now=now, rules=ports.desk.rules, entry=ports.entry
            )
        )
    return min((at for at in wishes if at is not None and at > now), default=None)


def _resend_exits(now: datetime, desk: Desk) -> int:
    """Send the exits again that are known not to be at the broker: that waits for no read.

    Oldest first, which is riskiest first; where one gets no request, those behind it would get none either.
    While the broker does not take our keys none is: its next answer to a read ends that.
    """
    if alarms.ACCESS_REFUSED in desk.store.ledger(desk.account).alerts:
        return 0
    due = [
        order
        for order in desk.store.ledger(desk.account).live_orders
        if not order.intent.purpose.opens
        and lifecycle.upkeep(order, now=now, rules=desk.rules) is lifecycle.Upkeep.RESEND
    ]
    sent = 0
    for order in due:
        if isinstance(post(lifecycle.approve_resend(order), desk=desk, now=now), Deferred):
            break
        sent += 1
    return sent


def _cancel_forbidden(now: datetime, desk: Desk) -> None:
    """Cancel every entry that a kill level forbids, before any read that could fail."""
    ledger = desk.store.ledger(desk.account)
    if ledger.control < ControlLevel.CANCEL_ENTRIES:
        return
    for order in ledger.live_orders:
        if not order.intent.purpose.opens:
            continue
        if order.state in (OrderState.WORKING, OrderState.ORPHAN):
            cancel(order, desk=desk, now=now, reason=f"control {ledger.control.name}")
        elif order.state is OrderState.QUARANTINED:
            request_cancel(order, desk=desk, now=now)


def _reconcile(now: datetime, ports: ExecutionPorts) -> int:
    desk = ports.desk
    since = None
    if desk.account not in ports.caught_up:
        positions = desk.store.ledger(desk.account).open_positions
        since = min((position.opened_at for position in positions), default=now)
    try:
        observed = observe(desk, now=now, since=since)
    except AccessRefused as error:
        desk.store.commit(desk.account, alarms.access(desk.store.ledger(desk.account), str(error)), at=now)
        raise
    desk.store.commit(desk.account, alarms.access(desk.store.ledger(desk.account), ""), at=now)
    ports.caught_up.add(desk.account)
    _look_up(now, desk, observed.shown)
    live = desk.store.ledger(desk.account).live_orders
    if not any(order.state in _IN_FLIGHT for order in live):
        _compare(now, ports)
    return observed.read


def _compare(now: datetime, ports: ExecutionPorts) -> None:
    """Compare quantities over both sides; each difference is stored with its cause."""
    desk = ports.desk
    positions = desk.broker.positions()
    ledger = desk.store.ledger(desk.account)
    found = reconcile.differences(ledger, positions)
    around = Surroundings()
    if found or ledger.breaks:
        refuse_doubtful(positions, desk)
        # A fill that landed between the two reads is not a difference: it is booked before it counts.
        activities = desk.broker.activities(since=now - ACTIVITY_OVERLAP)
        late = bookings(ledger, activities, closes=desk.close_on)
        ledger = desk.store.commit(desk.account, late, at=now)
        found = reconcile.differences(ledger, positions)
        around = _surroundings(found, activities, now=now, ports=ports)
    causes = causes_of(ledger, found, around, now=now)
    bodies = reconcile.breaks(ledger, found, causes, now=now, rules=desk.rules)
    desk.store.commit(desk.account, bodies, at=now)
    if not found:
        ports.agreed[desk.account] = now


def _surroundings(
    found: Mapping[str, tuple[int, int]],
    activities: Sequence[Activity],
    *,
    now: datetime,
    ports: ExecutionPorts,
) -> Surroundings:
    """Gather what the causes of differences are read from; nothing is asked where there are none."""
    if not found:
        return Surroundings()
    splits, closes, spots = {}, {}, {}
    for symbol in found:
        contract = contract_of(symbol)
        underlying = contract.underlying if contract else symbol
        for split in ports.market.splits(underlying, first=(now - ACTIVITY_OVERLAP).date(), last=now.date()):
            splits[underlying] = split
        close = ports.desk.close_on(contract.expiration) if contract else None
        if close is not None:
            closes[symbol] = close
            spot = ports.market.spot(underlying, now=close) if close <= now else None
            if spot is not None:
                spots[symbol] = spot.price
    return Surroundings(
        orders=ports.desk.broker.orders(since=now - ACTIVITY_OVERLAP),
        activities=activities,
        splits=splits,
        closes=closes,
        spots=spots,
    )


def _look_up(now: datetime, desk: Desk, shown: frozenset[str]) -> None:
    for order in desk.store.ledger(desk.account).live_orders:
        asked = order.state in _LOOKED_UP and order.id not in shown
        if not asked or _just_asked(order, now, desk):
            continue
        found = desk.broker.order(order.id)
        ledger = desk.store.ledger(desk.account)
        bodies = reconcile.observations(ledger, [found]) if found else _not_found(order, now)
        desk.store.commit(desk.account, bodies, at=now)


def _not_found(order: Order, now: datetime) -> list[e.EventBody]:
    known = order.state not in (OrderState.UNKNOWN, OrderState.ABANDONING)
    if known or lifecycle.may_be_under_way(order, now=now):
        return []
    count = order.not_found + 1
    bodies: list[e.EventBody] = [e.OrderNotFound(client_order_id=order.id, count=count)]
    target = lifecycle.after_not_found(order, count=count, now=now)
    if target is not None:
        reason = f"not found {count} times"
        bodies.append(e.OrderSettled(client_order_id=order.id, state=target.value, reason=reason))
    return bodies


def _just_asked(order: Order, now: datetime, desk: Desk) -> bool:
    return order.not_found > 0 and (now - order.updated_at).total_seconds() < desk.rules.not_found_gap_s


def _keep_up(now: datetime, ports: ExecutionPorts) -> int:
    """Carry every live order on; entries cancelled for their next limit go on at once where they can."""
    desk = ports.desk
    sent = _resend_exits(now, desk)
    cancelled = False
    for order in desk.store.ledger(desk.account).live_orders:
        match lifecycle.upkeep(order, now=now, rules=desk.rules):
            case lifecycle.Upkeep.RESEND if order.intent.purpose.opens:
                post(lifecycle.approve_resend(order), desk=desk, now=now)
                sent += 1
            case lifecycle.Upkeep.CANCEL:
                cancel(order, desk=desk, now=now, reason="expired")
            case lifecycle.Upkeep.ABANDON:
                _settle(order, OrderState.ABANDONING, "deadline passed", desk=desk, now=now)
            case lifecycle.Upkeep.NOT_PLACED:
                _settle(order, OrderState.NOT_PLACED, "quarantine over", desk=desk, now=now)
            case lifecycle.Upkeep.QUARANTINE:
                _settle(order, OrderState.QUARANTINED, FILLS_MISSING, desk=desk, now=now)
            case _:
                cancelled |= _cancel_when_due(order, ports=ports, now=now)
    if cancelled:
        observe(desk, now=now)
    return sent + _step_entries(now, ports)


def _cancel_when_due(order: Order, *, ports: ExecutionPorts, now: datetime) -> bool:
    """Cancel a working entry that must go, or whose limit is to move, and an exit beyond what is held."""
    desk = ports.desk
    ledger = desk.store.ledger(desk.account)
    reason = lifecycle.exit_objection(order, ledger)
    if order.state is not OrderState.WORKING or not (order.intent.purpose.opens or reason):
        return False
    reason = reason or lifecycle.entry_objection(order, ledger)
    if not reason and order.intent.purpose in lifecycle.ENTRIES:
        step = _ladder_step(order, order.intent, ledger, ports=ports, now=now)
        if step.cancel:
            reason = step.reason
        elif step.limit is not None and ledger.control is ControlLevel.NORMAL:
            reason = f"{lifecycle.STEP}: {step.reason}"
    if reason:
        cancel(order, desk=desk, now=now, reason=reason)
    return bool(reason)


def _ladder_step(
    order: Order, intent: OrderIntent, ledger: Ledger, *, ports: ExecutionPorts, now: datetime
) -> ladder.LimitStep:
    """Say where `intent`, the order itself or its next one, should stand now."""
    quote = _usable_quote(order, ledger, ports=ports, now=now)
    return ladder.entry_limit_step(
        intent,
        ledger.positions[order.intent.position_id].contract,
        started_at=_started_at(ledger, order),
        now=now,
        bid=quote.bid if quote else None,
        ask=quote.ask if quote else None,
        rules=ports.entry,
        fees=fee_rules_on(now.date()),
    )


def _usable_quote(
    order: Order, ledger: Ledger, *, ports: ExecutionPorts, now: datetime
) -> OptionQuote | None:
    """Give the quote an entry may be priced from; None: it stands, and no further order goes out."""
    contract = ledger.positions[order.intent.position_id].contract
    quote = ports.market.quotes([order.intent.occ], now=now).get(order.intent.occ)
    if quote is None:
        return None
    spot = ports.market.spot(contract.underlying, now=now)
    price = spot.price if spot is not None else None
    trust = trust_of(quote, contract, spot=price, now=now, rules=ports.quotes)
    return quote if is_usable(trust, ports.quotes) else None


def _step_entries(now: datetime, ports: ExecutionPorts) -> int:
    desk = ports.desk
    ledger = desk.store.ledger(desk.account)
    return sum(
        _step(order, ledger, ports=ports, now=now) for order in _stepping(ledger, now=now, entry=ports.entry)
    )


def _step(order: Order, ledger: Ledger, *, ports: ExecutionPorts, now: datetime) -> int:
    if _usable_quote(order, ledger, ports=ports, now=now) is None:
        return 0
    before = order.intent
    new_id = lifecycle.order_id(
        ledger,
        ports.desk.store.database_id,
        purpose=before.purpose,
        key=before.key,
        generation=before.generation + 1,
    )
    intent = lifecycle.next_step(order, new_id=new_id, fees=fee_rules_on(now.date()))
    step = _ladder_step(order, intent, ledger, ports=ports, now=now)
    limit: Usd4 = step.limit if step.limit is not None else intent.limit
    fit = min(intent.qty, intent.budget // (limit * intent.multiplier))
    if step.cancel or fit < 1:
        return 0
    verdict = lifecycle.approve_step(order, replace(intent, qty=fit, limit=limit))
    if isinstance(verdict, Approved):
        send(verdict, desk=ports.desk, now=now)
        return 1
    return 0


def _stepping(ledger: Ledger, *, now: datetime, entry: EntryRules) -> Sequence[Order]:
    """Give the newest order of each entry that is not complete and goes on."""
    if ledger.control is not ControlLevel.NORMAL:
        return []
    newest: dict[str, Order] = {}
    for position in ledger.open_positions:
        if position.original_qty or position.exit is not None:
            continue
        for order in ledger.orders_of(position.id):
            if order.intent.purpose in lifecycle.ENTRIES:
                newest[order.intent.key] = order
    return [
        order
        for order in newest.values()
        if lifecycle.entry_may_step(order, started_at=_started_at(ledger, order), now=now, rules=entry)
    ]


def _started_at(ledger: Ledger, order: Order) -> datetime:
    """Give when the walk of this entry began: its position's first order was accepted, or made."""
    return min(
        other.accepted_at or other.created_at
        for other in ledger.orders_of(order.intent.position_id)
        if other.intent.purpose is order.intent.purpose
    )


def _completed(now: datetime, ports: ExecutionPorts) -> list[e.EventBody]:
    ledger = ports.desk.store.ledger(ports.desk.account)
    stepping = frozenset(order.intent.key for order in _stepping(ledger, now=now, entry=ports.entry))
    return reconcile.completions(ledger, stepping=stepping)


def _settle(order: Order, state: OrderState, reason: str, *, desk: Desk, now: datetime) -> None:
    settled = e.OrderSettled(client_order_id=order.id, state=state.value, reason=reason)
    desk.store.commit(desk.account, [settled], at=now)
