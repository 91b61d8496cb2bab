"""The laboratory: the real services over the shipped broker and store, on a clock that is moved. Shell."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from ops_pipeline.adapters.simulator.book import Book
from ops_pipeline.adapters.simulator.matching import MatchRules
from ops_pipeline.adapters.store.lease import Leases
from ops_pipeline.adapters.store.store import SqlStore, open_store
from ops_pipeline.domain.accounts import AccountProfile, ControlLevel, DayTradePolicy, Mode
from ops_pipeline.domain.errors import OpsError
from ops_pipeline.domain.events import ControlChanged
from ops_pipeline.domain.features import FeatureRow, IvStatus
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import Interval, Session
from ops_pipeline.domain.news import NewsItem, TextScore
from ops_pipeline.domain.rules import RateRules
from ops_pipeline.domain.signals import Signal, Strategy, signal_id
from ops_pipeline.domain.units import AccountId, Usd4
from ops_pipeline.engine.budgeted import RateBudget
from ops_pipeline.engine.clock import SimulatedClock
from ops_pipeline.engine.parts import Cadences, Parts
from ops_pipeline.engine.rulebook import RuleBook
from ops_pipeline.engine.tick import Engine
from ops_pipeline.engine.wiring import Wiring
from ops_pipeline.ports import Broker, Store
from ops_pipeline.stages.classifier.tickers import build_universe
from ops_pipeline.verify.fuse import Crash, Fuse, fused_broker, fused_store
from ops_pipeline.verify.market import LabMarket, at, calendar
from ops_pipeline.verify.oracle import Oracle

# The jobs that may move money; what feeds them is written by the laboratory itself.
_JOBS = ("position_manager", "dispatcher")
_DATABASE_ID = "ab12" * 8
_HOLDER = "lab"
_SIGNAL_LIFE = timedelta(seconds=300)
_AFTER_CLOSE = timedelta(minutes=10)
NOTHING_BY_CHANCE = MatchRules(seed=1, size_limit=True, passive_chance=0.0, partial_chance=0.0)


class LabBook(RuleBook, Protocol):
    """The rule book with the request budget's numbers: the settings."""

    def rate_rules(self) -> RateRules:
        """Give the request budget's numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabAccount:
    """An account of the laboratory: its cash (Usd4) and what its broker lets it do."""

    id: AccountId
    cash: Usd4
    options_level: int = 2

    @property
    def number(self) -> str:
        """Give the broker's number of it."""
        return f"LAB-{self.id.upper()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something done from outside at an instant; once `done` holds it is not done (again)."""

    at: datetime
    do: Callable[["Lab"], None]
    done: Callable[["Lab"], bool] = lambda _: False


class Network(Protocol):
    """What stands between the processes and the brokers; it outlives every process."""

    def connect(self, account: LabAccount, oracle: Oracle) -> Broker:
        """Give the account's broker as the process reaches it."""

    def deliver(self, now: datetime) -> None:
        """Let what was under way, and what others do at the brokers, arrive."""

    def next_arrival(self, now: datetime) -> datetime | None:
        """Give when something arrives next after `now`; None: nothing is under way."""


class Direct:
    """A network on which nothing goes wrong."""

    def connect(self, account: LabAccount, oracle: Oracle) -> Broker:
        """Give the broker itself."""
        return oracle

    def deliver(self, now: datetime) -> None:
        """Deliver nothing."""

    def next_arrival(self, now: datetime) -> datetime | None:
        """Give None."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a laboratory is built from; `network` puts faults between the process and the broker."""

    book: LabBook
    market: LabMarket
    accounts: Sequence[LabAccount]
    start: datetime
    match: MatchRules = NOTHING_BY_CHANCE
    network: Network = field(default_factory=Direct)


