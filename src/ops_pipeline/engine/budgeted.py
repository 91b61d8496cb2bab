"""A broker whose requests are counted, so that a scan can never take the request an exit needs. Shell."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ops_pipeline.domain.accounts import BrokerAccount, BrokerPosition
from ops_pipeline.domain.orders import Activity, Approved, BrokerOrder, Deferred, Rejected, SubmitOutcome
from ops_pipeline.domain.rules import RateRules
from ops_pipeline.domain.units import ClientOrderId
from ops_pipeline.ports import Broker, Clock, RequestBudgetSpent
from ops_pipeline.stages.execution.rate_budget import (
    Bucket,
    Use,
    emptied,
    full,
    ready_at,
    retry_at,
    spent,
)

# Exits that go out together ask for the same positions; a list this young is not read again for the next.
_YOUNG = timedelta(seconds=1)


class RateBudget:
    """One account's requests of the last minute, shared by everything that speaks to its broker.

    `shown`: the newest list of its positions and when it was read, whoever asked; None: read it anew.
    """

    def __init__(self, rules: RateRules, clock: Clock) -> None:
        """Begin with a full bucket."""
        self._rules = rules
        self._clock = clock
        self._bucket: Bucket = full(clock.now(), rules)
        self.refused = 0
        self.shown: tuple[datetime, Sequence[BrokerPosition]] | None = None

    def take(self, use: Use) -> datetime | None:
        """Take one request; where none is left for `use`, give when to try again."""
        now = self._clock.now()
        left = spent(self._bucket, use, now, self._rules)
        if left is None:
            self.refused += 1
            return ready_at(self._bucket, use, now, self._rules)
        self._bucket = left
        return None

    def now(self) -> datetime:
        """Give the instant."""
        return self._clock.now()

    def retry_at(self, use: Use) -> datetime:
        """Give when a send for `use` that was refused is worth another try."""
        return retry_at(self._bucket, use, self._clock.now(), self._rules)

    def exhausted(self, until: datetime) -> None:
        """Note that the broker refused for the rate and until when."""
        self._bucket = emptied(self._bucket, until)


class BudgetedBroker:
    """Implements `ports.Broker` for one use; a request without budget is never sent.

    A read or a cancel then raises RequestBudgetSpent, a send is Deferred (same id, later). Sends and
    cancels are counted by what the order does, whoever asks.
    """

    def __init__(self, broker: Broker, budget: RateBudget, use: Use) -> None:
        """Read for `use`."""
        self._broker = broker
        self._budget = budget
        self._use = use

    def account(self) -> BrokerAccount:
        self._spend(self._use)
        return self._broker.account()

    def positions(self) -> Sequence[BrokerPosition]:
        shown = self._budget.shown
        young = shown is not None and timedelta(0) <= self._budget.now() - shown[0] < _YOUNG
        if self._use is Use.EXIT and shown is not None and young:
            return shown[1]
        self._spend(self._use)
        rows = self._broker.positions()
        self._budget.shown = (self._budget.now(), rows)
        return rows

    def submit(self, order: Approved) -> SubmitOutcome:
        use = Use.ENTRY if order.intent.purpose.opens else Use.EXIT
        if self._budget.take(use) is not None:
            return Deferred(not_before=self._budget.retry_at(use), why="request budget")
        outcome = self._broker.submit(order)
        if isinstance(outcome, Deferred):
            self._budget.exhausted(outcome.not_before)
        elif isinstance(outcome, Rejected):
            self._budget.shown = None
        return outcome

    def cancel(self, broker_order_id: str) -> None:
        self._budget.shown = None
        self._spend(Use.CANCEL)
        self._broker.cancel(broker_order_id)

    def suspend(self, *, on: bool) -> None:
        self._spend(Use.CANCEL)
        self._broker.suspend(on=on)

    def order(self, client_order_id: ClientOrderId) -> BrokerOrder | None:
        self._spend(self._use)
        return self._broker.order(client_order_id)

    def orders(self, *, since: datetime) -> Sequence[BrokerOrder]:
        self._spend(self._use)
        return self._broker.orders(since=since)

    def activities(self, *, since: datetime) -> Sequence[Activity]:
        self._spend(self._use)
        return self._broker.activities(since=since)

    def _spend(self, use: Use) -> None:
        wait = self._budget.take(use)
        if wait is not None:
            raise RequestBudgetSpent(f"request budget: none left for {use.value} before {wait.isoformat()}")
