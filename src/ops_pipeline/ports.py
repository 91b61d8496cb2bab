"""The sides of the outside world that the stages speak to, as protocols. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Protocol

from ops_pipeline.domain.accounts import BrokerAccount, BrokerPosition
from ops_pipeline.domain.errors import OpsError
from ops_pipeline.domain.events import Event, EventBody
from ops_pipeline.domain.features import FeatureRow
from ops_pipeline.domain.instruments import Right, Split
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import Bar, Chain, Interval, IvReading, OptionQuote, Session, SpotQuote
from ops_pipeline.domain.news import Classification, NewsItem, TextScore
from ops_pipeline.domain.orders import Activity, Approved, BrokerOrder, OrderUpdate, SubmitOutcome
from ops_pipeline.domain.positions import Trade
from ops_pipeline.domain.records import (
    AccountSnapshot,
    EarningsDate,
    JobRun,
    PositionMark,
    RegimeReading,
    VerdictRow,
    WatchlistEntry,
)
from ops_pipeline.domain.signals import Hold, Signal
from ops_pipeline.domain.units import AccountId, ClientOrderId, Occ, PositionId, SignalId


class BrokerUnavailable(OpsError):  # noqa: N818 - it names a state of the broker
    """A read that got no trustworthy answer: nothing may be concluded from it."""


class AccessRefused(BrokerUnavailable):
    """A read that the broker turned away for who asked, not for what: it will answer nothing else either."""


class RequestBudgetSpent(BrokerUnavailable):
    """A request that was not sent, for none was left to send."""


class Clock(Protocol):
    """The one source of the present."""

    def now(self) -> datetime:
        """Give the present instant, aware UTC."""


class Calendar(Protocol):
    """Sessions of the exchange."""

    def session_on(self, day: date) -> Session | None:
        """Give the session of a New York date; None on a day without one."""

    def session_at(self, now: datetime) -> Session | None:
        """Give the session of the New York date of `now`, open or not; None without one."""

    def previous(self, day: date) -> Session:
        """Give the last session before `day`."""

    def following(self, day: date) -> Session:
        """Give the first session after `day`."""

    def between(self, first: date, last: date) -> tuple[Session, ...]:
        """Give the sessions in [first, last], in order."""

    def count(self, first: date, last: date) -> int:
        """Count sessions after `first` up to and including `last`; 0 where last <= first."""


class NewsSource(Protocol):
    """Where headlines come from."""

    def fetch(self, *, since: datetime, now: datetime) -> Sequence[NewsItem]:
        """Give items first seen in (since, now], oldest first."""


class TextModel(Protocol):
    """A sentiment model."""

    version: str

    def score(self, text: str) -> TextScore:
        """Read one text."""


class MarketData(Protocol):
    """Prices of underlyings and options; each answer is what was known at `now`."""

    def spot(self, ticker: str, *, now: datetime) -> SpotQuote | None:
        """Give the underlying's newest price; None when it is not known."""

    def bars(self, ticker: str, *, interval: Interval, after: datetime, now: datetime) -> Sequence[Bar]:
        """Give complete bars with after < end_at <= now, oldest first, in the shares of their own day."""

    def chain(
        self, ticker: str, *, now: datetime, first: date, last: date, right: Right | None = None
    ) -> Chain | None:
        """Give every listed quote expiring in [first, last]; None when there is no chain."""

    def quotes(self, occs: Sequence[Occ], *, now: datetime) -> Mapping[Occ, OptionQuote]:
        """Give the newest quote of each symbol that has one."""

    def iv_history(self, ticker: str, *, before: date, limit: int) -> Sequence[IvReading]:
        """Give up to `limit` daily readings of sessions before `before`, oldest first."""

    def splits(self, ticker: str, *, first: date, last: date) -> Sequence[Split]:
        """Give the splits that come into force on a session in [first, last], oldest first."""

    def volatility_index(self, *, before: date) -> RegimeReading | None:
        """Give the index close of the last session before `before`; None: no source."""

    def earnings(self, ticker: str, *, now: datetime) -> EarningsDate | None:
        """Give the next earnings date; None where no provider is configured."""

    def rate(self, session: date) -> float:
        """Give the continuously compounded risk-free rate, a decimal."""

    def dividend_yield(self, ticker: str) -> float:
        """Give the continuous dividend yield, a decimal."""

    def next_instant(self, now: datetime) -> datetime | None:
        """Give the next instant at which recorded data changes; None: data is continuous."""


