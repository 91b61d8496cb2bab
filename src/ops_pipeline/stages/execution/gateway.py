"""The one door to the broker: intent, commit, send, record. Shell."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from ops_pipeline.domain.accounts import BrokerPosition, ControlLevel
from ops_pipeline.domain.alerts import AlertCleared, AlertCode, AlertRaised, Severity
from ops_pipeline.domain.breaks import ActivitiesRead
from ops_pipeline.domain.controls import FREE, Brake
from ops_pipeline.domain.errors import ForbiddenError, StoreUnavailableError
from ops_pipeline.domain.events import EventBody, OrderAnswered, OrderIntended, OrderSending, OrderSettled
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import (
    Accepted,
    Approved,
    Deferred,
    GateResult,
    Order,
    OrderIntent,
    OrderState,
    Refused,
    Rejected,
    SubmitOutcome,
    Unknown,
)
from ops_pipeline.domain.rules import ExecutionRules
from ops_pipeline.domain.units import AccountId, ClientOrderId, format_usd
from ops_pipeline.ports import (
    Broker,
    BrokerUnavailable,
    Calendar,
    Clock,
    LedgerStore,
    MarketData,
    RequestBudgetSpent,
)
from ops_pipeline.stages.execution import alarms, reconcile
from ops_pipeline.stages.execution.booking import bookings
from ops_pipeline.stages.execution.checks import LOOK_ALIKE, Door, before_send, control
from ops_pipeline.stages.execution.lifecycle import CANCEL_AGAIN, body_hash

# Lifecycle activities may be booked days late (paper books them the next day); ids make overlap harmless.
ACTIVITY_OVERLAP = timedelta(days=5)
# The broker stamps an order with its own clock.
_CLOCK_SLACK = timedelta(minutes=10)
# What the alert of a suspension is about.
_BROKER = "broker"


@dataclass(slots=True, kw_only=True)
class Requests:
    """What was lately asked of one account's broker; lives as long as the process.

    `cancels`: when each order's cancel was asked for last, and how often it was answered; `read_at`: when
    its orders were last read; `suspended`: whether the broker was told to take no order, None: that is not
    known; `unnoted`: it may have been, and no alert could be stored.
    """

    cancels: dict[ClientOrderId, tuple[datetime, int]] = field(default_factory=dict)
    read_at: datetime | None = None
    suspended: bool | None = None
    unnoted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One account's way to its broker; `brake` gives the level that stands outside the database.

    `market` gives the quotes that an order which opens is checked against, `stream` why the broker's
    updates cannot be relied on ("": they can, or it is polled alone). `clock` tells how late it is when an
    order leaves, where a cycle takes its time; without one a cycle takes none. `requests` is shared by the
    account's desks.
    """

    account: AccountId
    store: LedgerStore
    broker: Broker
    rules: ExecutionRules
    market: MarketData
    calendar: Calendar
    brake: Callable[[], Brake] = lambda: FREE
    stream: Callable[[datetime], str] = lambda _: ""
    clock: Clock | None = None
    requests: Requests = field(default_factory=Requests)

    def present(self, now: datetime) -> datetime:
        """Give how late it is in a cycle that began at `now`."""
        return max(now, self.clock.now()) if self.clock is not None else now

    def close_on(self, day: date) -> datetime | None:
        """Give the end of a day's session; None on a day without one."""
        session = self.calendar.session_on(day)
        return session.close_at if session else None


@dataclass(frozen=True, slots=True)
class Observed:
    """What a look at the broker brought: activities read and our orders seen."""

    read: int
    shown: frozenset[str]


def send(
    approved: Approved, *, desk: Desk, now: datetime, with_bodies: Sequence[EventBody] = ()
) -> SubmitOutcome | Refused:
    """Store the intent (with what caused it), then send it once; the outcome is stored before it is given.

    A check that fails after the intent was stored leaves it NOT_PLACED and gives the refusal.
    """
    intent = approved.intent
    desk.store.commit(desk.account, [*with_bodies, OrderIntended(intent=intent)], at=now)
    return post(approved, desk=desk, now=now)


def post(approved: Approved, *, desk: Desk, now: datetime) -> SubmitOutcome | Refused:
    """Send an order whose intent stands in the ledger; a resend carries the same id and body."""
    intent, now = approved.intent, desk.present(now)
    ledger = desk.store.ledger(desk.account)
    checks = _checked(intent, ledger, desk=desk, now=now)
    failed = [check for check in checks if not check.passed]
    if failed:
        if failed[0].name == LOOK_ALIKE:
            desk.store.commit(desk.account, alarms.duplicate(ledger, intent, now=now), at=now)
        return _refuse(approved, checks, failed[0], desk=desk, now=now)
    sending = OrderSending(
        client_order_id=intent.client_order_id,
        epoch=desk.store.epoch(desk.account),
        attempt=ledger.orders[intent.client_order_id].attempt + 1,
        body_hash=body_hash(intent),
        checks=checks,
    )
    try:
        desk.store.commit(desk.account, [sending], at=now)
    except ForbiddenError:
        risen = control(intent, desk.store.ledger(desk.account), desk.brake())
        return _refuse(approved, checks, risen, desk=desk, now=now)
    outcome = _through_the_door(replace(approved, gates=approved.gates + checks), desk=desk, now=now)
    desk.store.commit(desk.account, [answered(intent.client_order_id, outcome)], at=now)
    return outcome


