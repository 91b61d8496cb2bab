"""The laboratory: the real services over the shipped broker and store, on a clock that is moved. Shell."""

import gc
import traceback
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ops_pipeline.adapters.simulator.book import Book
from ops_pipeline.adapters.store.lease import Leases
from ops_pipeline.adapters.store.store import SqlStore
from ops_pipeline.adapters.store.verify import verify
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.errors import LeaseHeldError, StaleWriterError
from ops_pipeline.domain.events import ControlChanged
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import Interval, Session
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import AccountId
from ops_pipeline.engine.adoption import Holding, adopt
from ops_pipeline.engine.clock import SimulatedClock
from ops_pipeline.engine.parts import Parts
from ops_pipeline.engine.tick import Engine
from ops_pipeline.engine.wiring import Wiring
from ops_pipeline.ports import Broker, BrokerUnavailable, Store
from ops_pipeline.verify.databases import DATABASE_ID, HOLDER, Opener, open_database
from ops_pipeline.verify.evidence import ON_EVIDENCE
from ops_pipeline.verify.fuse import Crash, Fuse, fused_broker, fused_store
from ops_pipeline.verify.heard import Heard
from ops_pipeline.verify.inputs import features_of, interval_of, signal_of
from ops_pipeline.verify.judges import AT_EACH_STEP, AT_REST, Case, Judge, Violation, judge
from ops_pipeline.verify.oracle import Oracle
from ops_pipeline.verify.pushes import PushedUpdates
from ops_pipeline.verify.rulings import BY_THE_RULEBOOK
from ops_pipeline.verify.services import engine_of, parts_of
from ops_pipeline.verify.tap import Tap, tapped
from ops_pipeline.verify.terms import LabAccount, Terms

