"""Faults planted in processes of the harness: each must be caught. Imported by name in those processes."""

from dataclasses import replace

from ops_pipeline.adapters.store.lease import Leases
from ops_pipeline.app.settings import Settings
from ops_pipeline.domain.orders import Approved, Rejected, Unknown
from ops_pipeline.domain.units import ClientOrderId
from ops_pipeline.ports import BrokerUnavailable
from ops_pipeline.verify.brokerclient import HttpBroker
from ops_pipeline.verify.goals import Bench

BENCH = Bench(book=Settings(), workers=1)


class RetryingBroker(HttpBroker):
    """Sends an order it has no answer for again, under a new id: as client libraries do."""

    def submit(self, order):
        outcome = super().submit(order)
        if not isinstance(outcome, Unknown):
            return outcome
        again = ClientOrderId(order.intent.client_order_id[:-1] + "9")
        return super().submit(
            Approved(intent=replace(order.intent, client_order_id=again), gates=order.gates)
        )


class GuessingBroker(HttpBroker):
    """Takes silence for a no."""

    def submit(self, order):
        outcome = super().submit(order)
        guessed = isinstance(outcome, Unknown) and "unique" not in outcome.why
        return Rejected("0", "guessed") if guessed else outcome

    def order(self, client_order_id):
        try:
            return super().order(client_order_id)
        except BrokerUnavailable:
            return None


def without_fence() -> None:
    """Let this process commit whatever stands in the lease."""

    def unchecked(_leases, _account):
        pass

    Leases.check = unchecked
