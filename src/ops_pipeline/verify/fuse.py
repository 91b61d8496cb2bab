"""A process that dies before or after its n-th effect: each commit and each order call. Shell."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast

from ops_pipeline.domain.events import EventBody
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import Approved, SubmitOutcome
from ops_pipeline.domain.units import AccountId
from ops_pipeline.ports import Broker, Store

Value = TypeVar("Value")
# Every write of the store besides its ledger's commit.
_WRITES = (
    "add_marks",
    "add_snapshots",
    "add_job_runs",
    "put_verdicts",
)


class Crash(BaseException):
    """The process is gone; nothing may catch it."""


class Fuse:
    """Burns at points given by number, counted from 1 over the whole life of the laboratory.

    Each commit and each order call has a point before it and one after it. Without points it counts.
    """

    def __init__(self, *burns_at: int) -> None:
        """Burn at these points; a later one is counted through the recovery from an earlier one."""
        self._burns_at = frozenset(burns_at)
        self.points = 0
        self.burnt: list[tuple[int, str]] = []
        self.armed = True

    def point(self, what: str) -> None:
        """Pass a point; raise Crash where the process is to die."""
        if not self.armed:
            return
        self.points += 1
        if self.points in self._burns_at:
            self.burnt.append((self.points, what))
            raise Crash(what)

    def around(self, what: str, call: Callable[[], Value]) -> Value:
        """Call with a point before and one after."""
        self.point(f"before {what}")
        result = call()
        self.point(f"after {what}")
        return result


class FusedStore:
    """A store whose every write the fuse stands around; all else is the store's own."""

    def __init__(self, store: Store, fuse: Fuse) -> None:
        """Guard `store`."""
        self._store = store
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._store, name)
        if name not in _WRITES:
            return value

        def guarded(rows: Sequence[Any], **named: Any) -> Any:
            return self._fuse.around(name, lambda: value(rows, **named)) if rows else value(rows, **named)

        setattr(self, name, guarded)  # found without coming here from then on
        return guarded

    def ledger(self, account: AccountId) -> Ledger:
        """Give the account's fold."""
        return self._store.ledger(account)

    def commit(self, account: AccountId, bodies: Sequence[EventBody], *, at: datetime) -> Ledger:
        """Commit between two points; nothing is written for no bodies, so there is nothing to die around."""
        if not bodies:
            return self._store.commit(account, bodies, at=at)
        what = f"commit {type(bodies[-1]).__name__}"
        return self._fuse.around(what, lambda: self._store.commit(account, bodies, at=at))


class FusedBroker:
    """A broker whose order calls the fuse stands around."""

    def __init__(self, broker: Broker, fuse: Fuse) -> None:
        """Guard `broker`."""
        self._broker = broker
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._broker, name)
        setattr(self, name, value)
        return value

    def submit(self, order: Approved) -> SubmitOutcome:
        """Send between two points."""
        return self._fuse.around(f"submit {order.intent.purpose.value}", lambda: self._broker.submit(order))

    def cancel(self, broker_order_id: str) -> None:
        """Cancel between two points."""
        self._fuse.around("cancel", lambda: self._broker.cancel(broker_order_id))


def fused_store(store: Store, fuse: Fuse) -> Store:
    """Give the guarded store as the port it is."""
    return cast("Store", FusedStore(store, fuse))


def fused_broker(broker: Broker, fuse: Fuse) -> Broker:
    """Give the guarded broker as the port it is."""
    return cast("Broker", FusedBroker(broker, fuse))