def cancel(order: Order, *, desk: Desk, now: datetime, reason: str) -> bool:
    """Ask the broker to cancel; the order stays live until the broker says otherwise.

    True where it was asked. A request that got lost is made again by the order's upkeep, and one that was
    just made is not repeated. An order that has ended there needs none.
    """
    if order.state in (OrderState.WORKING, OrderState.ORPHAN) and not order.has_ended:
        settled = OrderSettled(client_order_id=order.id, state=OrderState.CANCELING.value, reason=reason)
        desk.store.commit(desk.account, [settled], at=now)
    elif order.state is not OrderState.CANCELING:
        return False
    return request_cancel(order, desk=desk, now=now)


def request_cancel(order: Order, *, desk: Desk, now: datetime) -> bool:
    """Ask the broker alone, ever less often; True where it was asked.

    The order's state stays what it is, as it must where a person is to settle it. Cancels that hang leave
    requests to the others: what was not asked for want of a request is asked as soon as there is one.
    """
    asked = desk.requests.cancels.get(order.id)
    just_asked = asked is not None and timedelta(0) <= now - asked[0] < _asks_again_after(*asked, desk)
    if order.broker_order_id is None or order.has_ended or just_asked:
        return False
    times = asked[1] + 1 if asked is not None else 1
    try:
        desk.broker.cancel(order.broker_order_id)
    except RequestBudgetSpent:
        return False
    except BrokerUnavailable:
        times = 0  # a broker that is away is no cancel that hangs
    orders = desk.store.ledger(desk.account).orders
    still = {id_: asked for id_, asked in desk.requests.cancels.items() if orders[id_].is_live}
    desk.requests.cancels = still | {order.id: (now, times)}
    return True


def _asks_again_after(asked_at: datetime, times: int, desk: Desk) -> timedelta:
    """Give how long a cancel is not repeated; what it did is seen first, while the broker can be read."""
    read_at = desk.requests.read_at
    if times and (read_at is None or read_at < asked_at):
        return CANCEL_AGAIN[-1]
    return CANCEL_AGAIN[min(max(1, times), len(CANCEL_AGAIN)) - 1]


def keep_suspended(desk: Desk, *, now: datetime) -> None:
    """Have the broker itself take no order at HARD_STOP, and take them again below it (RELIABILITY 5.3).

    The alert is stored first and cleared last, so that no suspension is forgotten; a request that failed
    is made again next time, and one that is not known to have been made once more after a start.
    """
    ledger = desk.store.ledger(desk.account)
    stands = (AlertCode.TRADING_SUSPENDED, _BROKER) in ledger.alerts
    wanted = max(ledger.control, desk.brake().level) is ControlLevel.HARD_STOP
    if wanted and not stands:
        raised = AlertRaised(
            code=AlertCode.TRADING_SUSPENDED,
            key=_BROKER,
            severity=Severity.PAGE,
            detail="HARD_STOP: the broker itself takes no order of this account",
        )
        desk.requests.unnoted = True
        with suppress(StoreUnavailableError):  # a database that is away keeps no broker from being stopped
            desk.store.commit(desk.account, [raised], at=now)
            desk.requests.unnoted = False
    if not (wanted or stands or desk.requests.unnoted) or (wanted and desk.requests.suspended):
        return
    desk.requests.suspended = None  # a request that fails may have arrived
    with suppress(BrokerUnavailable):
        desk.broker.suspend(on=wanted)
        desk.requests.suspended = wanted
        if not wanted:
            desk.requests.unnoted = False
            cleared = [AlertCleared(code=AlertCode.TRADING_SUSPENDED, key=_BROKER)] if stands else []
            desk.store.commit(desk.account, cleared, at=now)


def give_up(order: Order, *, desk: Desk, now: datetime, reason: str) -> None:
    """End an order that is not under way; one that was sent before is still looked for."""
    state = OrderState.NOT_PLACED if order.attempt == 0 else OrderState.ABANDONING
    settled = OrderSettled(client_order_id=order.id, state=state.value, reason=reason)
    desk.store.commit(desk.account, [settled], at=now)


