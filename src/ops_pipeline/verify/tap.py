"""Listens on the wire: judges each order by what stood in the ledger when it was sent. Shell."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from ops_pipeline.domain.accounts import BrokerPosition, ControlLevel
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import (
    Approved,
    BrokerOrder,
    Order,
    OrderIntent,
    OrderState,
    Purpose,
    Side,
    SubmitOutcome,
)
from ops_pipeline.domain.units import AccountId, ClientOrderId
from ops_pipeline.ports import Broker, MarketData
from ops_pipeline.stages.execution.lifecycle import body_hash
from ops_pipeline.verify.heard import Heard
from ops_pipeline.verify.judges import Violation
from ops_pipeline.verify.limits import Sent, over_limits
from ops_pipeline.verify.oracle import Oracle
from ops_pipeline.verify.pushes import PushedUpdates

_PAIR = (Side.SELL_TO_CLOSE, Side.BUY_TO_OPEN)
# The only two words there are, as the venue spells them.
_WORDS = ("buy_to_open", "sell_to_close")
# A process that is taken over from stood still for at least its lease; a call over a wire takes less.
_PAUSED = timedelta(seconds=10)


class Tap:
    """A broker that is listened to; what it hears goes to `tell` and `heard`.

    `pushes` is set where the broker pushes updates: nothing may be opened while they fail.
    """

    def __init__(
        self,
        broker: Broker,
        account: AccountId,
        *,
        ledger: Callable[[], Ledger],
        now: Callable[[], datetime],
        tell: Callable[[Violation], None],
        heard: Heard,
        market: MarketData,
        truth: Oracle,
    ) -> None:
        """Listen between the process and `broker`; `ledger` gives what is committed."""
        self._broker = broker
        self._account = account
        self._ledger = ledger
        self._now = now
        self._tell = tell
        self._heard = heard
        self._market = market
        self._truth = truth
        self._bodies: dict[str, str] = {}
        self.sent = 0
        self.pushes: PushedUpdates | None = None

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._broker, name)
        setattr(self, name, value)
        return value

    def submit(self, order: Approved) -> SubmitOutcome:
        """Judge, then pass on."""
        self.hear(order.intent)
        self._object(order.intent, over_limits(self._sent(order.intent, self._ledger())))
        outcome = self._broker.submit(order)
        self._heard.answers[order.intent.client_order_id].append(type(outcome).__name__.lower())
        return outcome

    def order(self, client_order_id: ClientOrderId) -> BrokerOrder | None:
        """Pass on, and note what was not found."""
        found = self._broker.order(client_order_id)
        if found is None:
            self._heard.absent.add((client_order_id, self._now()))
        return found

    def positions(self) -> Sequence[BrokerPosition]:
        """Pass on, and note what was shown."""
        rows = self._broker.positions()
        self._heard.positions[self._now()].append({row.symbol: row.qty for row in rows})
        return rows

    def _sent(self, intent: OrderIntent, ledger: Ledger) -> Sent:
        truth = self._truth.account()
        known = ledger.orders.get(intent.client_order_id)
        # An order that waited for its first send keeps the limit it was given when it was intended.
        made_at = known.created_at if known is not None else self._now()
        return Sent(
            intent=intent,
            first=known is not None and known.attempt <= 1 and self._leaves_now(known),
            ledger=ledger,
            truth=truth,
            book=self._truth.book,
            quote=self._market.quotes([intent.occ], now=made_at).get(intent.occ),
            shown=self._heard.newest_positions(until=made_at),
        )

    def hear(self, intent: OrderIntent) -> None:
        """Judge an order that is on the wire by what stands in the ledger."""
        self.sent += 1
        self._object(intent, self._objections(intent, self._ledger()))

    def _object(self, intent: OrderIntent, found: Sequence[tuple[str, str]]) -> None:
        for name, detail in found:
            self._tell(Violation(name, self._account, self._now(), f"{intent.client_order_id} {detail}"))

    def _objections(self, intent: OrderIntent, ledger: Ledger) -> list[tuple[str, str]]:
        found = []
        known = ledger.orders.get(intent.client_order_id)
        sent = body_hash(intent)
        if known is None or not known.attempt or known.body_hash != sent:
            found.append(("O2", "sent without its SENDING"))
        if self._bodies.setdefault(intent.client_order_id, sent) != sent:
            found.append(("O3", "sent with another body"))
        sides = tuple(leg.side for leg in intent.legs)
        single = Side.BUY_TO_OPEN if intent.purpose.opens else Side.SELL_TO_CLOSE
        wanted = _PAIR if intent.purpose is Purpose.ROLL else (single,)
        if sides != wanted or any(side.value not in _WORDS for side in sides):
            found.append(("P2", f"sent as {sides}"))
        most = ControlLevel.NORMAL if intent.purpose.opens else ControlLevel.FLATTEN
        # A paused process's POST comes when others have long decided what it cannot know.
        leaves_now = known is None or self._leaves_now(known)
        if ledger.control > most and leaves_now:
            found.append(("K1", f"sent at {ledger.control.name}"))
        if known is not None and intent.purpose.opens and _is_broken(known, ledger):
            found.append(("R2", f"sent in face of {sorted(ledger.breaks)}"))
        if self.pushes is not None and intent.purpose.opens and known is not None and leaves_now:
            objection = self.pushes.objection(ledger, self._now())
            found += [("R2", f"sent {objection}")] if objection else []
        return found

    def _leaves_now(self, order: Order) -> bool:
        """Tell whether an order is on the wire as its sending was stored, and not after a pause."""
        sent_at = order.last_sent_at
        return order.state is OrderState.SENDING and sent_at is not None and self._now() - sent_at < _PAUSED


def _is_broken(order: Order, ledger: Ledger) -> bool:
    """Tell whether an entry's first order is sent while a difference is confirmed."""
    first = order.intent.generation == 1 and order.attempt == 1
    return first and any(found.confirmed for found in ledger.breaks.values())


def tapped(tap: Tap) -> Broker:
    """Give the tap as the port it is."""
    return cast("Broker", tap)
