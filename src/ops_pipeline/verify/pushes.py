"""A broker's stream of order updates with everything that can go wrong on it. Shell."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import BrokerOrder, BrokerStatus, OrderUpdate
from ops_pipeline.domain.units import ClientOrderId
from ops_pipeline.verify.kinds import Kind
from ops_pipeline.verify.oracle import Oracle
from ops_pipeline.verify.schedules import Schedule

# An update is at most so late, or late enough for the next one to overtake it; a connection that closed is
# made again after a while.
_LATE_S = (1, 4)
_OVERTAKEN_S = 8
_AWAY_S = (1, 60)
_DIALS_FOR = timedelta(seconds=1)
# RELIABILITY E4, written down a second time.
_SILENT = timedelta(seconds=30)
_OWED = timedelta(seconds=10)
_LOOKS_EVERY = timedelta(seconds=1)

_Told = tuple[int, bool]


class PushedUpdates:
    """Implements `ports.OrderStream` over an oracle; `fired` counts what went wrong, by kind."""

    def __init__(self, oracle: Oracle, schedule: Schedule, now: Callable[[], datetime]) -> None:
        """Begin without a connection."""
        self.fired: Counter[Kind] = Counter()
        self._oracle = oracle
        self._schedule = schedule
        self._now = now
        self._seen: dict[str, BrokerOrder] = {}
        self._under_way: list[tuple[datetime, OrderUpdate]] = []
        self._told: dict[ClientOrderId, _Told] = {}
        self._since: datetime | None = None
        self._dials_until: datetime | None = None
        self._mute = False
        self._silent_since: datetime | None = None

    def dial(self) -> None:
        """Connect at once, as a process does that starts."""
        self._hang_up()
        self._connect(self._now())

    def drain(self) -> Sequence[OrderUpdate]:
        """Give what has arrived by now, faults and all."""
        self._collect()
        now = self._now()
        due = [update for at, update in self._under_way if at <= now]
        self._under_way = [pair for pair in self._under_way if pair[0] > now]
        for update in due:
            cum, ended = self._told.get(update.client_order_id, (0, False))
            self._told[update.client_order_id] = (
                max(cum, update.cum),
                ended or update.status.is_terminal,
            )
        return due

    @property
    def heard_at(self) -> datetime | None:
        """Give now while its heart beats; since when it does not; None without a connection."""
        self._collect()
        if self._since is None:
            return None
        return self._silent_since or self._now()

    def reconnect(self, why: str) -> None:
        """Dial anew."""
        del why
        self._hang_up()
        self._dials_until = self._now() + _DIALS_FOR

    def next_arrival(self, now: datetime) -> datetime | None:
        """Give when something arrives next: while orders live the broker is looked at every second."""
        arrivals = [at for at, _ in self._under_way]
        arrivals += [self._dials_until] if self._dials_until is not None else []
        arrivals += [now + _LOOKS_EVERY] if self._since is not None and self._oracle.book.live() else []
        return min((at for at in arrivals if at > now), default=None)

    def objection(self, ledger: Ledger, now: datetime) -> str:
        """Tell why nothing may be opened now, by the state of the connection and what was read; else ""."""
        if self._since is None:
            return "without a stream"
        if self._silent_since is not None and now - self._silent_since > _SILENT:
            return f"on a stream silent since {self._silent_since:%H:%M:%S}"
        for order in ledger.orders.values():
            read = (order.cum, order.broker_status is not None and order.broker_status.is_terminal)
            told = self._told.get(order.id)
            read_at = max(order.updated_at, self._since)
            if order.broker_order_id and now - read_at > _OWED and (told is None or read > told):
                return f"on a stream that owes {order.id} since {read_at:%H:%M:%S}"
        return ""

    def _hang_up(self) -> None:
        self._since = self._dials_until = self._silent_since = None
        self._under_way.clear()
        self._mute = False

    def _connect(self, now: datetime) -> None:
        """Begin anew: what the orders are now was read, not told."""
        self._since = now
        self._seen = dict(self._oracle.book.orders)
        self._told = {
            order.client_order_id: (order.cum, order.status.is_terminal) for order in self._seen.values()
        }

    def _collect(self) -> None:
        now = self._oracle.advance()
        if self._dials_until is not None and now >= self._dials_until:
            self._hang_up()
            self._connect(now)
        for id_, order in list(self._oracle.book.orders.items()):
            before = self._seen.get(id_)
            if self._since is None or (before is not None and before == order):
                continue
            self._seen[id_] = order
            self._push(order, now)

    def _push(self, order: BrokerOrder, now: datetime) -> None:
        kind = self._schedule.draw("push", now)
        if kind is not None:
            self.fired[kind] += 1
        if kind is Kind.STREAM_CLOSED:
            self._hang_up()
            self._dials_until = now + timedelta(seconds=self._schedule.between(*_AWAY_S))
            return
        self._mute |= kind in (Kind.MUTE_SOCKET, Kind.SILENT_SOCKET)
        if kind is Kind.SILENT_SOCKET:
            self._silent_since = self._silent_since or now
        if self._mute or kind is Kind.UPDATE_LOST:
            return
        update = OrderUpdate(
            client_order_id=order.client_order_id,
            broker_order_id=order.broker_order_id,
            event=_event(order),
            status=order.status,
            cum=order.cum,
            at=now,
        )
        late_s = self._schedule.between(*_LATE_S) if kind is Kind.UPDATE_LATE else 0
        late = timedelta(seconds=_OVERTAKEN_S if kind is Kind.UPDATES_REORDERED else late_s)
        self._under_way += [(now + late, update)] * (2 if kind is Kind.UPDATE_DOUBLED else 1)


def _event(order: BrokerOrder) -> str:
    words = {BrokerStatus.FILLED: "fill", BrokerStatus.PARTIALLY_FILLED: "partial_fill"}
    return words.get(order.status, order.status.value)
