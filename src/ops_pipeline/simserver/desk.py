"""One account of a venue: its broker, its orders as the wire tells of them, and what changed. Shell."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from ops_pipeline.adapters.simulator.book import Book
from ops_pipeline.adapters.simulator.served import ServedBroker
from ops_pipeline.domain.orders import (
    Accepted,
    ActivityKind,
    BrokerOrder,
    BrokerStatus,
    Fill,
    Leg,
    OrderIntent,
    Side,
    SubmitOutcome,
)
from ops_pipeline.domain.units import ClientOrderId, Usd4
from ops_pipeline.ports import Calendar, Clock
from ops_pipeline.simserver.terms import AccountTerms
from ops_pipeline.simserver.tickets import OrderChange, OrderEvent, OrderType, Ticket, wire_id

_ENDED = {
    BrokerStatus.CANCELED: OrderEvent.CANCELED,
    BrokerStatus.EXPIRED: OrderEvent.EXPIRED,
}

_AT_WORK = (BrokerStatus.NEW, BrokerStatus.PARTIALLY_FILLED, BrokerStatus.FILLED)


@dataclass(slots=True, kw_only=True)
class Configuration:
    """What the holder of an account may set; the levels are those of options trading, 0 to 3."""

    max_options_trading_level: int
    suspend_trade: bool = False
    no_shorting: bool = False
    fractional_trading: bool = True
    disable_overnight_trading: bool = False
    max_margin_multiplier: str = "1"
    trade_confirm_email: str = "all"
    ptp_no_exception_entry: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelled:
    """How the client spelled an order. `until`: how long it outlives its session; None: not at all."""

    type: OrderType
    limit: Usd4 | None
    stop: Usd4 | None = None
    until: datetime | None = None
    leg_order: tuple[int, ...] = (0,)
    replaces: str | None = None


class Desk:
    """Keeps an account's orders as its clients see them. Called under the venue's lock only."""

    def __init__(
        self, terms: AccountTerms, broker: ServedBroker, *, calendar: Calendar, clock: Clock
    ) -> None:
        """Open it over a broker that has no order yet."""
        self.terms = terms
        self.broker = broker
        self.opened_at = clock.now()
        self.configuration = Configuration(max_options_trading_level=terms.options_level)
        self.shown: dict[str, BrokerOrder] = {}
        self.tickets: dict[str, Ticket] = {}
        self.by_id: dict[str, str] = {}
        self._calendar = calendar
        self._clock = clock
        self._live: dict[str, None] = {}
        self._known = 0
        self._heard = 0

    @property
    def book(self) -> Book:
        """Give what the broker holds true."""
        return self.broker.book

    @property
    def id(self) -> str:
        """Give the account's UUID."""
        return wire_id("account", self.terms.number)

    @property
    def is_busy(self) -> bool:
        """Tell whether time alone can change anything: an order rests or something is held."""
        return bool(self._live or self.book.holdings)

    def submit(self, intent: OrderIntent, spelled: Spelled) -> tuple[SubmitOutcome, list[OrderChange]]:
        """Hand an order to the broker; give what it said and everything that changed."""
        outcome = self.broker.take(intent, stop=spelled.stop, until=spelled.until)
        if isinstance(outcome, Accepted):
            self._open_ticket(outcome.order, spelled)
        return outcome, self.changes()

    def cancel(self, broker_order_id: str) -> list[OrderChange] | None:
        """Cancel what is left of an order; None where nothing was left."""
        done = self.broker.withdraw(broker_order_id)
        changed = self.changes()
        return changed if done else None

    def reinstate(self, broker_order_id: str, as_before: BrokerOrder) -> None:
        """Put an order back on the market that was withdrawn for one that was then refused."""
        self.book.orders[broker_order_id] = as_before
        self.tickets[broker_order_id].canceled_at = None
        self._keep(broker_order_id, as_before)

    def gave_way(self, broker_order_id: str, by: str) -> OrderChange:
        """Say that another order took a withdrawn one's place."""
        ticket = self.tickets[broker_order_id]
        before = self.shown[broker_order_id]
        after = self.shown[broker_order_id] = replace(before, status=BrokerStatus.REPLACED)
        ticket.replaced_by, ticket.replaced_at, ticket.canceled_at = by, self._clock.now(), None
        return self._change(OrderEvent.REPLACED, before, after, ticket)

    def look(self) -> list[OrderChange]:
        """Bring the account up to the broker's clock; give what changed."""
        self.broker.advance()
        return self.changes()

    def ticket_of(self, order_id: str) -> Ticket | None:
        """Find an order by the id the wire knows it by, a leg's included."""
        broker_id = self.by_id.get(order_id)
        return None if broker_id is None else self.tickets[broker_id]

    def changes(self) -> list[OrderChange]:
        """Give what changed since the last call, order by order."""
        fills = self._new_fills()
        ours: list[OrderChange] = []
        fresh = len(self.book.orders) - self._known
        begun = list(islice(reversed(self.book.orders), fresh))[::-1]
        self._known += fresh
        for broker_id in [*self._live, *begun]:
            ours += self._changed(broker_id, fills.get(self.book.orders[broker_id].client_order_id, ()))
        ours += [self._liquidated(fill) for fill in fills.get(ClientOrderId(""), ())]
        return ours

    def _new_fills(self) -> dict[ClientOrderId, list[Fill]]:
        found: dict[ClientOrderId, list[Fill]] = {}
        for activity in islice(self.book.activities, self._heard, None):
            if activity.kind is ActivityKind.FILL and activity.fill is not None:
                found.setdefault(activity.fill.client_order_id, []).append(activity.fill)
        self._heard = len(self.book.activities)
        return found

    def _changed(self, broker_id: str, fills: Sequence[Fill]) -> list[OrderChange]:
        ticket, after = self.tickets[broker_id], self.book.orders[broker_id]
        before = self.shown.get(broker_id)
        found: list[OrderChange] = []
        if before is None:
            kept = after.status is BrokerStatus.ACCEPTED
            fresh = after if kept else replace(after, status=BrokerStatus.NEW, cum=0)
            event = OrderEvent.ACCEPTED if kept else OrderEvent.NEW
            found.append(self._change(event, None, fresh, ticket))
            before = fresh
        elif before.status is BrokerStatus.ACCEPTED and after.status in _AT_WORK:
            routed = replace(before, status=BrokerStatus.NEW)
            found.append(self._change(OrderEvent.NEW, before, routed, ticket))
            before = routed
        if after.cum > before.cum:
            whole = after.cum == after.qty
            status = BrokerStatus.FILLED if whole else BrokerStatus.PARTIALLY_FILLED
            filled = replace(after, status=status)
            ticket.fills.extend(fills)
            ticket.filled_at = fills[-1].at if fills else self._clock.now()
            event = OrderEvent.FILL if whole else OrderEvent.PARTIAL_FILL
            found.append(self._change(event, before, filled, ticket, fills))
            before = filled
        if after.status is not before.status and after.status in _ENDED:
            self._stamp_end(ticket, after.status)
            found.append(self._change(_ENDED[after.status], before, after, ticket))
        self._keep(broker_id, after)
        return found

    def _keep(self, broker_id: str, order: BrokerOrder) -> None:
        self.shown[broker_id] = order
        if order.status.is_terminal:
            self._live.pop(broker_id, None)
        else:
            self._live[broker_id] = None

    def _change(
        self,
        event: OrderEvent,
        before: BrokerOrder | None,
        after: BrokerOrder,
        ticket: Ticket,
        fills: Sequence[Fill] = (),
    ) -> OrderChange:
        at = fills[-1].at if fills else self._clock.now()
        ticket.updated_at = at
        return OrderChange(
            number=self.terms.number,
            event=event,
            before=before,
            after=after,
            ticket=ticket.copy(),
            fills=tuple(fills),
            at=at,
        )

    def _stamp_end(self, ticket: Ticket, status: BrokerStatus) -> None:
        now = self._clock.now()
        if status is BrokerStatus.CANCELED:
            ticket.canceled_at = now
        elif status is BrokerStatus.EXPIRED:
            ticket.expired_at = now

    def _open_ticket(self, order: BrokerOrder, spelled: Spelled) -> Ticket:
        now = self._clock.now()
        session = self._calendar.session_at(order.submitted_at)
        ticket = Ticket(
            id=wire_id("order", self.terms.number, order.broker_order_id),
            broker_order_id=order.broker_order_id,
            client_order_id=order.client_order_id,
            type=spelled.type,
            limit=spelled.limit,
            stop=spelled.stop,
            time_in_force="day" if spelled.until is None else "gtc",
            created_at=now,
            updated_at=now,
            expires_at=spelled.until or (session.close_at if session is not None else now),
            leg_order=spelled.leg_order,
            replaces=spelled.replaces,
        )
        self.tickets[order.broker_order_id] = ticket
        self.by_id[ticket.id] = order.broker_order_id
        if len(order.legs) > 1:
            self.by_id.update({ticket.leg_id(leg.occ): order.broker_order_id for leg in order.legs})
        return ticket

    def _liquidated(self, fill: Fill) -> OrderChange:
        """Show the sale of an expiring position by the broker's own desk as the order it is there."""
        broker_id = f"liquidation-{fill.execution_id}"
        order = BrokerOrder(
            broker_order_id=broker_id,
            client_order_id=ClientOrderId(wire_id("client order", self.terms.number, broker_id)),
            status=BrokerStatus.FILLED,
            qty=abs(fill.qty),
            cum=abs(fill.qty),
            legs=(Leg(occ=fill.occ, side=Side.SELL_TO_CLOSE),),
            limit=0,
            submitted_at=fill.at,
        )
        ticket = self._open_ticket(order, Spelled(type=OrderType.MARKET, limit=None))
        ticket.fills.append(fill)
        ticket.filled_at = fill.at
        self.shown[broker_id] = order
        return self._change(OrderEvent.FILL, None, order, ticket, [fill])
