"""Listens on the wire: judges each order by what stood in the ledger when it was sent. Shell."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import Approved, Order, OrderIntent, Purpose, Side, SubmitOutcome
from ops_pipeline.domain.units import AccountId
from ops_pipeline.ports import Broker
from ops_pipeline.stages.execution.lifecycle import body_hash
from ops_pipeline.verify.judges import Violation

_PAIR = (Side.SELL_TO_CLOSE, Side.BUY_TO_OPEN)


class Tap:
    """A broker that is listened to; what it hears goes to `tell`."""

    def __init__(
        self,
        broker: Broker,
        account: AccountId,
        *,
        ledger: Callable[[], Ledger],
        now: Callable[[], datetime],
        tell: Callable[[Violation], None],
    ) -> None:
        """Listen between the process and `broker`; `ledger` gives what is committed."""
        self._broker = broker
        self._account = account
        self._ledger = ledger
        self._now = now
        self._tell = tell
        self._bodies: dict[str, str] = {}
        self.sent = 0

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._broker, name)
        setattr(self, name, value)
        return value

    def submit(self, order: Approved) -> SubmitOutcome:
        """Judge, then pass on."""
        self.hear(order.intent)
        return self._broker.submit(order)

    def hear(self, intent: OrderIntent) -> None:
        """Judge an order that is on the wire."""
        self.sent += 1
        for name, detail in self._objections(intent, self._ledger()):
            self._tell(Violation(name, self._account, self._now(), detail))

    def _objections(self, intent: OrderIntent, ledger: Ledger) -> list[tuple[str, str]]:
        found = []
        known = ledger.orders.get(intent.client_order_id)
        sent = body_hash(intent)
        if known is None or not known.attempt or known.body_hash != sent:
            found.append(("O2", f"{intent.client_order_id} sent without its SENDING"))
        if self._bodies.setdefault(intent.client_order_id, sent) != sent:
            found.append(("O3", f"{intent.client_order_id} sent with another body"))
        sides = tuple(leg.side for leg in intent.legs)
        single = Side.BUY_TO_OPEN if intent.purpose.opens else Side.SELL_TO_CLOSE
        if sides != (_PAIR if intent.purpose is Purpose.ROLL else (single,)):
            found.append(("P2", f"{intent.client_order_id} sent as {sides}"))
        most = ControlLevel.NORMAL if intent.purpose.opens else ControlLevel.FLATTEN
        if ledger.control > most:
            found.append(("K1", f"{intent.client_order_id} sent at {ledger.control.name}"))
        if known is not None and intent.purpose.opens and _is_broken(known, ledger):
            found.append(("R2", f"{intent.client_order_id} sent in face of {sorted(ledger.breaks)}"))
        return found


def _is_broken(order: Order, ledger: Ledger) -> bool:
    """Tell whether an entry's first order is sent while a difference is confirmed."""
    first = order.intent.generation == 1 and order.attempt == 1
    return first and any(found.confirmed for found in ledger.breaks.values())


def tapped(tap: Tap) -> Broker:
    """Give the tap as the port it is."""
    return cast("Broker", tap)