def observe(desk: Desk, *, now: datetime, since: datetime | None = None) -> Observed:
    """Book what happened and take over what the broker shows of our orders, in one commit.

    Activities are read from some days before those already booked: they may be told late. The last
    minutes' orders are asked for whatever is watched, for another instance may have placed some. `since`,
    at a start, reaches back beyond that, and a day for orders. Raises BrokerUnavailable where a read fails;
    then nothing is stored.
    """
    ledger = desk.store.ledger(desk.account)
    watched = reconcile.watched(ledger, now=now)
    first = min([_booked_until(ledger, now), *(order.created_at for order in watched)])
    activities = desk.broker.activities(since=min(first, since or first))
    oldest = min((order.created_at for order in watched), default=now)
    if since is not None:
        oldest = min(oldest, now - alarms.FOREIGN_WITHIN)
    shown = desk.broker.orders(since=oldest - _CLOCK_SLACK)
    desk.requests.read_at = now
    # Fills first: they outrank what an order says of itself.
    booked = bookings(ledger, activities, closes=desk.close_on)
    foreign = alarms.foreign_instance(ledger, shown, database_id=desk.store.database_id, now=now)
    bodies = [*booked, *reconcile.observations(ledger, shown), *foreign, *_read_through(ledger, now)]
    desk.store.commit(desk.account, bodies, at=now)
    return Observed(read=len(activities), shown=frozenset(order.client_order_id for order in shown))


def holdings(desk: Desk) -> Sequence[BrokerPosition]:
    """Read the broker's positions; an empty list is believed only of an account that is worth its cash.

    Raises BrokerUnavailable where the two contradict each other (RELIABILITY E12).
    """
    rows = desk.broker.positions()
    if not rows and desk.store.ledger(desk.account).held():
        refuse_doubtful(rows, desk)
    return rows


def refuse_doubtful(rows: Sequence[BrokerPosition], desk: Desk) -> None:
    """Raise BrokerUnavailable for an answer of another account, or an empty one its own equity belies."""
    account, expected = desk.broker.account(), desk.store.ledger(desk.account).number
    if account.number != expected:
        raise BrokerUnavailable(f"positions: expected account {expected}, was {account.number}")
    if not rows and account.equity != account.cash:
        worth = format_usd(account.equity - account.cash)
        raise BrokerUnavailable(f"positions: expected contracts worth {worth}, was an empty list")


def _booked_until(ledger: Ledger, now: datetime) -> datetime:
    return (ledger.read_through or now) - ACTIVITY_OVERLAP


def _read_through(ledger: Ledger, now: datetime) -> list[EventBody]:
    """Move the mark up to which activities are booked, once a day, in the commit that books them."""
    known = ledger.read_through
    return [ActivitiesRead(through=now)] if known is None or known.date() < now.date() else []


def answered(client_order_id: str, outcome: SubmitOutcome) -> OrderAnswered:
    """Give the event that records the outcome of a POST."""
    match outcome:
        case Accepted(order=order):
            return OrderAnswered(
                client_order_id=order.client_order_id,
                outcome="accepted",
                broker_order_id=order.broker_order_id,
                status=order.status,
                cum=order.cum,
            )
        case Rejected(code=code, message=message):
            return OrderAnswered(
                client_order_id=client_order_id,  # type: ignore[arg-type] # the intent's own id
                outcome="rejected",
                detail=f"{code}: {message}",
            )
        case Deferred(not_before=not_before, why=why):
            return OrderAnswered(
                client_order_id=client_order_id,  # type: ignore[arg-type] # the intent's own id
                outcome="deferred",
                not_before=not_before,
                detail=why,
            )
        case Unknown(why=why):
            return OrderAnswered(
                client_order_id=client_order_id,  # type: ignore[arg-type] # the intent's own id
                outcome="unknown",
                detail=why,
            )


def _checked(intent: OrderIntent, ledger: Ledger, *, desk: Desk, now: datetime) -> tuple[GateResult, ...]:
    legs = [leg.occ for leg in intent.legs] if intent.purpose.opens else []
    door = Door(
        database_id=desk.store.database_id,
        epoch=desk.store.epoch(desk.account),
        brake=desk.brake(),
        quotes=desk.market.quotes(legs, now=now) if legs else {},
        stream=desk.stream(now),
    )
    return before_send(intent, ledger=ledger, now=now, rules=desk.rules, door=door)


def _through_the_door(approved: Approved, *, desk: Desk, now: datetime) -> SubmitOutcome:
    """Hand the order to the broker, unless the level rose since SENDING was stored: then nothing is sent."""
    level = control(approved.intent, desk.store.ledger(desk.account), desk.brake())
    if not level.passed:
        return Deferred(not_before=now, why=f"control {level.observed}")
    return desk.broker.submit(approved)


def _refuse(
    approved: Approved, checks: tuple[GateResult, ...], failed: GateResult, *, desk: Desk, now: datetime
) -> Refused:
    """End an order that may not be sent; one that was sent before is given up, but still looked for."""
    order = desk.store.ledger(desk.account).orders[approved.intent.client_order_id]
    give_up(order, desk=desk, now=now, reason=f"{failed.name}: {failed.observed}, expected {failed.limit}")
    return Refused(reason=failed.name, gates=approved.gates + checks)