class Broker(Protocol):
    """One account at a broker. Reads raise BrokerUnavailable when the answer cannot be trusted."""

    def account(self) -> BrokerAccount:
        """Give the account."""

    def positions(self) -> Sequence[BrokerPosition]:
        """Give every position, options and shares."""

    def submit(self, order: Approved) -> SubmitOutcome:
        """Send an approved order once; never raises for what the network or the broker does."""

    def cancel(self, broker_order_id: str) -> None:
        """Ask for a cancel; the outcome is seen in the order, never assumed."""

    def suspend(self, *, on: bool) -> None:
        """Have the broker take no order of the account, or take them again; may be asked again."""

    def order(self, client_order_id: ClientOrderId) -> BrokerOrder | None:
        """Look an order up by our id; None is the broker's word that it has none."""

    def orders(self, *, since: datetime) -> Sequence[BrokerOrder]:
        """Give every order submitted since, open and closed, fully paged."""

    def activities(self, *, since: datetime) -> Sequence[Activity]:
        """Give fills and lifecycle activities at or after `since`, oldest first, fully paged."""


class OrderStream(Protocol):
    """Updates of one account's orders as its broker pushes them: they wake the loop, reads are the record."""

    def drain(self) -> Sequence[OrderUpdate]:
        """Give the updates since the last call, in the order they came."""

    @property
    def heard_at(self) -> datetime | None:
        """Give when anything was last heard, a heartbeat included; None: not connected and authorised."""

    def reconnect(self, why: str) -> None:
        """Give the connection up and begin another."""


class LedgerStore(Protocol):
    """The append-only event log of each account and its folds."""

    @property
    def database_id(self) -> str:
        """Give this database's identity, part of every client order id."""

    def ledger(self, account: AccountId) -> Ledger:
        """Give the account's fold at its newest event."""

    def commit(self, account: AccountId, bodies: Sequence[EventBody], *, at: datetime) -> Ledger:
        """Append, chain and apply `bodies` in one transaction, checked against the lease's epoch.

        Nothing is written for no bodies. A body the fold refuses raises LedgerError and changes nothing.
        """

    def epoch(self, account: AccountId) -> int:
        """Give the epoch this writer holds for the account."""

    def catch_up(self) -> None:
        """Store what could not be stored when it happened, as soon as it can be."""

    def took_over(self, account: AccountId) -> bool:
        """Tell whether the lease was taken from a writer that may be paused, not dead."""

    def events(self, account: AccountId, *, key: str | None = None, limit: int = 0) -> Sequence[Event]:
        """Give events in order, of one order or position where `key` is given; limit 0: all."""

    def trades(self, account: AccountId, *, since: datetime, limit: int) -> Sequence[Trade]:
        """Give the newest closed trades since, newest first."""


class NewsStore(Protocol):
    """News items and their classifications."""

    def add_news(self, items: Sequence[NewsItem]) -> int:
        """Store items not yet known; give how many were new."""

    def enrich_news(self, items: Sequence[NewsItem]) -> None:
        """Take over more ticker hints of known items; they are to be classified again."""

    def news_since(self, since: datetime) -> Sequence[NewsItem]:
        """Give items published since, oldest first."""

    def unclassified(self, *, now: datetime, limit: int) -> Sequence[NewsItem]:
        """Give items visible at `now` that carry no classification yet, oldest first."""

    def add_classifications(self, news_ids: Sequence[str], rows: Sequence[Classification]) -> None:
        """Store classifications and mark their items as read (an item may yield none)."""

    def classifications(self, *, since: datetime, now: datetime) -> Mapping[str, Sequence[Classification]]:
        """Give classifications by ticker of items published since and visible at `now`."""


