"""The simulated broker as a venue serves it: orders as they come over a wire, exercise on request. Shell."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta

from ops_pipeline.adapters.simulator import settlement
from ops_pipeline.adapters.simulator.book import Book, Holding
from ops_pipeline.adapters.simulator.broker import SimulatedBroker
from ops_pipeline.adapters.simulator.matching import MatchRules
from ops_pipeline.domain.instruments import contract_of
from ops_pipeline.domain.orders import (
    Accepted,
    BrokerOrder,
    BrokerStatus,
    Leg,
    OrderIntent,
    Rejected,
    Side,
    SubmitOutcome,
)
from ops_pipeline.domain.units import ClientOrderId, Occ, Usd4
from ops_pipeline.ports import Calendar, Clock, MarketData

_TWO_DAYS = timedelta(days=2)


class ServedBroker(SimulatedBroker):
    """One account behind a server. Nothing is lost on the way in: what goes wrong, goes wrong on the wire."""

    def __init__(
        self,
        book: Book,
        *,
        market: MarketData,
        calendar: Calendar,
        clock: Clock,
        fees: Callable[[int, Usd4, date], Usd4],
        rules: MatchRules,
    ) -> None:
        """Open an account over `book`."""
        super().__init__(book, market=market, calendar=calendar, clock=clock, fees=fees, rules=rules)
        self.not_exercised: set[str] = set()
        self._stops: dict[ClientOrderId, Usd4] = {}
        self._lasting: dict[ClientOrderId, datetime] = {}

    @property
    def book(self) -> Book:
        """Give the account's truth."""
        return self._book

    def advance(self) -> datetime:
        """Bring the account up to the clock: matches, expiries, liquidation."""
        return self._advance()

    def take(
        self, intent: OrderIntent, *, stop: Usd4 | None = None, until: datetime | None = None
    ) -> SubmitOutcome:
        """Take an order as it came over a wire, or say why not.

        With `stop` it sleeps until its own side is quoted there: a sale at or below it, a purchase at or
        above. With `until` it outlives its session, up to that instant. Outside of a session it is kept for
        the next one.
        """
        now = self._advance()
        client_order_id = intent.client_order_id
        if client_order_id in self._book.by_client_id:
            return self._take(intent, now)
        if stop is not None:
            self._stops[client_order_id] = stop
        outcome = self._take(intent, now)
        if not isinstance(outcome, Accepted):
            self._stops.pop(client_order_id, None)
            return outcome
        if until is not None:
            self._lasting[client_order_id] = until
        opening = self._opening(now)
        if opening > now:
            kept = replace(outcome.order, status=BrokerStatus.ACCEPTED, submitted_at=opening)
            self._put(kept)
            return Accepted(kept)
        return outcome

    def withdraw(self, broker_order_id: str) -> bool:
        """End what is left of an order; False where nothing was left of it."""
        self._advance()
        shown = self._book.orders.get(broker_order_id)
        if shown is None or shown.status.is_terminal:
            return False
        self._put(replace(shown, status=BrokerStatus.CANCELED))
        return True

    def available(self, occ: Occ) -> int:
        """Count the contracts held that no resting sale has spoken for."""
        return self._available(occ)

    def worth(self) -> Usd4:
        """Give the account's equity at the clock's instant."""
        return self._equity(self._clock.now())

    def free_cash(self) -> Usd4:
        """Give what buying orders may still cost: cash less what resting ones have reserved."""
        return max(0, self._book.cash - sum(self._reserve(order) for order in self._book.live()))

    def exercise(self, occ: Occ) -> int:
        """Exercise what is available of a contract in the money; give how many contracts, 0 for none.

        As at expiry the shares are delivered and closed at the underlying's price in one booking.
        """
        now = self._advance()
        held, contract = self._book.holdings.get(occ), contract_of(occ)
        qty = self.available(occ)
        spot = self._market.spot(contract.underlying, now=now) if contract is not None else None
        if held is None or contract is None or spot is None or qty <= 0 or not contract.intrinsic(spot.price):
            return 0
        booked = settlement.expire(contract, qty=qty, spot=spot.price, at=now, number=self._book.number)
        number = self._book.number_next("exercise")
        self._book.cash += booked.amount
        self._book.activities.append(replace(booked, activity_id=number))
        held.cost -= held.cost * qty // held.qty
        held.qty -= qty
        if not held.qty:
            del self._book.holdings[occ]
        return qty

    def _advance(self) -> datetime:
        if self._lasting:
            self._prolong(self._clock.now())
        return super()._advance()

    def _prolong(self, now: datetime) -> None:
        """Carry what outlives its session into the next one, or end it where its time is up."""
        for client_order_id, until in self._lasting.items():
            order = self._book.orders[self._book.by_client_id[client_order_id]]
            if order.status.is_terminal:
                continue
            if now >= until:
                self._put(replace(order, status=BrokerStatus.CANCELED))
                continue
            session = self._calendar.session_at(order.submitted_at)
            while session is not None and session.close_at < now:
                session = self._calendar.following(session.date)
                self._put(replace(order, submitted_at=session.open_at))

    def _opening(self, now: datetime) -> datetime:
        """Give the next instant at which an order can trade: now, or the next open."""
        session = self._calendar.following(now.date() - _TWO_DAYS)
        while session.close_at < now:
            session = self._calendar.following(session.date)
        return max(now, session.open_at)

    def _problem(self, intent: OrderIntent, now: datetime) -> Rejected | None:
        return super()._problem(intent, self._opening(now))

    def _match(self, order: BrokerOrder, now: datetime) -> None:
        if self._opening(now) > now:
            return
        if order.status is BrokerStatus.ACCEPTED:
            order = replace(order, status=BrokerStatus.NEW)
            self._put(order)
        stop = self._stops.get(order.client_order_id)
        if stop is not None:
            if not self._is_touched(order.legs[0], stop, now):
                return
            del self._stops[order.client_order_id]
        super()._match(order, now)

    def _is_touched(self, leg: Leg, stop: Usd4, now: datetime) -> bool:
        quote = self._market.quotes([leg.occ], now=now).get(leg.occ)
        if quote is None or not quote.bid or not quote.ask or quote.bid > quote.ask:
            return False
        return quote.ask >= stop if leg.side is Side.BUY_TO_OPEN else quote.bid <= stop

    def _settle(self, now: datetime) -> None:
        # An instruction ends with the position it was given for.
        self.not_exercised &= self._book.holdings.keys()
        for symbol in sorted(self.not_exercised):
            self._let_expire(symbol, now)
        super()._settle(now)

    def _let_expire(self, symbol: str, now: datetime) -> None:
        """End a contract that its holder does not want exercised: worthless, whatever the price."""
        contract = contract_of(symbol)
        session = self._calendar.session_on(contract.expiration) if contract is not None else None
        if contract is None or session is None or now < session.close_at:
            return
        holding = self._book.holdings.pop(symbol)
        activity = settlement.expire(
            contract,
            qty=holding.qty,
            spot=contract.strike,  # at the strike nothing is in the money
            at=session.close_at,
            number=self._book.number,
        )
        self._book.activities.append(replace(activity, detail="not exercised, as instructed"))

    def _liquidate(self, symbol: str, holding: Holding, now: datetime) -> None:
        if symbol not in self.not_exercised:
            super()._liquidate(symbol, holding, now)
