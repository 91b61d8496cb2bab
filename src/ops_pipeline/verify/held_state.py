"""Accounts full of positions and live orders over a long ledger, and the brokers that know of them. Shell."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ops_pipeline.adapters.simulator.book import Book, Holding, from_json, to_json
from ops_pipeline.adapters.store.store import SqlStore
from ops_pipeline.domain.events import EventBody
from ops_pipeline.domain.instruments import OptionContract, Right, format_occ
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import BrokerOrder, BrokerStatus, OrderState
from ops_pipeline.domain.units import ONE_DOLLAR, AccountId
from ops_pipeline.verify.audit import write_lives
from ops_pipeline.verify.databases import DATABASE_ID
from ops_pipeline.verify.lives import Lives
from ops_pipeline.verify.market import DAY, LabMarket, at
from ops_pipeline.verify.terms import LabAccount

NOW = at(16)
ACCOUNTS = tuple(
    LabAccount(id=AccountId(name), cash=1_000_000_000 * ONE_DOLLAR) for name in ("large", "small")
)
_JUST_BEFORE = at(15, 59, 55)
_LONG_BEFORE = at(14) - timedelta(days=60)
_EXPIRATION = date(2026, 4, 10)
_PRICE = 12_000
# Nobody pays this: the exit rests.
_RESTING = 30_000
_QTY = 2
# Of the resting exits the last were being sent when the process died.
_IN_FLIGHT = 2


class Scale(NamedTuple):
    """How much there is in all accounts together."""

    positions: int
    orders: int
    events: int


def build_state(store: SqlStore, folder: Path, scale: Scale) -> None:
    """Write the accounts' ledgers, and beside them what their brokers know."""
    for place, account in enumerate(ACCOUNTS):
        write_lives(store, account.id, scale.events // len(ACCOUNTS), seed=place, start=_LONG_BEFORE)
        lives = Lives(account, DATABASE_ID, seed=place, start=at(14, 40), born=scale.events)
        stream = _held(lives, scale, place)
        while bodies := list(islice(stream, 500)):
            store.commit(account.id, bodies, at=_JUST_BEFORE)
        book = _book(account, store.ledger(account.id))
        _book_file(folder, account).write_text(to_json(book))


def _held(lives: Lives, scale: Scale, place: int) -> Iterator[EventBody]:
    positions, orders = scale.positions // len(ACCOUNTS), scale.orders // len(ACCOUNTS)
    for number, contract in enumerate(_contracts(positions, place)):
        resting = _RESTING if number < orders else None
        until = 2 if orders - _IN_FLIGHT <= number < orders else 3
        yield from lives.held(contract, _QTY, _PRICE, resting=resting, until=until)


def _contracts(count: int, place: int) -> Iterator[OptionContract]:
    """Give as many contracts; no two accounts hold the same one."""
    for number in range(count):
        strike = (300 + number * len(ACCOUNTS) + place) * ONE_DOLLAR
        yield OptionContract(
            occ=format_occ("META", _EXPIRATION, Right.CALL, strike),
            underlying="META",
            right=Right.CALL,
            strike=strike,
            expiration=_EXPIRATION,
        )


def market_of(scale: Scale) -> LabMarket:
    """Quote every contract at its entry price: no rule is met."""
    made = LabMarket()
    for place in range(len(ACCOUNTS)):
        for contract in _contracts(scale.positions // len(ACCOUNTS), place):
            made.put_usd4(at(14, 30), _PRICE, _PRICE + 100, occ=contract.occ)
    return made


def _book(account: LabAccount, ledger: Ledger) -> Book:
    """Give what the broker knows: all that the ledger holds, and every order that was sent."""
    book = Book(
        number=account.number, cash=ledger.cash, options_level=2, last_equity=account.cash, session=DAY
    )
    for occ, qty in ledger.held().items():
        book.holdings[occ] = Holding(qty=qty, cost=_PRICE * qty * 100, multiplier=100)
    for order in ledger.live_orders:
        in_flight = order.state is OrderState.SENDING
        broker_id = f"late-{order.id}" if in_flight else str(order.broker_order_id)
        book.by_client_id[order.id] = broker_id
        book.orders[broker_id] = BrokerOrder(
            broker_order_id=broker_id,
            client_order_id=order.id,
            status=BrokerStatus.NEW,
            qty=order.intent.qty,
            cum=0,
            legs=order.intent.legs,
            limit=order.intent.limit,
            submitted_at=_JUST_BEFORE,
        )
    return book


def _book_file(folder: Path, account: LabAccount) -> Path:
    return folder / f"broker-{account.id}.json"


def books_in(folder: Path) -> dict[AccountId, Book]:
    """Read what the brokers know."""
    return {account.id: from_json(_book_file(folder, account).read_text()) for account in ACCOUNTS}
