"""The store: every slice over one connection. Shell."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from datetime import date, datetime
from types import TracebackType
from typing import Self

from sqlalchemy import select

from ops_pipeline.adapters.store.connect import open_reader, open_writer, parse_url
from ops_pipeline.adapters.store.database import Database
from ops_pipeline.adapters.store.decisions import SignalSlice, VerdictSlice
from ops_pipeline.adapters.store.emergency import Emergency
from ops_pipeline.adapters.store.features import FeatureSlice, WatchlistSlice
from ops_pipeline.adapters.store.lease import Leases
from ops_pipeline.adapters.store.ledger import LedgerSlice
from ops_pipeline.adapters.store.migrate import (
    HEAD,
    copy_aside,
    migrate,
    require_newest,
    require_sound,
    revision_of,
)
from ops_pipeline.adapters.store.news import NewsSlice
from ops_pipeline.adapters.store.rows import instant
from ops_pipeline.adapters.store.schema import META
from ops_pipeline.adapters.store.snapshots import SnapshotSlice
from ops_pipeline.adapters.store.telemetry import TelemetrySlice
from ops_pipeline.adapters.store.writer_lock import WriterLock, take_lock
from ops_pipeline.domain.errors import ConfigurationError, StoreUnavailableError
from ops_pipeline.domain.events import Event, EventBody
from ops_pipeline.domain.features import FeatureRow
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import Bar, Interval, IvReading
from ops_pipeline.domain.news import Classification, NewsItem
from ops_pipeline.domain.positions import Trade
from ops_pipeline.domain.records import (
    AccountSnapshot,
    JobRun,
    PositionMark,
    VerdictRow,
    WatchlistEntry,
)
from ops_pipeline.domain.signals import Hold, Signal
from ops_pipeline.domain.units import AccountId, PositionId, SignalId

_META = select(META.c.name, META.c.value)


class SqlStore:
    """Implements `ports.Store` over one connection, for one thread at a time."""

    def __init__(
        self,
        database: Database,
        leases: Leases | None,
        lock: WriterLock | None = None,
        emergency: Emergency | None = None,
    ) -> None:
        self.database = database
        self.emergency = emergency
        self._lock = lock
        self._leases = leases
        self._meta: dict[str, str] = {str(name): str(value) for name, value in database.rows(_META)}
        self._ledger = LedgerSlice(database, leases, emergency)
        self._news = NewsSlice(database)
        self._telemetry = TelemetrySlice(database)
        self._features = FeatureSlice(database)
        self._watchlist = WatchlistSlice(database)
        self._signals = SignalSlice(database)
        self._verdicts = VerdictSlice(database)
        self._snapshots = SnapshotSlice(database)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._lock is not None:
            self._lock.release()
        self.database.close()

    @property
    def database_id(self) -> str:
        return self._meta["database_id"]

    @property
    def commits(self) -> int:
        """Count the transactions committed since the store was opened."""
        return self.database.commits

    def transaction(self) -> AbstractContextManager[None]:
        """Group the writes of several slices into one commit; none where nothing changed."""
        return self.database.transaction()

    def renew_leases(self) -> None:
        """Renew the leases held every 5 s; StaleWriterError: another writer has taken one over.

        A database that takes no write is left alone: the next commit it takes checks the leases.
        """
        if self._leases is not None:
            with suppress(StoreUnavailableError):
                self._leases.renew()

    def import_journal(self) -> int:
        """Store what an emergency journal holds beyond the database; give how many events it was."""
        return self._ledger.import_journal()

    def catch_up(self) -> None:
        self._ledger.catch_up()

    @property
    def trouble(self) -> str:
        """Say what keeps entries from being stored; "": nothing."""
        if self.emergency is not None and self.emergency.is_full:
            return "the disk was full: no entries until a restart with room"
        return (
            "the database takes no write: exits go on in the emergency journal"
            if self._ledger.has_tail
            else ""
        )

    def let_leases_live(self, seconds: float) -> None:
        """Let leases of others run out after so long instead of 15 s, and renew ours thrice as often."""
        if self._leases is not None:
            self._leases.ttl_s = seconds

    def accounts(self) -> tuple[AccountId, ...]:
        """Give the accounts that have a ledger, by name."""
        return self._ledger.accounts()

    def ledger(self, account: AccountId) -> Ledger:
        return self._ledger.ledger(account)

    def commit(self, account: AccountId, bodies: Sequence[EventBody], *, at: datetime) -> Ledger:
        return self._ledger.commit(account, bodies, at=at)

    def epoch(self, account: AccountId) -> int:
        return self._ledger.epoch(account)

    def took_over(self, account: AccountId) -> bool:
        return self._ledger.took_over(account)

    def events(self, account: AccountId, *, key: str | None = None, limit: int = 0) -> Sequence[Event]:
        return self._ledger.events(account, key=key, limit=limit)

    def trades(self, account: AccountId, *, since: datetime, limit: int) -> Sequence[Trade]:
        return self._ledger.trades(account, since=since, limit=limit)

    def add_news(self, items: Sequence[NewsItem]) -> int:
        return self._news.add_news(items)

    def enrich_news(self, items: Sequence[NewsItem]) -> None:
        """Take over more ticker hints of known items; they are to be classified again."""
        self._news.enrich_news(items)

    def news_since(self, since: datetime) -> Sequence[NewsItem]:
        return self._news.news_since(since)

    def unclassified(self, *, now: datetime, limit: int) -> Sequence[NewsItem]:
        return self._news.unclassified(now=now, limit=limit)

    def add_classifications(self, news_ids: Sequence[str], rows: Sequence[Classification]) -> None:
        self._news.add_classifications(news_ids, rows)

    def classifications(self, *, since: datetime, now: datetime) -> Mapping[str, Sequence[Classification]]:
        return self._news.classifications(since=since, now=now)

    def add_bars(self, bars: Sequence[Bar]) -> None:
        self._telemetry.add_bars(bars)

    def last_bar_at(self, ticker: str, interval: Interval) -> datetime | None:
        return self._telemetry.last_bar_at(ticker, interval)

    def bars(self, ticker: str, interval: Interval, *, count: int, now: datetime) -> Sequence[Bar]:
        return self._telemetry.bars(ticker, interval, count=count, now=now)

    def add_iv_readings(self, readings: Sequence[IvReading]) -> None:
        self._telemetry.add_iv_readings(readings)

    def iv_reading(self, ticker: str, session: date) -> IvReading | None:
        return self._telemetry.iv_reading(ticker, session)

    def iv_history(self, ticker: str, *, before: date, limit: int) -> Sequence[IvReading]:
        return self._telemetry.iv_history(ticker, before=before, limit=limit)

    def add_features(self, rows: Sequence[FeatureRow]) -> None:
        self._features.add_features(rows)

    def latest_features(self, interval: Interval, *, since: datetime) -> Mapping[str, FeatureRow]:
        return self._features.latest_features(interval, since=since)

    def put_watchlist(self, entries: Sequence[WatchlistEntry], *, now: datetime) -> None:
        self._watchlist.put_watchlist(entries, now=now)

    def watchlist(self) -> Sequence[WatchlistEntry]:
        return self._watchlist.watchlist()

    def add_decisions(self, signals: Sequence[Signal], holds: Sequence[Hold]) -> int:
        return self._signals.add_decisions(signals, holds)

    def fresh_signals(self, *, now: datetime) -> Sequence[Signal]:
        return self._signals.fresh_signals(now=now)

    def signal(self, signal_id: SignalId) -> Signal | None:
        return self._signals.signal(signal_id)

    def put_verdicts(self, rows: Sequence[VerdictRow]) -> None:
        self._verdicts.put_verdicts(rows)

    def verdicts(self, account: AccountId, *, session: date) -> Mapping[SignalId, VerdictRow]:
        return self._verdicts.verdicts(account, session=session)

    def add_snapshots(self, rows: Sequence[AccountSnapshot]) -> None:
        self._snapshots.add_snapshots(rows)

    def last_snapshot(self, account: AccountId, *, before: datetime) -> AccountSnapshot | None:
        return self._snapshots.last_snapshot(account, before=before)

    def add_marks(self, rows: Sequence[PositionMark]) -> None:
        self._snapshots.add_marks(rows)

    def marks(self, position_id: PositionId) -> Sequence[PositionMark]:
        return self._snapshots.marks(position_id)

    def add_job_runs(self, rows: Sequence[JobRun]) -> None:
        self._snapshots.add_job_runs(rows)

    def last_job_runs(self) -> Mapping[tuple[str, str], JobRun]:
        return self._snapshots.last_job_runs()


def open_store(  # noqa: PLR0913 - each run names what its database is for
    url: str,
    *,
    durable: bool,
    database_id: str | None,
    holder: str,
    clock: Callable[[], datetime] | None = None,
    build_hash: str = "",
    exclusive: bool = False,
    locked: bool = False,
    emergency: Emergency | None = None,
) -> SqlStore:
    """Open for writing; an empty database gets its tables and `database_id`, others keep their own.

    `durable` False spares the flush to disk: for runs on a simulated clock only. `exclusive`: nobody else
    writes to the database meanwhile, so what was read need not be checked again. `locked`: take the
    writer's lock where it is free, which says that earlier holders of the leases are dead. Leases expire
    by the database's own clock, or by `clock` where time is simulated. An older database is refused until
    `ops db migrate` was run, a newer one always. `emergency`: exits go on in its journal while the database
    takes no write; one that is left from before is stored first.
    """
    database = _writer(url, durable=durable, exclusive=exclusive)
    lock: WriterLock | None = None
    try:
        lock = take_lock(database.url, database.connection) if locked else None
        require_sound(database)
        if revision_of(database) is None:
            migrate(database)
        require_newest(database)
        _introduce(database, database_id, clock() if clock is not None else instant(database.now_us()))
        leases = Leases(database, holder=holder, build_hash=build_hash, clock=clock, sole=lock is not None)
        store = SqlStore(database, leases, lock, emergency)
        if emergency is not None:
            store.import_journal()
            emergency.take_on_ballast()
        return store
    except BaseException:
        database.close()
        if lock is not None:
            lock.release()
        raise


def read_store(url: str) -> SqlStore:
    """Open for reading only: no lease is taken, and the database itself refuses every write."""
    parsed = parse_url(url)
    database = Database(open_reader(parsed), parsed, writable=False)
    try:
        require_newest(database)
        return SqlStore(database, None)
    except BaseException:
        database.close()
        raise


def migrate_url(url: str) -> tuple[str, ...]:
    """Bring the database to the newest revision; give the revisions that ran.

    A SQLite file of an older revision is copied first, to `FILE.before-REVISION`. A living writer refuses.
    """
    with maintenance(url, any_revision=True) as database:
        lock = take_lock(database.url, database.connection)
        if lock is None:
            raise ConfigurationError("migrate: expected no process writing to the database, found one")
        try:
            if revision_of(database) not in (None, HEAD):
                copy_aside(database, HEAD)
            return migrate(database)
        finally:
            lock.release()


def has_writer(url: str) -> bool:
    """Tell whether a living process writes to the database; one in memory has none but this one."""
    with maintenance(url, any_revision=True) as database:
        lock = take_lock(database.url, database.connection)
        if lock is not None:
            lock.release()
        return lock is None


@contextmanager
def maintenance(url: str, *, any_revision: bool = False) -> Iterator[Database]:
    """Open a durable connection without leases, for work on the tables themselves."""
    with closing(_writer(url, durable=True)) as database:
        if not any_revision:
            require_newest(database)
        yield database


def _writer(url: str, *, durable: bool, exclusive: bool = False) -> Database:
    parsed = parse_url(url)
    return Database(open_writer(parsed, durable=durable), parsed, writable=True, exclusive=exclusive)


def _introduce(database: Database, database_id: str | None, now: datetime) -> None:
    if any(name == "database_id" for name, _ in database.rows(_META)):
        return
    if not database_id:
        raise ConfigurationError("database: expected an id for a database that has none")
    about = {"database_id": database_id, "created": now.isoformat(), "schema": HEAD}
    rows = [{"name": name, "value": value} for name, value in about.items()]
    database.insert(META, rows, on_conflict="ignore")
