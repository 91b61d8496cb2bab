"""The way to the brokers with everything that can go wrong on it, by script or by seed. Shell."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops_pipeline.domain.accounts import BrokerAccount, BrokerPosition
from ops_pipeline.domain.orders import (
    Activity,
    Approved,
    BrokerOrder,
    BrokerStatus,
    Deferred,
    Rejected,
    Side,
    SubmitOutcome,
    Unknown,
)
from ops_pipeline.domain.units import AccountId, ClientOrderId
from ops_pipeline.ports import Broker, BrokerUnavailable
from ops_pipeline.verify.kinds import Kind
from ops_pipeline.verify.oracle import Oracle
from ops_pipeline.verify.schedules import Schedule
from ops_pipeline.verify.terms import LabAccount

# The broker takes the order, but the answer is lost on the way, or says something else.
_TAKEN_UNSEEN = {
    Kind.LOST_RESPONSE: "timeout",
    Kind.GATEWAY_TIMEOUT: "504",
    Kind.UNPARSABLE: "200, not an order",
    Kind.DUPLICATE_ID: "422 client_order_id must be unique",
}
_NOT_TAKEN = {Kind.LOST_REQUEST: "timeout", Kind.SERVER_ERROR: "503"}
# A late request arrives after 5 to 25 s, a very late one after the quarantine; a list is up to 10 s behind,
# a fill is shown up to 3 s late.
_LATE_S = (5, 25)
_VERY_LATE_S = (150, 240)
_SKEW_S = (1, 10)
_FILL_LAG_S = 3
# For so long no activity newer than now is shown: less, or more, than an ended order waits for its fills.
_WITHHELD_S = (10, 90)
_MISSING_S = (150, 240)
_RESET_S = (1, 15)
_KEPT_S = 15


@dataclass(frozen=True, slots=True)
class _Seen:
    """The broker's lists as they were at an instant."""

    at: datetime
    orders: Mapping[str, BrokerOrder]
    positions: tuple[BrokerPosition, ...]