_SIGNAL_LIFE = timedelta(seconds=300)
_AFTER_CLOSE = timedelta(minutes=10)
_LEASE_RUNS_OUT = timedelta(seconds=16)
_STEPS_BEFORE_IT_WAKES = 3
# A process that was taken over from stops itself; the new one goes on.
_TAKEN_OVER = (StaleWriterError, LeaseHeldError)
_HOPELESS = 50
_WHOLE: tuple[tuple[str, Judge], ...] = (*AT_REST, *ON_EVIDENCE, *BY_THE_RULEBOOK)
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something done from outside at an instant; once `done` holds it is not done (again)."""

    at: datetime
    do: Callable[["Lab"], None]
    done: Callable[["Lab"], bool] = lambda _: False


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which no process of ours ran, and why."""

    since: datetime
    until: datetime
    why: str


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
    longest_life: timedelta = timedelta.max
    opener: Opener = open_database
    clock: SimulatedClock = field(default_factory=lambda: SimulatedClock(_LONG_AGO))
    oracles: dict[AccountId, Oracle] = field(init=False)
    brokers: dict[AccountId, Broker] = field(init=False)
    process: Process = field(init=False)
    store: SqlStore = field(init=False)
    lives: int = field(init=False, default=0)
    signals: set[str] = field(init=False, default_factory=set)
    violations: list[Violation] = field(init=False, default_factory=list)
    outages: list[Outage] = field(init=False, default_factory=list)
    heard: dict[AccountId, Heard] = field(init=False)
    pushes: dict[AccountId, PushedUpdates] = field(init=False)
    # Seconds since the epoch: a year of instants is to take little of the memory that is measured.
    steps: "array[float]" = field(init=False, default_factory=lambda: array("d"))
    _left: list[SqlStore] = field(init=False, default_factory=list)
    _holder: str = field(init=False, default=HOLDER)

    def __post_init__(self) -> None:
        """Open the accounts and start the first process."""
        terms = self.terms
        self.clock.move_to(terms.start)
        self.oracles = {account.id: self._oracle(account) for account in terms.accounts}
        self.heard = {account.id: Heard() for account in terms.accounts}
        self.pushes = {
            name: PushedUpdates(self.oracles[name], schedule, self.clock.now)
            for name, schedule in terms.pushes.items()
        }
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

    def restart(self) -> None:
        """Let the process end and another one begin, over a connection of its own."""
        self.store.close()
        self.store = self.open_store(HOLDER)
        self.start()
        # What a process leaves in memory is gone with it.
        gc.collect()

    def be_off(self, span: timedelta, why: str) -> None:
        """Let time pass in which no process of ours runs."""
        since = self.clock.now()
        self.clock.move_to(since + span)
        self.outages.append(Outage(since, since + span, why))

    def take_over(self) -> None:
        """Let another process take the accounts over while this one stands still in the middle of its work.

        It waits for the lease to run out and works for a while; then the old one wakes up, where it was.
        """
        self.fuse.armed = False
        self._left.append(self.store)
        self.be_off(_LEASE_RUNS_OUT, "lease to run out")
        self.lives += 1
        self._holder = f"{HOLDER}-{self.lives}"
        self.store = self.open_store(self._holder)
        self.process = self.new_process(self.store)
        self._begin()
        for _ in range(_STEPS_BEFORE_IT_WAKES):
            due = self.process.engine.next_due(self.clock.now())
            if due is None:
                break
            self.clock.move_to(max(due, self.clock.now()))
            self.terms.network.deliver(self.clock.now())
            self.steps.append(self.clock.now().timestamp())
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
            except _TAKEN_OVER:
                return
            except Crash:
                self.be_off(self.restart_after(), "process dead")

    def _begin(self) -> None:
        """Open the accounts; a start without the broker's answer or the lease is tried again in a second."""
        while True:
            try:
                self.process.wiring.open_accounts(self.clock.now())
                return
            except (BrokerUnavailable, LeaseHeldError):
                self.be_off(timedelta(seconds=1), "start refused")

    def new_process(self, store: SqlStore) -> Process:
        """Wire the services over a store; nothing runs yet."""
        for stream in self.pushes.values():
            stream.dial()
        guarded = fused_store(store, self.fuse)
        wiring = Wiring(self._parts(guarded))
        return Process(guarded, wiring, engine_of(wiring))

    def live(self, acts: Sequence[Act], end: datetime) -> None:
        """Run from the clock's instant to `end`, over every session between them."""
        pending = sorted(acts, key=lambda act: act.at)
        first = self.clock.now()
        for session in self.terms.calendar.between(first.date(), end.date()):
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
            self.steps.append(now.timestamp())
            self.process.engine.run_due(now)
            self.judge_step()
        except _TAKEN_OVER:
            self.judge_step()
        except Crash:
            self.be_off(self.restart_after(), "process dead")
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
        arrivals = [self.terms.network.next_arrival(now)]
        arrivals += [stream.next_arrival(now) for stream in self.pushes.values()]
        later += [arrival for arrival in arrivals if arrival is not None and arrival <= last]
        return min(later, default=None)

    def look(self) -> None:
        """Let every broker's market meet its orders now, whether or not anybody asks it."""
        for oracle in self.oracles.values():
            oracle.advance()

    def judge_step(self) -> None:
        """Judge what must hold at every instant."""
        self._judge(AT_EACH_STEP)

    def judge_rest(self) -> None:
        """Judge what must hold once everything has had its time."""
        self.look()
        self._judge(_WHOLE)
        self.violations += [
            Violation("O12", found.account, self.clock.now(), str(found))
            for found in verify(self.store.database)
        ]

    def _judge(self, judges: Sequence[tuple[str, Judge]]) -> None:
        for account in self.accounts:
            self.violations += judge(self._case(account, whole=judges is _WHOLE), judges)

    def _case(self, account: AccountId, *, whole: bool) -> Case:
        return Case(
            account=account,
            at=self.clock.now(),
            ledger=self.ledger(account),
            events=self.store.events(account) if whole else (),
            book=self.oracles[account].book,
            prefix=f"op1{DATABASE_ID[:4]}-",
            signals=frozenset(self.signals),
            heard=self.heard[account],
            steps=[datetime.fromtimestamp(step, UTC) for step in self.steps] if whole else (),
            calendar=self.terms.calendar,
            quote=lambda occ, at: self.terms.market.quotes([occ], now=at).get(occ),
        )

    def _tapped(self, account: LabAccount, broker: Broker) -> Broker:
        tap = Tap(
            broker,
            account.id,
            ledger=lambda: self.ledger(account.id),
            now=self.clock.now,
            tell=self.violations.append,
            heard=self.heard[account.id],
            market=self.terms.market,
            truth=self.oracles[account.id],
        )
        tap.pushes = self.pushes.get(account.id)
        return tapped(tap)

    def hold(self, holding: Holding) -> None:
        """Let an account hold contracts that were bought before; no process can die over it."""
        self.fuse.armed = False
        adopted = adopt(
            holding,
            now=self.clock.now(),
            market=self.terms.market,
            calendar=self.terms.calendar,
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
        life = min(life, self.longest_life)
        wish = signal_of(ticker, strategy, right, session=session, now=self.clock.now(), life=life)
        self.signals.add(wish.id)
        self.store.add_decisions([wish], [])

    def features(self, ticker: str, interval: Interval = Interval.DAY) -> Session:
        """Store an underlying's features as of this instant; give the session."""
        now = self.clock.now()
        session = self.terms.calendar.session_at(now)
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
        # The dead process's parts have no say in what this one commits; who records the disk goes on.
        store.database.before_commit.clear()
        listeners = store.database.on_end
        listeners[:] = [listener for listener in listeners if not hasattr(listener, "__self__")]
        leases = Leases(store.database, holder=self._holder, build_hash="", clock=self.clock.now)
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
        return Oracle(
            book, market=terms.market, calendar=self.terms.calendar, clock=self.clock, rules=terms.match
        )

    def _parts(self, store: Store) -> Parts:
        return parts_of(
            self.terms.book,
            store=store,
            market=self.terms.market,
            accounts=self.terms.accounts,
            brokers={name: fused_broker(broker, self.fuse) for name, broker in self.brokers.items()},
            clock=self.clock,
            calendar=self.terms.calendar,
            streams=self.pushes,
        )
