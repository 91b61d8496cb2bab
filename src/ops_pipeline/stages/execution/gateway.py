"""The one door to the broker: intent, commit, send, record. Shell."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.alerts import AlertCleared, AlertCode, AlertRaised, Severity
from ops_pipeline.domain.controls import FREE, Brake
from ops_pipeline.domain.errors import ForbiddenError, StoreUnavailableError
from ops_pipeline.domain.events import EventBody, OrderAnswered, OrderIntended, OrderSending, OrderSettled
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.order_fold import start_order
from ops_pipeline.domain.orders import (
    Accepted,
    Approved,
    Deferred,
    GateResult,
    Order,
    OrderState,
    Refused,
    Rejected,
    SubmitOutcome,
    Unknown,
)
from ops_pipeline.domain.rules import ExecutionRules
from ops_pipeline.domain.units import AccountId, ClientOrderId
from ops_pipeline.ports import (
    Broker,
    BrokerUnavailable,
    Calendar,
    Clock,
    LedgerStore,
    MarketData,
    RequestBudgetSpent,
)
from ops_pipeline.stages.execution import alarms
from ops_pipeline.stages.execution.checks import LOOK_ALIKE, Door, before_send, control
from ops_pipeline.stages.execution.lifecycle import CANCEL_AGAIN, body_hash

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


def send(
    approved: Approved, *, desk: Desk, now: datetime, with_bodies: Sequence[EventBody] = ()
) -> SubmitOutcome | Refused:
    """Store the intent (with what caused it), then send it once; the outcome is stored before it is given.

    A check that fails leaves the intent NOT_PLACED and gives the refusal. An exit's intent is stored in one
    commit with its sending: on its way out nothing waits for a second flush of the disk.
    """
    intended = OrderIntended(intent=approved.intent)
    if not approved.intent.purpose.opens:
        return _post(start_order(intended, now), [*with_bodies, intended], approved, desk=desk, now=now)
    desk.store.commit(desk.account, [*with_bodies, intended], at=now)
    return post(approved, desk=desk, now=now)


def post(approved: Approved, *, desk: Desk, now: datetime) -> SubmitOutcome | Refused:
    """Send an order whose intent stands in the ledger; a resend carries the same id and body."""
    order = desk.store.ledger(desk.account).orders[approved.intent.client_order_id]
    return _post(order, [], approved, desk=desk, now=now)


def _post(
    order: Order, unstored: Sequence[EventBody], approved: Approved, *, desk: Desk, now: datetime
) -> SubmitOutcome | Refused:
    """Check, store `unstored` with the sending or the refusal, send, store the outcome."""
    intent, now = approved.intent, desk.present(now)
    ledger = desk.store.ledger(desk.account)
    checks = _checked(order, ledger, desk=desk, now=now)
    failed = [check for check in checks if not check.passed]
    if failed:
        alarm = alarms.duplicate(ledger, intent, now=now) if failed[0].name == LOOK_ALIKE else []
        desk.store.commit(desk.account, [*unstored, *alarm, _refusal(order, failed[0])], at=now)
        return Refused(reason=failed[0].name, gates=approved.gates + checks)
    sending = OrderSending(
        client_order_id=intent.client_order_id,
        epoch=desk.store.epoch(desk.account),
        attempt=order.attempt + 1,
        body_hash=body_hash(intent),
        checks=checks,
    )
    try:
        desk.store.commit(desk.account, [*unstored, sending], at=now)
    except ForbiddenError:
        risen = control(intent, desk.store.ledger(desk.account), desk.brake())
        desk.store.commit(desk.account, [*unstored, _refusal(order, risen)], at=now)
        return Refused(reason=risen.name, gates=approved.gates + checks)
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
    desk.store.commit(desk.account, [_given_up(order, reason)], at=now)


def _given_up(order: Order, reason: str) -> OrderSettled:
    state = OrderState.NOT_PLACED if order.attempt == 0 else OrderState.ABANDONING
    return OrderSettled(client_order_id=order.id, state=state.value, reason=reason)


def _refusal(order: Order, failed: GateResult) -> OrderSettled:
    """End an order that may not be sent; one that was sent before is given up, but still looked for."""
    return _given_up(order, f"{failed.name}: {failed.observed}, expected {failed.limit}")


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


def _checked(order: Order, ledger: Ledger, *, desk: Desk, now: datetime) -> tuple[GateResult, ...]:
    legs = [leg.occ for leg in order.intent.legs] if order.intent.purpose.opens else []
    door = Door(
        database_id=desk.store.database_id,
        epoch=desk.store.epoch(desk.account),
        brake=desk.brake(),
        quotes=desk.market.quotes(legs, now=now) if legs else {},
        stream=desk.stream(now),
    )
    return before_send(order, ledger=ledger, now=now, rules=desk.rules, door=door)


def _through_the_door(approved: Approved, *, desk: Desk, now: datetime) -> SubmitOutcome:
    """Hand the order to the broker; not where the level rose since SENDING was stored, or without access."""
    ledger = desk.store.ledger(desk.account)
    level = control(approved.intent, ledger, desk.brake())
    if not level.passed:
        return Deferred(not_before=now, why=f"control {level.observed}")
    if alarms.ACCESS_REFUSED in ledger.alerts:
        return Deferred(not_before=now, why="the broker does not take our keys")
    return desk.broker.submit(approved)
