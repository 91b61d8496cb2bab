"""A process that trades: the real services over a durable database and a broker behind HTTP. Shell."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any, cast

from ops_pipeline.adapters.store.store import SqlStore, open_store
from ops_pipeline.domain.errors import LeaseHeldError, OpsError
from ops_pipeline.domain.events import EventBody
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import AccountId
from ops_pipeline.engine.rulebook import remembered
from ops_pipeline.engine.wiring import Wiring
from ops_pipeline.ports import Broker, BrokerUnavailable, Store
from ops_pipeline.verify.brokerclient import HttpBroker, Timeouts
from ops_pipeline.verify.inputs import features_of, interval_of, signal_of
from ops_pipeline.verify.market import calendar
from ops_pipeline.verify.processes import MachineClock, pause
from ops_pipeline.verify.services import engine_of, parts_of
from ops_pipeline.verify.terms import LabBook, as_lab_book
from ops_pipeline.verify.workload import LIFE, START, Wish, Workload

STOPPED_ITSELF = 3
_LONGEST_NAP_S = 0.02
_TRIES_AGAIN_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class TraderTerms:
    """What a trading process is started with.

    `journal` is where it notes the epoch under which each commit of its own was made; `stands_by`: while
    another holds the lease it waits for it instead of stopping; `first` is called before all else.
    """

    book: LabBook
    work: Workload
    database: str
    database_id: str
    holder: str
    address: tuple[str, int]
    base_s: float
    speed: float
    timeouts: Timeouts = field(default_factory=Timeouts)
    lease_ttl_s: float
    journal: Path | None = None
    stands_by: bool = False
    client: type[HttpBroker] = HttpBroker
    first: Callable[[], object] = tuple


class Stop:
    """Turns SIGTERM into a wish to stop, looked at between two ticks."""

    def __init__(self) -> None:
        """Listen from now on."""
        self.wanted = False
        signal.signal(signal.SIGTERM, self._note)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.wanted = True


class Journaled:
    """A store that notes every commit of the ledger after it was made, with its epoch."""

    def __init__(self, store: SqlStore, path: Path) -> None:
        """Note the commits of `store` in a file of this process's own."""
        self._store = store
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._store, name)
        setattr(self, name, value)
        return value

    def commit(self, account: AccountId, bodies: Sequence[EventBody], *, at: datetime) -> Ledger:
        """Commit, then note the newest event and the epoch it was written under."""
        ledger = self._store.commit(account, bodies, at=at)
        if bodies:
            os.write(self._file, f"{account} {ledger.seq} {self._store.epoch(account)}\n".encode())
        return ledger


def trade(terms: TraderTerms, told: Connection) -> None:
    """Trade until SIGTERM; tell "opened" once the accounts are open, or why it stopped by itself."""
    stop = Stop()
    terms.first()
    try:
        with _opened(terms, stop) as store:
            _trade_on(terms, store, stop, told)
    except OpsError as error:
        told.send(f"{type(error).__name__}: {error}")
        sys.exit(STOPPED_ITSELF)


def _opened(terms: TraderTerms, stop: Stop) -> SqlStore:
    while True:
        store = open_store(
            terms.database,
            durable=True,
            database_id=terms.database_id,
            holder=terms.holder,
            locked=True,
        )
        store.let_leases_live(terms.lease_ttl_s)
        try:
            for account in terms.work.accounts:
                store.epoch(account.id)
            return store
        except LeaseHeldError:
            store.close()
            if not terms.stands_by or stop.wanted:
                raise
            pause(_TRIES_AGAIN_S)


def _trade_on(terms: TraderTerms, store: SqlStore, stop: Stop, told: Connection) -> None:
    clock = MachineClock(START, base_s=terms.base_s, speed=terms.speed)
    written = cast("Store", Journaled(store, terms.journal)) if terms.journal is not None else store
    wiring = Wiring(
        parts_of(
            as_lab_book(remembered(terms.book)),
            store=written,
            market=terms.work.market,
            accounts=terms.work.accounts,
            brokers=_brokers(terms, clock),
            clock=clock,
            calendar=calendar(),
        )
    )
    engine = engine_of(wiring)
    _open_accounts(wiring, clock, stop)
    told.send("opened")
    pending = list(terms.work.wishes)
    while not stop.wanted:
        now = clock.now()
        for wish in [entry for entry in pending if entry.at <= now]:
            _store_wish(written, wish)
            pending.remove(wish)
        engine.run_due(now)
        store.renew_leases()
        due = engine.next_due(now)
        nap = clock.seconds_to(due) if due is not None else _LONGEST_NAP_S
        pause(min(_LONGEST_NAP_S, nap))
    engine.flush(clock.now())


def _brokers(terms: TraderTerms, clock: MachineClock) -> dict[AccountId, Broker]:
    return {
        account.id: terms.client(terms.address, account.id, now=clock.now, timeouts=terms.timeouts)
        for account in terms.work.accounts
    }


def _open_accounts(wiring: Wiring, clock: MachineClock, stop: Stop) -> None:
    while not stop.wanted:
        try:
            wiring.open_accounts(clock.now())
            return
        except BrokerUnavailable:
            pause(_TRIES_AGAIN_S)


def _store_wish(store: Store, wish: Wish) -> None:
    """Store a signal with its features; one that is stored already stays."""
    session = calendar().session_at(wish.at)
    if session is None:
        raise ValueError(f"wish: expected an instant of a session, was {wish.at}")
    interval = interval_of(Strategy.SWING)
    store.add_features([features_of(wish.ticker, interval, session, wish.at)])
    made = signal_of(wish.ticker, Strategy.SWING, Right.CALL, session=session, now=wish.at, life=LIFE)
    store.add_decisions([made], [])
