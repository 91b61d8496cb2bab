"""A broker's process, a database, and processes that trade between them: started, watched, judged. Shell."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from threading import Lock
from typing import Any

from ops_pipeline.adapters.store import verify as audit
from ops_pipeline.adapters.store.lease import TTL_S
from ops_pipeline.adapters.store.store import maintenance, open_store, read_store
from ops_pipeline.domain.events import Event
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.ledger_fold import apply_all
from ops_pipeline.domain.units import AccountId
from ops_pipeline.engine.adoption import adopt
from ops_pipeline.engine.wiring import Wiring
from ops_pipeline.ports import BrokerUnavailable
from ops_pipeline.verify import wire_judges
from ops_pipeline.verify.brokerclient import HttpBroker
from ops_pipeline.verify.brokerserver import Served, ServerTerms, Truth, start_server
from ops_pipeline.verify.counter import CounterTerms
from ops_pipeline.verify.databases import DATABASE_ID
from ops_pipeline.verify.judges import AT_ANY_INSTANT, AT_REST, Case, judge
from ops_pipeline.verify.market import calendar
from ops_pipeline.verify.processes import machine_s, pause, prepare, processes, start
from ops_pipeline.verify.services import parts_of
from ops_pipeline.verify.terms import LabBook
from ops_pipeline.verify.trader import TraderTerms, trade
from ops_pipeline.verify.troubles import Climate
from ops_pipeline.verify.wire import to_bytes
from ops_pipeline.verify.workload import START, Workload

# Market seconds a second: a minute's work passes in one, and a tick still has its milliseconds.
SPEED = 60.0
_SETS_UP_WITHIN_S = 1.5
_OPENS_WITHIN_S = 60.0
# Nothing is on its way for longer; what then still moves is waited for.
_RESTS_AFTER = timedelta(seconds=60)
# Beyond quarantine and drain everything has had its time.
_RESTS_WITHIN = timedelta(minutes=8)
# Sooner than anybody can ask for a price.
_QUIET_IN = timedelta(seconds=2)
# An exit needs two looks at a price, 15 s apart.
_STAYS_QUIET = timedelta(seconds=45)
_LOOKS_EVERY_S = 0.1
# Migrations keep what they are about in one place for the whole process.
_ONE_AT_A_TIME = Lock()


@dataclass(frozen=True, slots=True)
class Running:
    """A process that trades, and what it says."""

    process: BaseProcess
    told: Connection

    def opened(self, *, within_s: float = _OPENS_WITHIN_S) -> bool:
        """Wait until it trades; False where it is not so far by then."""
        if not self.told.poll(within_s):
            return False
        said = self.told.recv()
        if said != "opened":
            raise RuntimeError(f"process {self.process.pid}: expected it to trade, it said {said!r}")
        return True

    def last_words(self) -> str:
        """Give what it said as it stopped by itself; "" where it said nothing."""
        words = ""
        with suppress(EOFError):
            while self.told.poll(0):
                words = str(self.told.recv())
        return words


@dataclass(slots=True, kw_only=True)
class Rig:
    """One broker and one database; the processes that use them come and go."""

    book: LabBook
    work: Workload
    database: str
    served: Served
    terms: TraderTerms
    _launched: list[Running] = field(default_factory=list)

    def launch(self, **changes: Any) -> Running:
        """Start a process that trades."""
        ours, theirs = processes().Pipe(duplex=False)
        process = start(trade, replace(self.terms, **changes), theirs)
        theirs.close()
        running = Running(process, ours)
        self._launched.append(running)
        return running

    def close(self) -> None:
        """End everything."""
        for running in self._launched:
            running.process.kill()
            running.process.join()
            running.told.close()
        self.served.stop()

    @property
    def accounts(self) -> tuple[AccountId, ...]:
        """Give the accounts."""
        return tuple(account.id for account in self.work.accounts)

    def ledgers(self) -> dict[AccountId, Ledger]:
        """Give every account's ledger as it is stored."""
        with read_store(self.database) as store:
            return {account: store.ledger(account) for account in self.accounts}

    def pages(self) -> str:
        """Check the database's pages and indexes."""
        with maintenance(self.database) as database:
            return audit.pages(database)

    def quieten(self) -> None:
        """Let prices stand and wishes end, for the broker and for the processes that begin from now on."""
        when = self.served.clock.now() + _QUIET_IN
        self.served.tell("/lab/market/stand", to_bytes({"at": when}))
        self.work = self.work.quieted(when)
        self.terms = replace(self.terms, work=self.work)

    def rest(self) -> None:
        """Wait until signals are over, and no order has lived for a while."""
        clock = self.served.clock
        pause(clock.seconds_to(self.work.quiet_at + _RESTS_AFTER))
        quiet_since = clock.now()
        until = quiet_since + _RESTS_WITHIN
        while clock.now() < min(quiet_since + _STAYS_QUIET, until):
            pause(_LOOKS_EVERY_S)
            if any(ledger.live_orders or ledger.live_rolls for ledger in self.ledgers().values()):
                quiet_since = clock.now()

    def objections(self, *, at_rest: bool) -> list[str]:
        """Judge every account by what stands in the database and at the broker."""
        found: list[str] = []
        with read_store(self.database) as store:
            for account in self.accounts:
                # A process may go on meanwhile: what came was intended, and what is booked was filled.
                came = self.served.truth(account)
                events = store.events(account)
                truth = self.served.truth(account)
                ledger = apply_all(Ledger(account=account), events)
                found += self._judged(account, ledger, events, truth, at_rest=at_rest)
                found += wire_judges.objections(ledger, events, came)
                rows = store.verdicts(account, session=START.date())
                found += wire_judges.undecided(events, frozenset(rows))
            if at_rest:
                found += [f"O12 {finding}" for finding in audit.verify(store.database)]
        return found

    def _judged(
        self,
        account: AccountId,
        ledger: Ledger,
        events: Sequence[Event],
        truth: Truth,
        *,
        at_rest: bool,
    ) -> list[str]:
        case = Case(
            account=account,
            at=truth.at,
            ledger=ledger,
            events=events,
            book=truth.book,
            prefix=f"op1{self.terms.database_id[:4]}-",
            signals=frozenset(wish.id for wish in self.work.wishes),
            calendar=calendar(),
        )
        return [str(found) for found in judge(case, AT_REST if at_rest else AT_ANY_INSTANT)]