class FaultyBroker:
    """Implements `ports.Broker` over an oracle; `fired` counts what went wrong, by kind.

    `withheld`: the spans in which no newer activity was shown.
    """

    def __init__(self, oracle: Oracle, schedule: Schedule, fired: Counter[Kind]) -> None:
        """Begin with nothing under way."""
        self._oracle = oracle
        self._schedule = schedule
        self._fired = fired
        self._under_way: list[tuple[datetime, Approved]] = []
        self._seen: deque[_Seen] = deque()
        self._parted: set[str] = set()
        self._hidden: tuple[datetime, datetime] | None = None
        self.withheld: list[tuple[datetime, datetime]] = []

    def deliver(self, now: datetime) -> None:
        """Let late requests arrive, and remember what the lists show."""
        due = [pair for pair in self._under_way if pair[0] <= now]
        self._under_way = [pair for pair in self._under_way if pair[0] > now]
        for _, order in due:
            self._oracle.submit(order)
        self._remember(now)

    def next_arrival(self, now: datetime) -> datetime | None:
        """Give when the next late request arrives."""
        return min((when for when, _ in self._under_way if when > now), default=None)

    def account(self) -> BrokerAccount:
        self._reading("account")
        return self._oracle.account()

    def positions(self) -> Sequence[BrokerPosition]:
        kind = self._reading("positions")
        rows = self._oracle.positions()
        if kind is Kind.EMPTY_LIST:
            return ()
        return rows if kind is None else self._behind().positions

    def submit(self, order: Approved) -> SubmitOutcome:
        now = self._oracle.advance()
        kind = self._schedule.draw("submit", now)
        sells = order.intent.side is Side.SELL_TO_CLOSE
        if kind is None or (kind is Kind.INSUFFICIENT and not sells):
            return self._taken(order)
        self._fired[kind] += 1
        match kind:
            case Kind.LATE_REQUEST | Kind.VERY_LATE_REQUEST:
                span = _LATE_S if kind is Kind.LATE_REQUEST else _VERY_LATE_S
                late = timedelta(seconds=self._schedule.between(*span))
                self._under_way.append((now + late, order))
                return Unknown("timeout")
            case Kind.RATE_LIMITED:
                return Deferred(now + timedelta(seconds=self._schedule.between(*_RESET_S)), "429")
            case Kind.REJECTED:
                return Rejected("42210000", "rejected by a fault")
            case Kind.INSUFFICIENT:
                return Rejected("40310000", "insufficient qty available: 0")
            case Kind.REJECTED_YET_TAKEN:
                self._taken(order)
                return Rejected("40310000", "rejected by a fault")
            case Kind.STUCK:
                self._oracle.stuck.add(order.intent.client_order_id)
                return self._taken(order)
            case _ if kind in _TAKEN_UNSEEN:
                self._taken(order)
                return Unknown(_TAKEN_UNSEEN[kind])
            case _:
                return Unknown(_NOT_TAKEN[kind])

    def cancel(self, broker_order_id: str) -> None:
        now = self._oracle.advance()
        kind = self._schedule.draw("cancel", now)
        if kind is not None:
            self._fired[kind] += 1
        if kind is Kind.CANCEL_LOST:
            return
        if kind is Kind.FILL_DURING_CANCEL:
            self._oracle.fill_at_its_limit(broker_order_id)
        if kind is not Kind.CANCEL_FAILED or self._schedule.between(0, 1):
            self._oracle.cancel(broker_order_id)
        if kind is Kind.CANCEL_FAILED:
            raise BrokerUnavailable("cancel: expected an answer, was a timeout")

    def suspend(self, *, on: bool) -> None:
        self._reading("suspend")
        self._oracle.suspend(on=on)

    def order(self, client_order_id: ClientOrderId) -> BrokerOrder | None:
        kind = self._reading("order")
        found = self._oracle.order(client_order_id)
        if kind is None or found is None:
            return found
        return self._behind().orders.get(found.broker_order_id)

    def orders(self, *, since: datetime) -> Sequence[BrokerOrder]:
        kind = self._reading("orders")
        if kind is Kind.EMPTY_LIST:
            return ()
        if kind is None:
            return self._oracle.orders(since=since)
        return [order for order in self._behind().orders.values() if order.submitted_at >= since]

    def activities(self, *, since: datetime) -> Sequence[Activity]:
        kind = self._reading("activities")
        now = self._oracle.advance()
        if self._hidden is not None and now >= self._hidden[1]:
            self._hidden = None
        if kind in (Kind.WITHHELD_FILLS, Kind.MISSING_FILLS) and self._hidden is None:
            span = _WITHHELD_S if kind is Kind.WITHHELD_FILLS else _MISSING_S
            self._hidden = (now, now + timedelta(seconds=self._schedule.between(*span)))
            self.withheld.append(self._hidden)
        rows = list(self._oracle.activities(since=since))
        if self._hidden is not None:
            rows = [row for row in rows if row.at < self._hidden[0]]
        match kind:
            case Kind.EMPTY_LIST:
                return ()
            case Kind.LATE_FILL:
                newest = self._oracle.advance() - timedelta(seconds=self._schedule.between(1, _FILL_LAG_S))
                return [row for row in rows if row.at <= newest]
            case Kind.DUPLICATED_FILL:
                return [row for row in rows for _ in range(2)]
            case Kind.REORDERED_FILLS:
                return rows[::-1]
            case _:
                return rows

    def _reading(self, call: str) -> Kind | None:
        now = self._oracle.advance()
        self._remember(now)
        kind = self._schedule.draw(call, now)
        if kind is not None:
            self._fired[kind] += 1
        if kind is Kind.READ_FAILED:
            raise BrokerUnavailable(f"{call}: expected an answer, was a timeout")
        return kind

    def _taken(self, order: Approved) -> SubmitOutcome:
        outcome = self._oracle.submit(order)
        self._remember(self._oracle.advance())
        return outcome

    def _remember(self, now: datetime) -> None:
        book = self._oracle.book
        for order in book.live():
            if order.status is BrokerStatus.PARTIALLY_FILLED and order.broker_order_id not in self._parted:
                self._parted.add(order.broker_order_id)
                self._fired[Kind.PARTIAL_FILL] += 1
        positions = tuple(self._oracle.positions())
        self._seen.append(_Seen(now, dict(book.orders), positions))
        while len(self._seen) > 1 and (now - self._seen[1].at).total_seconds() > _KEPT_S:
            self._seen.popleft()

    def _behind(self) -> _Seen:
        """Give the lists as they were some seconds ago."""
        then = self._oracle.advance() - timedelta(seconds=self._schedule.between(*_SKEW_S))
        older = [seen for seen in self._seen if seen.at <= then]
        return older[-1] if older else self._seen[0]


class FaultyNetwork:
    """A network whose every account suffers its own schedule."""

    def __init__(self, schedules: Mapping[str, Schedule]) -> None:
        """Take a schedule by account."""
        self._schedules = schedules
        self._brokers: dict[AccountId, FaultyBroker] = {}
        self.fired: Counter[Kind] = Counter()

    def connect(self, account: LabAccount, oracle: Oracle) -> Broker:
        """Give the account's broker behind its faults."""
        broker = FaultyBroker(oracle, self._schedules[account.id], self.fired)
        self._brokers[account.id] = broker
        return broker

    def withheld(self, account: AccountId) -> Sequence[tuple[datetime, datetime]]:
        """Give the spans in which an account's broker showed no newer activity."""
        return self._brokers[account].withheld

    def deliver(self, now: datetime) -> None:
        """Let what was under way arrive."""
        for broker in self._brokers.values():
            broker.deliver(now)

    def next_arrival(self, now: datetime) -> datetime | None:
        """Give when something arrives next."""
        arrivals = [broker.next_arrival(now) for broker in self._brokers.values()]
        return min((when for when in arrivals if when is not None), default=None)