class _Silence:
    """No news, and a model that is never asked."""

    version = "none"

    def fetch(self, *, since: datetime, now: datetime) -> Sequence[NewsItem]:
        return ()

    def score(self, text: str) -> TextScore:
        raise AssertionError(f"the laboratory reads no text, was asked for {text!r}")


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
    after_step: Callable[["Lab"], None] = lambda _: None
    restart_after: Callable[[], timedelta] = lambda: timedelta(0)
    clock: SimulatedClock = field(init=False)
    oracles: dict[AccountId, Oracle] = field(init=False)
    brokers: dict[AccountId, Broker] = field(init=False)
    process: Process = field(init=False)
    store: SqlStore = field(init=False)
    lives: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        """Open the accounts and start the first process."""
        terms = self.terms
        self.clock = SimulatedClock(terms.start)
        self.oracles = {account.id: self._oracle(account) for account in terms.accounts}
        self.brokers = {
            account.id: terms.network.connect(account, self.oracles[account.id]) for account in terms.accounts
        }
        self.store = self.open_store(_HOLDER)
        self.start()

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    def ledger(self, account: AccountId) -> Ledger:
        """Give the account's ledger as it is stored."""
        return self.store.ledger(account)

    @property
    def accounts(self) -> tuple[AccountId, ...]:
        """Give the accounts."""
        return tuple(self.oracles)

    def start(self) -> None:
        """Begin a process with nothing in its memory; one that dies while it starts is followed by another."""
        while True:
            self.lives += 1
            self.store = self._renewed(self.store)
            self.process = self.new_process(self.store)
            try:
                self.process.wiring.open_accounts(self.clock.now())
                return
            except (Crash, OpsError):
                self.clock.move_to(self.clock.now() + max(self.restart_after(), timedelta(seconds=1)))

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
        now = self.clock.now()
        try:
            for act in [entry for entry in pending if entry.at <= now]:
                if not act.done(self):
                    act.do(self)
                pending.remove(act)
            self.terms.network.deliver(now)
            self.process.engine.run_due(now)
            self.after_step(self)
        except Crash:
            self.clock.move_to(now + self.restart_after())
            self.start()
            self._instant(pending)

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

    def signal(self, ticker: str, *, strategy: Strategy = Strategy.SWING, right: Right = Right.CALL) -> None:
        """Store a signal of this instant with the features it was made from."""
        now = self.clock.now()
        session = calendar().session_at(now)
        if session is None:
            raise ValueError(f"signal: expected an instant of a session, was {now}")
        interval = Interval.DAY if strategy is Strategy.SWING else Interval.MINUTE
        self.store.add_features([_features(ticker, interval, session, now)])
        wish = Signal(
            id=signal_id(ticker, "laboratory", interval, now),
            ticker=ticker,
            rule="laboratory",
            interval=interval,
            right=right,
            strategy=strategy,
            confidence=0.9,
            session=session.date,
            as_of=now,
            expires_at=now + _SIGNAL_LIFE,
            because=(),
            inputs_hash="laboratory",
        )
        self.store.add_decisions([wish], [])

    def control(self, account: AccountId, level: ControlLevel) -> None:
        """Set an account's kill level as a person does."""
        changed = ControlChanged(level=level, reason="a drill", actor="operator")
        self.process.store.commit(account, [changed], at=self.clock.now())

    def open_store(self, holder: str) -> SqlStore:
        """Open the laboratory's database over a connection of its own."""
        file = self.folder / "lab.sqlite"
        if not file.exists():
            file.write_bytes(_empty_database())
        return _open(file, holder, self.clock.now)

    def _renewed(self, store: SqlStore) -> SqlStore:
        """Give a store that remembers nothing, over the same connection: what a new process opens."""
        leases = Leases(store.database, holder=_HOLDER, build_hash="", clock=self.clock.now)
        return SqlStore(store.database, leases)

    def _oracle(self, account: LabAccount) -> Oracle:
        book = Book(
            number=account.number,
            cash=account.cash,
            options_level=account.options_level,
            last_equity=account.cash,
        )
        terms = self.terms
        return Oracle(
            book, market=terms.market, calendar=calendar(), clock=self.clock, rules=terms.match
        )

    def _parts(self, store: Store) -> Parts:
        terms, silence = self.terms, _Silence()
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
            profiles=tuple(_profile(account) for account in terms.accounts),
            brokers={name: fused_broker(broker, self.fuse) for name, broker in self.brokers.items()},
            budgets={name: RateBudget(terms.book.rate_rules(), self.clock) for name in self.brokers},
            cadences=Cadences(
                iv_every=timedelta(hours=1), daily_every=timedelta(minutes=5), retry_every=timedelta(minutes=1)
            ),
            recorded=False,
        )


def _open(file: Path, holder: str, clock: Callable[[], datetime]) -> SqlStore:
    return open_store(
        f"sqlite:///{file}", durable=False, database_id=_DATABASE_ID, holder=holder, clock=clock
    )


@cache
def _empty_database() -> bytes:
    """Give a migrated database; copying it spares every laboratory the migrations."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "empty.sqlite"
        _open(file, _HOLDER, lambda: at(14)).close()
        return file.read_bytes()


def _profile(account: LabAccount) -> AccountProfile:
    return AccountProfile(
        id=account.id,
        number=account.number,
        mode=Mode.TRADE,
        start_equity=account.cash,
        day_trade_policy=DayTradePolicy.NONE,
    )


def _features(ticker: str, interval: Interval, session: Session, now: datetime) -> FeatureRow:
    return FeatureRow(
        ticker=ticker,
        interval=interval,
        session=session.date,
        bar_at=now,
        as_of=now,
        close=5_000_000,
        sma20=4_990_000.0,
        sma50=4_980_000.0,
        slope=100.0,
        distance=0.005,
        return_5=0.001,
        return_15=0.002,
        return_since_close=0.01,
        vwap_distance=0.001,
        sigma=0.001,
        volatility_ratio=1.0,
        volume_ratio=1.5,
        atr=100_000.0,
        sma20_change=0.002,
        iv=0.35,
        iv_rank=0.3,
        iv_status=IvStatus.OK,
        news_score=0.2,
        news_count=1,
        inputs_hash="laboratory",
    )