class TelemetryStore(Protocol):
    """Bars and IV readings."""

    def add_bars(self, bars: Sequence[Bar]) -> None:
        """Store complete bars; a bar already stored is left as it is."""

    def last_bar_at(self, ticker: str, interval: Interval) -> datetime | None:
        """Give the end of the newest stored bar."""

    def bars(self, ticker: str, interval: Interval, *, count: int, now: datetime) -> Sequence[Bar]:
        """Give the newest `count` bars with end_at <= now, oldest first."""

    def add_iv_readings(self, readings: Sequence[IvReading]) -> None:
        """Store readings, one per (ticker, session, source): the newest of a session stands."""

    def iv_reading(self, ticker: str, session: date) -> IvReading | None:
        """Give the session's own reading so far; None while there is none."""

    def iv_history(self, ticker: str, *, before: date, limit: int) -> Sequence[IvReading]:
        """Give our own readings of sessions before `before`, oldest first, at most `limit`."""


class FeatureStore(Protocol):
    """Feature rows."""

    def add_features(self, rows: Sequence[FeatureRow]) -> None:
        """Store rows, replacing one of the same (ticker, interval, bar)."""

    def latest_features(self, interval: Interval, *, since: datetime) -> Mapping[str, FeatureRow]:
        """Give each ticker's newest row computed at or after `since`."""


class WatchlistStore(Protocol):
    """The watchlist."""

    def put_watchlist(self, entries: Sequence[WatchlistEntry], *, now: datetime) -> None:
        """Replace the watchlist where it differs."""

    def watchlist(self) -> Sequence[WatchlistEntry]:
        """Give the entries by rank."""


class SignalStore(Protocol):
    """Signals and holds."""

    def add_decisions(self, signals: Sequence[Signal], holds: Sequence[Hold]) -> int:
        """Store decisions; a HOLD may become a signal, never the reverse. Give the new signals."""

    def fresh_signals(self, *, now: datetime) -> Sequence[Signal]:
        """Give signals with as_of <= now < expires_at."""

    def signal(self, signal_id: SignalId) -> Signal | None:
        """Look one signal up."""


class VerdictStore(Protocol):
    """Verdicts, one per (signal, account)."""

    def put_verdicts(self, rows: Sequence[VerdictRow]) -> None:
        """Store verdicts; a repeated one updates its row and counts the attempt."""

    def verdicts(self, account: AccountId, *, session: date) -> Mapping[SignalId, VerdictRow]:
        """Give the session's verdicts by signal."""


class SnapshotStore(Protocol):
    """Account snapshots, position marks and job runs."""

    def add_snapshots(self, rows: Sequence[AccountSnapshot]) -> None:
        """Store account snapshots."""

    def last_snapshot(self, account: AccountId, *, before: datetime) -> AccountSnapshot | None:
        """Give the newest snapshot taken before."""

    def add_marks(self, rows: Sequence[PositionMark]) -> None:
        """Store position marks."""

    def add_job_runs(self, rows: Sequence[JobRun]) -> None:
        """Store job runs."""

    def last_job_runs(self) -> Mapping[tuple[str, str], JobRun]:
        """Give the newest run by (job, account)."""


class Store(
    LedgerStore,
    NewsStore,
    TelemetryStore,
    FeatureStore,
    WatchlistStore,
    SignalStore,
    VerdictStore,
    SnapshotStore,
    Protocol,
):
    """All slices of the one store."""

    def marks(self, position_id: PositionId) -> Sequence[PositionMark]:
        """Give a position's stored marks, oldest first."""
