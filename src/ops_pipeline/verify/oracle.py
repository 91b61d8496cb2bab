"""The simulated broker with its truth laid open, and with what others than we can do to an account. Shell."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

from ops_pipeline.adapters.simulator.book import Book, Holding
from ops_pipeline.adapters.simulator.broker import SimulatedBroker
from ops_pipeline.adapters.simulator.matching import MatchRules
from ops_pipeline.domain.fees import fee_rules_on, fill_fees
from ops_pipeline.domain.instruments import contract_of
from ops_pipeline.domain.orders import (
    Activity,
    ActivityKind,
    BrokerOrder,
    BrokerStatus,
    Fill,
    Leg,
    OrderIntent,
    Side,
    SubmitOutcome,
)
from ops_pipeline.domain.units import ONE_CENT, ClientOrderId, Occ, Usd4
from ops_pipeline.ports import Calendar, Clock, MarketData


def fees_of(qty: int, price: Usd4, session: date) -> Usd4:
    """Give the fees of a fill of `qty` (signed) contracts."""
    del price
    return fill_fees(abs(qty), int(qty < 0), fee_rules_on(session))


class Oracle(SimulatedBroker):
    """One account at the shipped simulator; its book is the truth that a ledger is judged by."""

    def __init__(
        self, book: Book, *, market: MarketData, calendar: Calendar, clock: Clock, rules: MatchRules
    ) -> None:
        """Open an account that nothing goes wrong at."""
        super().__init__(book, market=market, calendar=calendar, clock=clock, fees=fees_of, rules=rules)
        self.stuck: set[ClientOrderId] = set()
        self.accepted: list[BrokerOrder] = []
        self.told_at: dict[str, datetime] = {}
        self.settles = True

    @property
    def book(self) -> Book:
        """Give the truth."""
        return self._book

    def take(self, intent: OrderIntent) -> SubmitOutcome:
        """Take an order as it came over a wire, or say why not."""
        return self._take(intent, self._advance())

    def advance(self) -> datetime:
        """Bring the account up to the clock: matches, expiries, liquidation."""
        return self._advance()

    def for_sale(self, occ: Occ) -> int:
        """Count contracts that resting orders offer."""
        return sum(
            order.qty - order.cum
            for order in self._book.live()
            for leg in order.legs
            if leg.occ == occ and leg.side is Side.SELL_TO_CLOSE
        )

    def trade_by_hand(self, occ: Occ, qty: int, price: Usd4) -> None:
        """Let a person buy (qty > 0) or sell contracts at the broker, without any order of ours."""
        now = self.advance()
        fill = self._external(occ, qty, price, ClientOrderId(""), now)
        self._book_fill(fill)

    def foreign_order(self, client_order_id: ClientOrderId, occ: Occ, qty: int, limit: Usd4) -> None:
        """Let another instance of this program, with its own database, place an order that rests."""
        now = self.advance()
        broker_id = self._book.number_next("order")
        shown = BrokerOrder(
            broker_order_id=broker_id,
            client_order_id=client_order_id,
            status=BrokerStatus.NEW,
            qty=qty,
            cum=0,
            legs=(Leg(occ=occ, side=Side.BUY_TO_OPEN),),
            limit=limit,
            submitted_at=now,
        )
        self.stuck.add(client_order_id)
        self._book.by_client_id[client_order_id] = broker_id
        self._put(shown)

    def assign(self, symbol: str, amount: Usd4) -> None:
        """Assign the account on a short it should not have."""
        now = self.advance()
        self._book.cash += amount
        self._book.activities.append(
            Activity(
                activity_id=self._book.number_next("assignment"),
                kind=ActivityKind.ASSIGNMENT,
                at=now,
                symbol=symbol,
                qty=0,
                price=0,
                amount=amount,
                detail="assigned",
            )
        )

    def activities(self, *, since: datetime) -> Sequence[Activity]:
        """Give what is told by now: activities that are no trades may be told a day late."""
        now = self.advance()
        rows = super().activities(since=since)
        return [row for row in rows if self.told_at.get(row.activity_id, row.at) <= now]

    def happen(
        self,
        kind: ActivityKind,
        symbol: str,
        qty: int = 0,
        amount: Usd4 = 0,
        *,
        fill: Fill | None = None,
        until: datetime | None = None,
    ) -> Activity:
        """Let anything happen to the account; it is told at once, or from `until` on."""
        now = self.advance()
        self.move(symbol, qty, -amount)
        self._book.cash += amount
        number = self._book.number_next(kind.value.lower())
        told = Activity(
            activity_id=fill.execution_id if fill and kind is ActivityKind.FILL else number,
            kind=kind,
            at=now,
            symbol=symbol,
            qty=qty,
            price=0,
            amount=amount,
            fill=fill,
        )
        self._book.activities.append(told)
        if until is not None:
            self.told_at[told.activity_id] = until
        return told

    def move(self, symbol: str, qty: int, cost: Usd4 = 0) -> None:
        """Let the broker hold more or less of a symbol, with no word about it."""
        multiplier = 100 if contract_of(symbol) else 1
        held = self._book.holdings.setdefault(symbol, Holding(qty=0, cost=0, multiplier=multiplier))
        held.qty, held.cost = held.qty + qty, held.cost + cost
        if not held.qty:
            del self._book.holdings[symbol]

    def trade_of(
        self, client_order_id: str, occ: Occ, qty: int, price: Usd4, *, until: datetime | None = None
    ) -> Fill:
        """Let an order of anybody fill `qty` (signed) contracts, its activity told at once or later."""
        fill = self._external(occ, qty, price, ClientOrderId(client_order_id), self.advance())
        self.happen(ActivityKind.FILL, occ, qty, -price * qty * 100 - fill.fees, fill=fill, until=until)
        return fill

    def show(self, client_order_id: str, occ: Occ, side: Side, qty: int, *, cum: int) -> str:
        """Show an order that filled `cum` of `qty`, its own state of things aside; give the broker's id."""
        known = self._book.by_client_id.get(ClientOrderId(client_order_id))
        broker_id = known or self._book.number_next("order")
        self._book.by_client_id[ClientOrderId(client_order_id)] = broker_id
        self.stuck.add(ClientOrderId(client_order_id))
        self._book.orders[broker_id] = BrokerOrder(
            broker_order_id=broker_id,
            client_order_id=ClientOrderId(client_order_id),
            status=BrokerStatus.FILLED if cum >= qty else BrokerStatus.PARTIALLY_FILLED,
            qty=qty,
            cum=cum,
            legs=(Leg(occ=occ, side=side),),
            limit=ONE_CENT,
            submitted_at=self.advance(),
        )
        return broker_id

    def fill_at_its_limit(self, broker_order_id: str) -> bool:
        """Let a resting single-leg order trade what is left of it; False where it cannot."""
        now = self.advance()
        order = self._book.orders[broker_order_id]
        session = self._calendar.session_at(now)
        trading = session is not None and session.is_open(now)
        if order.status.is_terminal or len(order.legs) > 1 or not trading:
            return False
        self._fill(order, 0, order.limit, order.qty - order.cum, now)
        self._put(replace(order, cum=order.qty, status=BrokerStatus.FILLED))
        return True

    def show_other_quantity(self, client_order_id: ClientOrderId) -> None:
        """Show one of our orders with another quantity than was ordered: a contradiction."""
        broker_id = self._book.by_client_id[client_order_id]
        shown = self._book.orders[broker_id]
        self._put(replace(shown, qty=shown.qty + 1))

    def _external(self, occ: Occ, qty: int, price: Usd4, owner: ClientOrderId, now: datetime) -> Fill:
        session = self._calendar.session_at(now)
        return Fill(
            execution_id=self._book.number_next("fill"),
            client_order_id=owner,
            occ=occ,
            qty=qty,
            price=price,
            fees=fees_of(qty, price, session.date if session else now.date()),
            at=now,
        )

    def _settle(self, now: datetime) -> None:
        if self.settles:
            super()._settle(now)

    def _match(self, order: BrokerOrder, now: datetime) -> None:
        if order.client_order_id not in self.stuck:
            super()._match(order, now)

    def _put(self, order: BrokerOrder) -> None:
        if order.broker_order_id not in self._book.orders:
            self.accepted.append(order)
        super()._put(order)
