"""The accounts behind a broker's door, each with its oracle, and who listens at the door. Shell."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from ops_pipeline.adapters.simulator.book import Book, to_json
from ops_pipeline.adapters.simulator.matching import MatchRules
from ops_pipeline.adapters.store.store import SqlStore, read_store
from ops_pipeline.domain.errors import MissingDataError
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import Accepted, OrderIntent, Rejected
from ops_pipeline.domain.units import AccountId, ClientOrderId, Occ, Usd4
from ops_pipeline.ports import Clock
from ops_pipeline.stages.execution.lifecycle import body_hash
from ops_pipeline.verify.heard import Heard
from ops_pipeline.verify.judges import Violation
from ops_pipeline.verify.market import LabMarket, calendar
from ops_pipeline.verify.oracle import Oracle
from ops_pipeline.verify.tap import Tap
from ops_pipeline.verify.terms import NOTHING_BY_CHANCE, LabAccount
from ops_pipeline.verify.wire import NOT_FOUND, NOT_UNIQUE

_RESET = timedelta(seconds=5)
_NOT_UNIQUE = 42210001


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterTerms:
    """What the accounts are opened with.

    `database` is where the orders' SENDING must stand before they come; "": nobody listens. `cash` opens
    an account that is asked for and not among `accounts`; 0: there is none.
    """

    market: LabMarket
    accounts: Sequence[LabAccount] = ()
    match: MatchRules = NOTHING_BY_CHANCE
    database: str = ""
    cash: Usd4 = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the broker says: a status and a value of the domain."""

    status: int
    body: Any = None


@dataclass(slots=True)
class Behind:
    """One account: its oracle, the tap at its door, what was heard there."""

    oracle: Oracle
    tap: Tap | None
    heard: list[tuple[str, str]] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)


class Counter:
    """Answers the calls of `ports.Broker`, spelled as methods and paths, one at a time."""

    def __init__(self, terms: CounterTerms, clock: Clock) -> None:
        """Open the accounts."""
        self._terms = terms
        self._clock = clock
        self._reader: SqlStore | None = None
        self._accounts: dict[str, Behind] = {}
        for account in terms.accounts:
            self._open(account)

    def answer(self, method: str, what: str, account: str, query: Mapping[str, str]) -> Answer:
        """Answer a read or a cancel."""
        behind = self._behind(account)
        if behind is None:
            return Answer(HTTPStatus.NOT_FOUND, _problem(NOT_FOUND, f"no account {account}"))
        oracle = behind.oracle
        match method, what:
            case "GET", "account":
                return Answer(HTTPStatus.OK, oracle.account())
            case "GET", "positions":
                return Answer(HTTPStatus.OK, {"rows": list(oracle.positions())})
            case "GET", "orders":
                since = datetime.fromisoformat(query["since"])
                return Answer(HTTPStatus.OK, {"rows": list(oracle.orders(since=since))})
            case "GET", "activities":
                since = datetime.fromisoformat(query["since"])
                return Answer(HTTPStatus.OK, {"rows": list(oracle.activities(since=since))})
            case "GET", "order":
                found = oracle.order(ClientOrderId(query["client_order_id"]))
                missing = Answer(HTTPStatus.NOT_FOUND, _problem(NOT_FOUND, "order not found"))
                return Answer(HTTPStatus.OK, found) if found is not None else missing
            case "PUT", "suspended":
                oracle.suspend(on=query["on"] == "1")
                return Answer(HTTPStatus.NO_CONTENT)
            case "DELETE", "orders":
                return self._cancel(oracle, query["id"])
            case _:
                return Answer(HTTPStatus.NOT_FOUND, _problem(NOT_FOUND, f"no {method} {what}"))

    def submit(self, intent: OrderIntent) -> Answer:
        """Take an order, or say why not."""
        behind = self._behind(intent.account)
        if behind is None:
            return Answer(HTTPStatus.NOT_FOUND, _problem(NOT_FOUND, f"no account {intent.account}"))
        behind.heard.append((intent.client_order_id, body_hash(intent)))
        if behind.tap is not None:
            behind.tap.hear(intent)
        match behind.oracle.take(intent):
            case Accepted(order=order):
                return Answer(HTTPStatus.OK, order)
            case Rejected(code=code, message=message):
                return Answer(HTTPStatus.UNPROCESSABLE_ENTITY, _problem(int(code), message))
            case _:
                return Answer(HTTPStatus.UNPROCESSABLE_ENTITY, _problem(_NOT_UNIQUE, NOT_UNIQUE))

    def refused_for_rate(self) -> Answer:
        """Say when to come again."""
        reset_at = (self._clock.now() + _RESET).isoformat()
        return Answer(HTTPStatus.TOO_MANY_REQUESTS, {**_problem(42910000, "too many"), "reset_at": reset_at})

    def truth(self, account: str) -> Answer:
        """Tell everything about an account: its book, what was heard at its door, what was objected to."""
        behind = self._behind(account)
        if behind is None:
            return Answer(HTTPStatus.NOT_FOUND, _problem(NOT_FOUND, f"no account {account}"))
        now = behind.oracle.advance()
        return Answer(
            HTTPStatus.OK,
            {
                "at": now,
                "book": to_json(behind.oracle.book),
                "heard": behind.heard,
                "violations": behind.violations,
            },
        )

    def receive(self, account: str, occ: str, *, qty: int, price: Usd4) -> Answer:
        """Let an account hold what it is said to have held before."""
        behind = self._accounts[account]
        behind.oracle.receive(Occ(occ), qty=qty, price=price)
        return Answer(HTTPStatus.NO_CONTENT)

    def stand_from(self, when: datetime) -> Answer:
        """Let the market stand from `when` on."""
        self._terms.market.stand_from(when)
        return Answer(HTTPStatus.NO_CONTENT)

    @staticmethod
    def _cancel(oracle: Oracle, broker_id: str) -> Answer:
        if broker_id not in oracle.book.orders:
            return Answer(HTTPStatus.NOT_FOUND, _problem(NOT_FOUND, "order not found"))
        oracle.cancel(broker_id)
        return Answer(HTTPStatus.NO_CONTENT)

    def _behind(self, account: str) -> Behind | None:
        known = self._accounts.get(account)
        if known is None and self._terms.cash:
            known = self._open(LabAccount(id=AccountId(account), cash=self._terms.cash))
        return known

    def _open(self, account: LabAccount) -> Behind:
        book = Book(
            number=account.number,
            cash=account.cash,
            options_level=account.options_level,
            last_equity=account.cash,
        )
        terms = self._terms
        oracle = Oracle(book, market=terms.market, calendar=calendar(), clock=self._clock, rules=terms.match)
        behind = self._accounts[account.id] = Behind(oracle, None)
        if terms.database:
            behind.tap = Tap(
                oracle,
                account.id,
                ledger=_reading(self, account.id),
                now=self._clock.now,
                tell=behind.violations.append,
                heard=Heard(),
                market=terms.market,
                truth=oracle,
            )
        return behind

    def ledger(self, account: AccountId) -> Ledger:
        """Give what is committed at this instant, by a connection of the broker's own."""
        if self._reader is None:
            self._reader = read_store(self._terms.database)
        return self._reader.ledger(account)


def _reading(counter: Counter, account: AccountId) -> Callable[[], Ledger]:
    def read() -> Ledger:
        try:
            return counter.ledger(account)
        except MissingDataError:
            return Ledger(account=account)

    return read


def _problem(code: int, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}
