"""The laboratory: the real services over the shipped broker and store, on a clock that is moved. Shell."""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ops_pipeline.adapters.simulator.book import Book
from ops_pipeline.adapters.store.lease import Leases
from ops_pipeline.adapters.store.store import SqlStore
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.errors import StaleWriterError
from ops_pipeline.domain.events import ControlChanged
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import Interval, Session
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import AccountId
from ops_pipeline.engine.adoption import Holding, adopt
from ops_pipeline.engine.budgeted import RateBudget
from ops_pipeline.engine.clock import SimulatedClock
from ops_pipeline.engine.parts import Cadences, Parts
from ops_pipeline.engine.tick import Engine
from ops_pipeline.engine.wiring import Wiring
from ops_pipeline.ports import Broker, BrokerUnavailable, Store
from ops_pipeline.stages.classifier.tickers import build_universe
from ops_pipeline.verify.databases import DATABASE_ID, HOLDER, Opener, open_database
from ops_pipeline.verify.fuse import Crash, Fuse, fused_broker, fused_store
from ops_pipeline.verify.inputs import Silence, features_of, interval_of, profile_of, signal_of
from ops_pipeline.verify.judges import AT_EACH_STEP, AT_REST, Case, Judge, Violation, judge
from ops_pipeline.verify.market import calendar
from ops_pipeline.verify.oracle import Oracle
from ops_pipeline.verify.tap import Tap, tapped
from ops_pipeline.verify.terms import LabAccount, Terms

