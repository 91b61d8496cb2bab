"""A deterministic broker that matches one account's orders against any MarketData port. Shell."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from ops_pipeline.adapters.simulator import settlement
from ops_pipeline.adapters.simulator.book import Book, Holding, from_json, to_json
from ops_pipeline.adapters.simulator.matching import MatchRules, match, traded_at
from ops_pipeline.adapters.simulator.valuation import value_of
from ops_pipeline.domain.accounts import BrokerAccount, BrokerPosition
from ops_pipeline.domain.instruments import contract_of, parse_occ
from ops_pipeline.domain.market import OptionQuote, Session
from ops_pipeline.domain.orders import (
    Accepted,
    Activity,
    ActivityKind,
    Approved,
    BrokerOrder,
    BrokerStatus,
    Deferred,
    Fill,
    OrderIntent,
    Rejected,
    Side,
    SubmitOutcome,
    Unknown,
)
from ops_pipeline.domain.units import ClientOrderId, Occ, Usd4
from ops_pipeline.ports import BrokerUnavailable, Calendar, Clock, MarketData

FeeOf = Callable[[int, Usd4, date], Usd4]
_ROLL_LEVEL = 3
_LONG_LEVEL = 2


class Fault(StrEnum):
    """What may go wrong with one call."""

    NONE = "none"
    LOST_REQUEST = "lost_request"
    LOST_RESPONSE = "lost_response"
    RATE_LIMITED = "rate_limited"
    REJECTED = "rejected"
    READ_FAILED = "read_failed"


class SimulatedBroker:
    """One account. State is brought up to the clock's instant at the start of every call."""

    def __init__(
        self,
        book: Book,
        *,
        market: MarketData,
        calendar: Calendar,
        clock: Clock,
        fees: FeeOf,
        rules: MatchRules,
        faults: Callable[[str], Fault] = lambda _: Fault.NONE,
        path: Path | None = None,
    ) -> None:
        """Open an account; with `path` its book is read from there and written after each change."""
        self._book = from_json(path.read_text()) if path is not None and path.exists() else book
        self._market = market
        self._calendar = calendar
        self._clock = clock
        self._fees = fees
        self._rules = rules
        self._faults = faults
        self._path = path
        self._seen: datetime | None = None

    def account(self) -> BrokerAccount:
        """Give the account, positions valued at the mid (the bid where there is no ask)."""
        now = self._read("account")
        reserved = sum(self._reserve(order) for order in self._book.live())
        return BrokerAccount(
            number=self._book.number,
            equity=self._equity(now),
            last_equity=self._book.last_equity,
            cash=self._book.cash,
            options_buying_power=max(0, self._book.cash - reserved),
            options_level=self._book.options_level,
            blocked=self._book.blocked or self._book.suspended,
            as_of=now,
        )

    def positions(self) -> Sequence[BrokerPosition]:
        """Give what is held."""
        self._read("positions")
        return [
            BrokerPosition(
                symbol=symbol,
                qty=holding.qty,
                average_price=holding.cost // (holding.qty * holding.multiplier),
                multiplier=holding.multiplier,
            )
            for symbol, holding in self._book.holdings.items()
            if holding.qty
        ]

    def submit(self, order: Approved) -> SubmitOutcome:
        """Take an order, or say why not; a fault may hide either from the caller."""
        now = self._advance()
        fault = self._faults("submit")
        if fault is Fault.LOST_REQUEST:
            return Unknown("timeout")
        if fault is Fault.RATE_LIMITED:
            return Deferred(now + timedelta(seconds=5), "429")
        if fault is Fault.REJECTED:
            return Rejected("40310000", "rejected by fault")
        outcome = self._take(order.intent, now)
        return Unknown("504 after accept") if fault is Fault.LOST_RESPONSE else outcome

    def cancel(self, broker_order_id: str) -> None:
        """Cancel what is left of an order; the request may get lost."""
        self._advance()
        fault = self._faults("cancel")
        if fault is Fault.READ_FAILED:
            raise BrokerUnavailable("cancel: expected an answer, was a timeout")
        if fault is not Fault.NONE:
            return
        shown = self._book.orders.get(broker_order_id)
        if shown is not None and not shown.status.is_terminal:
            self._put(replace(shown, status=BrokerStatus.CANCELED))
            self._save()

    def suspend(self, *, on: bool) -> None:
        """Take no order any more, or take them again; the request may get lost."""
        self._read("suspend")
        self._book.suspended = on
        self._save()

    def receive(self, occ: Occ, *, qty: int, price: Usd4, multiplier: int = 100) -> None:
        """Take over contracts the account is said to have held before, paid for at `price` a share."""
        self._advance()
        cost = price * qty * multiplier
        self._book.cash -= cost
        self._book.holdings[occ] = Holding(qty=qty, cost=cost, multiplier=multiplier)
        self._save()

    def order(self, client_order_id: ClientOrderId) -> BrokerOrder | None:
        """Look an order up by the caller's id."""
        self._read("order")
        broker_id = self._book.by_client_id.get(client_order_id)
        return self._book.orders[broker_id] if broker_id else None

    def orders(self, *, since: datetime) -> Sequence[BrokerOrder]:
        """Give every order submitted at or after `since`."""
        self._read("orders")
        found: list[BrokerOrder] = []
        for order in reversed(self._book.orders.values()):
            if order.submitted_at < since:
                break
            found.append(order)
        return found[::-1]

    def activities(self, *, since: datetime) -> Sequence[Activity]:
        """Give the account's activities at or after `since`."""
        self._read("activities")
        found: list[Activity] = []
        for activity in reversed(self._book.activities):
            if activity.at < since:
                break
            found.append(activity)
        return found[::-1]

    def _read(self, what: str) -> datetime:
        if self._faults(what) is Fault.READ_FAILED:
            raise BrokerUnavailable(f"{what}: expected an answer, was a timeout")
        return self._advance()

    def _take(self, intent: OrderIntent, now: datetime) -> SubmitOutcome:
        if intent.client_order_id in self._book.by_client_id:
            return Unknown("422 client_order_id must be unique")
        problem = self._problem(intent, now)
        if problem is not None:
            return problem
        broker_id = self._book.number_next("order")
        shown = BrokerOrder(
            broker_order_id=broker_id,
            client_order_id=intent.client_order_id,
            status=BrokerStatus.NEW,
            qty=intent.qty,
            cum=0,
            legs=intent.legs,
            limit=intent.limit,
            submitted_at=now,
        )
        self._book.by_client_id[intent.client_order_id] = broker_id
        self._put(shown)
        self._match(shown, now)
        self._save()
        return Accepted(self._book.orders[broker_id])

    def _problem(self, intent: OrderIntent, now: datetime) -> Rejected | None:
        session = self._calendar.session_at(now)
        if session is None or not session.open_at <= now <= session.close_at:
            return Rejected("42210000", "options orders are accepted in market hours only")
        if self._book.suspended:
            return Rejected("40310000", "trading is suspended by the account's owner")
        level = _ROLL_LEVEL if len(intent.legs) > 1 else _LONG_LEVEL
        if self._book.options_level < level:
            return Rejected("40310000", f"options level {level} is needed, was {self._book.options_level}")
        for leg in intent.legs:
            if leg.side is Side.SELL_TO_CLOSE and intent.qty > self._available(leg.occ):
                available = self._available(leg.occ)
                return Rejected("40310000", f"insufficient qty available: {available} of {intent.qty}")
        if len(intent.legs) == 1 and intent.limit % parse_occ(intent.occ).tick(intent.limit):
            return Rejected("42210000", f"sub-tick limit {intent.limit}")
        cost = self._cost(intent.legs[-1].side, intent.limit, intent.qty, intent.multiplier)
        reserved = sum(self._reserve(order) for order in self._book.live())
        if cost and cost > self._book.cash - reserved:
            return Rejected("40310000", "insufficient options buying power")
        return None

    def _available(self, occ: Occ) -> int:
        held = self._book.holdings.get(occ)
        resting = sum(
            order.qty - order.cum
            for order in self._book.live()
            for leg in order.legs
            if leg.occ == occ and leg.side is Side.SELL_TO_CLOSE
        )
        return (held.qty if held else 0) - resting

    @staticmethod
    def _cost(side: Side, limit: Usd4, qty: int, multiplier: int) -> Usd4:
        return max(0, limit) * qty * multiplier if side is Side.BUY_TO_OPEN else 0

    def _reserve(self, order: BrokerOrder) -> Usd4:
        left = order.qty - order.cum
        return self._cost(order.legs[-1].side, order.limit, left, 100)

    def _advance(self) -> datetime:
        now = self._clock.now()
        if now == self._seen:
            return now
        self._seen = now
        session = self._calendar.session_at(now)
        if session is not None and session.date != self._book.session and now >= session.open_at:
            self._split(session)
            self._book.session = session.date
            self._book.last_equity = self._equity(session.open_at)
        for order in self._book.live():
            placed = self._calendar.session_at(order.submitted_at)
            if placed is not None and now > placed.close_at:
                self._put(replace(order, status=BrokerStatus.EXPIRED))
            elif session is not None and now >= session.open_at:
                self._match(order, now)
        self._settle(now)
        if self._book.live() or self._book.holdings:
            self._save()
        return now

    def _match(self, order: BrokerOrder, now: datetime) -> None:
        quotes = self._market.quotes([leg.occ for leg in order.legs], now=now)
        if len(quotes) < len(order.legs):
            return
        if len(order.legs) > 1:
            self._match_pair(order, quotes[order.legs[0].occ], quotes[order.legs[1].occ], now)
            return
        leg = order.legs[0]
        left = order.qty - order.cum
        look = f"{order.client_order_id}|{now.isoformat()}"
        found = match(
            leg.side, limit=order.limit, qty=left, quote=quotes[leg.occ], look=look, rules=self._rules
        )
        if found is not None:
            self._fill(order, 0, found.price, found.qty, traded_at(quotes[leg.occ], now))
            cum = order.cum + found.qty
            status = BrokerStatus.FILLED if cum == order.qty else BrokerStatus.PARTIALLY_FILLED
            self._put(replace(order, cum=cum, status=status))

    def _match_pair(self, order: BrokerOrder, old: OptionQuote, new: OptionQuote, now: datetime) -> None:
        if not old.bid or not new.ask or (old.ask and old.bid > old.ask) or (new.bid and new.bid > new.ask):
            return
        if new.ask - old.bid <= order.limit:
            left = order.qty - order.cum
            self._fill(order, 0, old.bid, left, now)
            self._fill(order, 1, new.ask, left, now)
            self._put(replace(order, cum=order.qty, status=BrokerStatus.FILLED))

    def _fill(self, order: BrokerOrder, leg_index: int, price: Usd4, qty: int, now: datetime) -> None:
        leg = order.legs[leg_index]
        signed = qty if leg.side is Side.BUY_TO_OPEN else -qty
        session = self._calendar.session_at(now)
        fees = self._fees(signed, price, session.date if session else now.date())
        fill = Fill(
            execution_id=self._book.number_next("fill"),
            client_order_id=order.client_order_id,
            occ=leg.occ,
            qty=signed,
            price=price,
            fees=fees,
            at=now,
        )
        self._book_fill(fill)

    def _book_fill(self, fill: Fill, *, detail: str = "", multiplier: int = 100) -> None:
        flow = -fill.price * fill.qty * multiplier - fill.fees
        self._book.cash += flow
        held = self._book.holdings.setdefault(fill.occ, Holding(qty=0, cost=0, multiplier=multiplier))
        if fill.qty > 0:
            held.cost += fill.price * fill.qty * multiplier
        else:
            held.cost += held.cost * fill.qty // held.qty
        held.qty += fill.qty
        if not held.qty:
            del self._book.holdings[fill.occ]
        self._book.activities.append(
            Activity(
                activity_id=fill.execution_id,
                kind=ActivityKind.FILL,
                at=fill.at,
                symbol=fill.occ,
                qty=fill.qty,
                price=fill.price,
                amount=flow,
                fill=fill,
                detail=detail,
            )
        )

    def _split(self, session: Session) -> None:
        """Turn what is held into what the splits since the last session made of it."""
        book = self._book
        first = session.date if book.session is None else book.session + timedelta(days=1)
        for ticker in dict.fromkeys(contract.underlying for contract in book.contracts().values()):
            for split in self._market.splits(ticker, first=first, last=session.date):
                for symbol, contract in book.contracts().items():
                    if contract.underlying != ticker:
                        continue
                    done = settlement.split(contract, split, at=session.open_at, number=book.number)
                    holding = book.holdings.pop(symbol)
                    book.holdings[done.occ] = replace(holding, qty=holding.qty * done.for_one)
                    book.activities.append(done.activity)

    def _settle(self, now: datetime) -> None:
        for symbol, holding in list(self._book.holdings.items()):
            contract = contract_of(symbol)
            session = self._calendar.session_on(contract.expiration) if contract else None
            if (
                contract is None
                or session is None
                or now < session.close_at - settlement.LIQUIDATION_BEFORE_CLOSE
            ):
                continue
            if now < session.close_at:
                self._liquidate(symbol, holding, now)
                continue
            spot = self._market.spot(contract.underlying, now=session.close_at)
            if spot is None:
                continue
            activity = settlement.expire(
                contract, qty=holding.qty, spot=spot.price, at=session.close_at, number=self._book.number
            )
            self._book.cash += activity.amount
            del self._book.holdings[symbol]
            self._book.activities.append(activity)

    def _liquidate(self, symbol: str, holding: Holding, now: datetime) -> None:
        contract = parse_occ(symbol)
        spot = self._market.spot(contract.underlying, now=now)
        quote = self._market.quotes([Occ(symbol)], now=now).get(Occ(symbol))
        if spot is None or quote is None or not quote.bid:
            return
        if not settlement.must_liquidate(contract, qty=holding.qty, spot=spot.price, cash=self._book.cash):
            return
        for order in self._book.live():
            if any(leg.occ == symbol for leg in order.legs):
                self._put(replace(order, status=BrokerStatus.CANCELED, reason=settlement.LIQUIDATION))
        fill = Fill(
            execution_id=self._book.number_next("fill"),
            client_order_id=ClientOrderId(""),
            occ=Occ(symbol),
            qty=-holding.qty,
            price=quote.bid,
            fees=self._fees(-holding.qty, quote.bid, contract.expiration),
            at=now,
        )
        self._book_fill(fill, detail=settlement.LIQUIDATION)

    def _equity(self, now: datetime) -> Usd4:
        return self._book.cash + value_of(self._book.holdings, self._market, now)

    def _put(self, order: BrokerOrder) -> None:
        self._book.orders[order.broker_order_id] = order

    def _save(self) -> None:
        if self._path is not None:
            fresh = self._path.with_suffix(".new")
            fresh.write_text(to_json(self._book))
            fresh.replace(self._path)