def open_rig(
    book: LabBook,
    work: Workload,
    database: str,
    climate: Climate,
    *,
    ttl_s: float = TTL_S,
    speed: float = SPEED,
) -> Rig:
    """Start a broker, make the database, let the accounts hold what they are to hold; nobody trades yet."""
    prepare(book)
    with _ONE_AT_A_TIME:
        return _opened(book, work, database, climate, ttl_s=ttl_s, speed=speed)


def _opened(
    book: LabBook, work: Workload, database: str, climate: Climate, *, ttl_s: float, speed: float
) -> Rig:
    base_s = machine_s() + _SETS_UP_WITHIN_S
    counter = CounterTerms(market=work.market, accounts=work.accounts, match=work.match, database=database)
    served = start_server(
        ServerTerms(counter=counter, start=START, base_s=base_s, speed=speed, climate=climate)
    )
    terms = TraderTerms(
        book=book,
        work=work,
        database=database,
        database_id=DATABASE_ID,
        holder="first",
        address=served.address,
        base_s=base_s,
        speed=speed,
        lease_ttl_s=ttl_s,
    )
    rig = Rig(book=book, work=work, database=database, served=served, terms=terms)
    try:
        _begin(rig)
    except BaseException:
        rig.close()
        raise
    return rig


def _begin(rig: Rig) -> None:
    """Open the ledgers and adopt the holdings, before anything can go wrong."""
    clock = _Standing()
    with open_store(
        rig.database, durable=False, database_id=rig.terms.database_id, holder="set-up", locked=True
    ) as store:
        direct = {name: HttpBroker(rig.served.address, name, now=clock.now) for name in rig.accounts}
        parts = parts_of(
            rig.book,
            store=store,
            market=rig.work.market,
            accounts=rig.work.accounts,
            brokers={**direct},
            clock=clock,
            calendar=calendar(),
        )
        _patiently(lambda: Wiring(parts).open_accounts(START))
        for broker in direct.values():
            broker.close()
        for holding in rig.work.holdings:
            adopt(
                holding,
                now=START,
                market=rig.work.market,
                calendar=calendar(),
                store=store,
                broker=rig.served.receiver(holding.account),
            )


class _Standing:
    """A clock that stands where the work begins."""

    def now(self) -> datetime:
        """Give the instant."""
        return START


def _patiently(call: Callable[[], None]) -> None:
    """Call until the broker answers: what goes wrong on the way to it does so from the first call on."""
    while True:
        try:
            call()
            return
        except BrokerUnavailable:
            pause(_LOOKS_EVERY_S)