# The jobs that may move money; what feeds them is written by the laboratory itself.
_JOBS = ("position_manager", "dispatcher")
_SIGNAL_LIFE = timedelta(seconds=300)
_AFTER_CLOSE = timedelta(minutes=10)
_LEASE_RUNS_OUT = timedelta(seconds=16)
_STEPS_BEFORE_IT_WAKES = 3
_HOPELESS = 50
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something done from outside at an instant; once `done` holds it is not done (again)."""

    at: datetime
    do: Callable[["Lab"], None]
    done: Callable[["Lab"], bool] = lambda _: False


@dataclass(frozen=True, slots=True)
class Process:
    """One life of the program: everything in it is gone when it dies."""

    store: Store
    wiring: Wiring
    engine: Engine


@dataclass(slots=True)
class Lab:
    """A process that trades, the brokers it trades at, and the clock of both.

    The brokers' books, the network and the database outlive every process.
    """

    folder: Path
    terms: Terms
    fuse: Fuse = field(default_factory=Fuse)
    before_step: Callable[["Lab"], None] = lambda _: None
    restart_after: Callable[[], timedelta] = lambda: timedelta(0)
    opener: Opener = open_database
    clock: SimulatedClock = field(default_factory=lambda: SimulatedClock(_LONG_AGO))
    oracles: dict[AccountId, Oracle] = field(init=False)
    brokers: dict[AccountId, Broker] = field(init=False)
    process: Process = field(init=False)
    store: SqlStore = field(init=False)
    lives: int = field(init=False, default=0)
    signals: set[str] = field(init=False, default_factory=set)
    violations: list[Violation] = field(init=False, default_factory=list)
    _left: list[SqlStore] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        """Open the accounts and start the first process."""
        terms = self.terms
        self.clock.move_to(terms.start)
        self.oracles = {account.id: self._oracle(account) for account in terms.accounts}
        self.brokers = {
            account.id: self._tapped(account, terms.network.connect(account, self.oracles[account.id]))
            for account in terms.accounts
        }
        self.store = self.open_store(HOLDER)
        self.start()

    def close(self) -> None:
        """Close the database, and those of processes that were taken over from."""
        for store in (self.store, *self._left):
            store.close()

    def take_over(self) -> None:
        """Let another process take the accounts over while this one stands still in the middle of its work.

        It waits for the lease to run out and works for a while; then the old one wakes up, where it was.
        """
        self.fuse.armed = False
        self._left.append(self.store)
        self.clock.move_to(self.clock.now() + _LEASE_RUNS_OUT)
        self.lives += 1
        self.store = self.open_store(f"{HOLDER}-{self.lives}")
        self.process = self.new_process(self.store)
        self._begin()
        for _ in range(_STEPS_BEFORE_IT_WAKES):
            due = self.process.engine.next_due(self.clock.now())
            if due is None:
                break
            self.clock.move_to(max(due, self.clock.now()))
            self.terms.network.deliver(self.clock.now())
            self.process.engine.run_due(self.clock.now())
        self.fuse.armed = True

    def ledger(self, account: AccountId) -> Ledger:
        """Give the account's ledger as it is stored."""
        return self.store.ledger(account)

    @property
    def accounts(self) -> tuple[AccountId, ...]:
        """Give the accounts."""
        return tuple(self.oracles)

    def start(self) -> None:
        """Begin a process with nothing in its memory; one that dies as it starts is followed by another."""
        while True:
            self.lives += 1
            self.store = self._renewed(self.store)
            self.process = self.new_process(self.store)
            try:
                self._begin()
                return
            except Crash:
                self.clock.move_to(self.clock.now() + self.restart_after())

    def _begin(self) -> None:
        """Open the accounts; a start that the broker does not answer is tried again in a second."""
        while True:
            try:
                self.process.wiring.open_accounts(self.clock.now())
                return
            except BrokerUnavailable:
                self.clock.move_to(self.clock.now() + timedelta(seconds=1))

    def new_process(self, store: SqlStore) -> Process:
        """Wire the services over a store; nothing runs yet."""
        guarded = fused_store(store, self.fuse)
        wiring = Wiring(self._parts(guarded))
        machinery = wiring.machinery()
        rows = tuple(row for row in machinery.rows if row.job.name in _JOBS)
        return Process(guarded, wiring, Engine(replace(machinery, rows=rows)))

    def live(self, acts: Sequence[Act], end: datetime) -> None:
        """Run from the clock's instant to `end`, over every session between them."""
        pending = sorted(acts, key=lambda act: act.at)
        first = self.clock.now()
        for session in calendar().between(first.date(), end.date()):
            now: datetime | None = max(first, session.open_at)
            last = min(end, session.close_at + _AFTER_CLOSE)
            while now is not None and now <= last:
                self.clock.move_to(max(now, self.clock.now()))
                self._instant(pending)
                now = self._next(pending, last)

    def _instant(self, pending: list[Act]) -> None:
        self.before_step(self)
        now = self.clock.now()
        try:
            for act in [entry for entry in pending if entry.at <= now]:
                if not act.done(self):
                    act.do(self)
                pending.remove(act)
            self.terms.network.deliver(now)
            self.process.engine.run_due(now)
            self.judge_step()
        except StaleWriterError:
            # A process that was taken over from has stopped itself; the new one goes on.
            self.judge_step()
        except Crash:
            self.clock.move_to(self.clock.now() + self.restart_after())
            self.start()
            self._instant(pending)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            detail = f"{type(error).__name__} in {place.name}: {error}"
            self.violations.append(Violation("H1", "", self.clock.now(), detail))
            if len(self.violations) > _HOPELESS:
                raise
            self.start()

    def _next(self, pending: Sequence[Act], last: datetime) -> datetime | None:
        now = self.clock.now()
        later = [act.at for act in pending if act.at > now and act.at <= last]
        due = self.process.engine.next_due(now)
        if due is not None:
            later.append(due)
        arrival = self.terms.network.next_arrival(now)
        if arrival is not None and arrival <= last:
            later.append(arrival)
        return min(later, default=None)

    def judge_step(self) -> None:
        """Judge what must hold at every instant."""
        self._judge(AT_EACH_STEP)

    def judge_rest(self) -> None:
        """Judge what must hold once everything has had its time."""
        for oracle in self.oracles.values():
            oracle.advance()
        self._judge(AT_REST)

    def _judge(self, judges: Sequence[tuple[str, Judge]]) -> None:
        for account in self.accounts:
            self.violations += judge(self._case(account, whole=judges is AT_REST), judges)

    def _case(self, account: AccountId, *, whole: bool) -> Case:
        return Case(
            account=account,
            at=self.clock.now(),
            ledger=self.ledger(account),
            events=self.store.events(account) if whole else (),
            book=self.oracles[account].book,
            prefix=f"op1{DATABASE_ID[:4]}-",
            signals=frozenset(self.signals),
        )

    def _tapped(self, account: LabAccount, broker: Broker) -> Broker:
        tap = Tap(
            broker,
            account.id,
            ledger=lambda: self.ledger(account.id),
            now=self.clock.now,
            tell=self.violations.append,
        )
        return tapped(tap)

    def hold(self, holding: Holding) -> None:
        """Let an account hold contracts that were bought before; no process can die over it."""
        self.fuse.armed = False
        adopted = adopt(
            holding,
            now=self.clock.now(),
            market=self.terms.market,
            calendar=calendar(),
            store=self.store,
            broker=self.oracles[holding.account],
        )
        self.fuse.armed = True
        if not adopted:
            raise ValueError(f"holding: nothing is offered for {holding}")

    def signal(
        self,
        ticker: str,
        *,
        strategy: Strategy = Strategy.SWING,
        right: Right = Right.CALL,
        life: timedelta = _SIGNAL_LIFE,
    ) -> None:
        """Store a signal of this instant with the features it was made from."""
        session = self.features(ticker, interval_of(strategy))
        wish = signal_of(ticker, strategy, right, session=session, now=self.clock.now(), life=life)
        self.signals.add(wish.id)
        self.store.add_decisions([wish], [])

    def features(self, ticker: str, interval: Interval = Interval.DAY) -> Session:
        """Store an underlying's features as of this instant; give the session."""
        now = self.clock.now()
        session = calendar().session_at(now)
        if session is None:
            raise ValueError(f"features: expected an instant of a session, was {now}")
        self.store.add_features([features_of(ticker, interval, session, now)])
        return session

    def control(self, account: AccountId, level: ControlLevel) -> None:
        """Set an account's kill level as a person does."""
        changed = ControlChanged(level=level, reason="a drill", actor="operator")
        self.process.store.commit(account, [changed], at=self.clock.now())

    def open_store(self, holder: str) -> SqlStore:
        """Open the laboratory's database over a connection of its own."""
        return self.opener(self.folder, holder, self.clock.now)

    def _renewed(self, store: SqlStore) -> SqlStore:
        """Give a store that remembers nothing, over the same connection: what a new process opens."""
        leases = Leases(store.database, holder=HOLDER, build_hash="", clock=self.clock.now)
        fresh = SqlStore(store.database, leases, emergency=store.emergency)
        fresh.import_journal()
        return fresh

    def _oracle(self, account: LabAccount) -> Oracle:
        book = Book(
            number=account.number,
            cash=account.cash,
            options_level=account.options_level,
            last_equity=account.cash,
        )
        terms = self.terms
        return Oracle(book, market=terms.market, calendar=calendar(), clock=self.clock, rules=terms.match)

    def _parts(self, store: Store) -> Parts:
        terms, silence = self.terms, Silence()
        return Parts(
            book=terms.book,
            store=store,
            market=terms.market,
            news=silence,
            model=silence,
            universe=build_universe({}),
            calendar=calendar(),
            symbols=(),
            intervals=(Interval.MINUTE, Interval.DAY),
            profiles=tuple(profile_of(account) for account in terms.accounts),
            brokers={name: fused_broker(broker, self.fuse) for name, broker in self.brokers.items()},
            budgets={name: RateBudget(terms.book.rate_rules(), self.clock) for name in self.brokers},
            cadences=Cadences(
                iv_every=timedelta(hours=1), daily_every=timedelta(minutes=5), retry_every=timedelta(0)
            ),
            recorded=False,
        )
