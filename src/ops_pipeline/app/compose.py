"""The composition root: builds a run's parts from its settings. Shell."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.calendar.sessions import SessionCalendar
from ops_pipeline.adapters.simulator.book import Book
from ops_pipeline.adapters.simulator.broker import SimulatedBroker
from ops_pipeline.adapters.simulator.matching import MatchRules
from ops_pipeline.adapters.simulator.names import DEFAULT_NAMES
from ops_pipeline.adapters.simulator.world import World
from ops_pipeline.adapters.simulator.world_rules import WorldRules
from ops_pipeline.adapters.store.emergency import Emergency
from ops_pipeline.adapters.store.store import SqlStore, open_store
from ops_pipeline.app.clock import WallClock
from ops_pipeline.app.interlocks import Venue, refuse_other_venue
from ops_pipeline.app.process import build_hash, holder_name
from ops_pipeline.app.settings import Settings
from ops_pipeline.domain.accounts import AccountProfile
from ops_pipeline.domain.controls import FREE, Brake
from ops_pipeline.domain.errors import ConfigurationError, MissingDataError
from ops_pipeline.domain.events import AccountOpened
from ops_pipeline.domain.fees import fee_rules_on, fill_fees
from ops_pipeline.domain.market import Interval
from ops_pipeline.domain.records import Failed
from ops_pipeline.domain.units import AccountId, Usd4, to_usd4
from ops_pipeline.engine.budgeted import RateBudget
from ops_pipeline.engine.clock import SimulatedClock
from ops_pipeline.engine.drive import BEFORE_OPEN
from ops_pipeline.engine.parts import Cadences, Parts
from ops_pipeline.engine.rulebook import tier_of
from ops_pipeline.engine.tick import Engine
from ops_pipeline.engine.wiring import Wiring
from ops_pipeline.ports import Broker, Clock, MarketData, NewsSource, OrderStream, TextModel
from ops_pipeline.stages.classifier.tickers import Universe, build_universe


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """A run ready to be driven; leaving it closes the store, and what `release` lets go of beside it."""

    settings: Settings
    store: SqlStore
    wiring: Wiring
    engine: Engine
    clock: Clock
    calendar: SessionCalendar
    market: MarketData
    brokers: Mapping[AccountId, Broker]
    venue: Venue
    release: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.store.close()
        finally:
            self.release()


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """The outside a run trades in: prices, headlines, symbols and company names.

    `brokers` None: each account gets a simulated one, by the rules of `match`. `streams` push what becomes of
    orders, at instants of the wall's clock. `between` may put something between the services and their parts.
    """

    data: MarketData
    news: NewsSource
    symbols: tuple[str, ...]
    universe: Universe
    recorded: bool
    match: MatchRules
    news_troubles: Callable[[], Sequence[Failed]] = tuple
    brokers: Mapping[AccountId, Broker] | None = None
    streams: Mapping[AccountId, OrderStream] = field(default_factory=dict)
    venue: Venue = Venue.SIMULATOR
    between: Callable[[Parts], Parts] = lambda parts: parts


def simulated_market(settings: Settings, calendar: SessionCalendar) -> Market:
    """Build the embedded world."""
    first = date.fromisoformat(settings.world.first_session)
    names = DEFAULT_NAMES[: settings.world.underlyings]
    world = World(WorldRules(seed=settings.world.seed, first_session=first, names=names), calendar)
    companies = {name.ticker: name.company for name in names}
    symbols = settings.symbols or world.tickers
    unknown = [symbol for symbol in symbols if symbol not in companies]
    if unknown:
        raise ConfigurationError(f"symbols: expected names of the world {world.tickers}, was {unknown}")
    return Market(
        data=world,
        news=world,
        symbols=symbols,
        universe=build_universe(companies),
        recorded=False,
        match=MatchRules(seed=settings.world.seed),
    )


def prepare(
    settings: Settings,
    market: Market,
    *,
    database: str,
    clock: Clock,
    label: str,
    book_path: Callable[[str], Path | None] = lambda _: None,
    brake: Callable[[AccountId], Brake] = lambda _: FREE,
    emergency: Emergency | None = None,
) -> Assembly:
    """Open the store and join everything; no ledger is begun. `label` tells equal runs' ids apart.

    `emergency` holds what exits go on with while the database takes no write; None: the run can simply be
    made again, so it is not durable. Somebody looks after a durable run: there alarms may stop what only
    a person starts again.
    """
    durable = emergency is not None
    identity = sha256(f"{label}|{settings.fingerprint()}".encode()).hexdigest()[:32]
    store = open_store(
        database,
        durable=durable,
        database_id=identity,
        holder=holder_name(label),
        build_hash=build_hash(),
        exclusive=not durable,
        locked=durable,
        emergency=emergency,
    )
    return join(
        settings,
        market,
        store=store,
        clock=clock,
        books={},
        book_path=book_path,
        brake=brake,
        attended=durable,
    )


def begin_ledgers(assembly: Assembly, now: datetime) -> None:
    """Begin the ledger of each account that has none; ConfigurationError for one of another venue.

    The leases come first, of all accounts: where another process holds one, nothing is begun.
    """
    store, wiring, venue = assembly.store, assembly.wiring, assembly.venue
    for account in wiring.accounts:
        store.epoch(account)
        refuse_other_venue(store.ledger(account), venue)
    if venue is not Venue.SIMULATOR:
        for profile in wiring.parts.profiles:
            if not store.ledger(profile.id).seq:
                opened = _opened(assembly.settings, profile, wiring.parts.brokers[profile.id], venue)
                store.commit(profile.id, [opened], at=now)
    wiring.open_accounts(now)


def _opened(settings: Settings, profile: AccountProfile, broker: Broker, venue: Venue) -> AccountOpened:
    """Give the first fact of an account at a broker, which answers for the pinned number only."""
    shown = broker.account()
    return AccountOpened(
        number=profile.number,
        broker=venue.value,
        mode=profile.mode,
        cash=shown.cash,
        tier=tier_of(settings, shown.equity),
    )


def join(
    settings: Settings,
    market: Market,
    *,
    store: SqlStore,
    clock: Clock,
    books: Mapping[AccountId, Book],
    book_path: Callable[[str], Path | None],
    brake: Callable[[AccountId], Brake] = lambda _: FREE,
    attended: bool = False,
) -> Assembly:
    """Wire the services over an open store; `books` are what simulated brokers hold already."""
    calendar = exchange_calendar()
    profiles = tuple(_profile(settings, index) for index in range(len(settings.accounts)))
    if not profiles:
        raise ConfigurationError("accounts: expected at least one account, was none")
    brokers: Mapping[AccountId, Broker] = (
        market.brokers
        if market.brokers is not None
        else {
            profile.id: _broker(settings, profile, books.get(profile.id), market, calendar, clock, book_path)
            for profile in profiles
        }
    )
    parts = Parts(
        book=settings,
        store=store,
        market=market.data,
        news=market.news,
        news_troubles=market.news_troubles,
        model=_text_model(settings),
        universe=market.universe,
        calendar=calendar,
        symbols=market.symbols,
        intervals=tuple(Interval(name) for name in settings.intervals),
        profiles=profiles,
        brokers=brokers,
        budgets={account: RateBudget(settings.rate_rules(), clock) for account in brokers},
        cadences=_cadences(settings, market),
        recorded=market.recorded,
        live=market.venue is Venue.LIVE,
        brake=brake,
        streams=market.streams,
        stream_clock=WallClock() if market.streams else None,
        attended=clock if attended else None,
    )
    wiring = Wiring(market.between(parts))
    return Assembly(
        settings=settings,
        store=store,
        wiring=wiring,
        engine=Engine(wiring.machinery()),
        clock=clock,
        calendar=calendar,
        market=market.data,
        brokers=brokers,
        venue=market.venue,
    )


def _cadences(settings: Settings, market: Market) -> Cadences:
    return Cadences(
        iv_every=timedelta(minutes=settings.cadence.iv_minutes),
        daily_every=timedelta(minutes=0 if market.recorded else settings.cadence.daily_minutes),
        retry_every=timedelta(minutes=settings.cadence.retry_minutes),
    )


def start_of(calendar: SessionCalendar, first: date) -> datetime:
    """Give the instant at which a run over sessions from `first` begins: an hour before the open."""
    session = calendar.session_on(first) or calendar.following(first)
    return session.open_at - BEFORE_OPEN


def simulated_clock(calendar: SessionCalendar, first: date) -> SimulatedClock:
    """Give a clock that stands where a run from `first` begins."""
    return SimulatedClock(start_of(calendar, first))


def recorded_market(settings: Settings, calendar: SessionCalendar, *, first: date, last: date) -> Market:
    """Open the recorded data of [first, last] found under the data folders."""
    from ops_pipeline.adapters.recorded.recording import open_recording

    folders = [Path(folder) for folder in settings.data]
    missing = [str(folder) for folder in folders if not folder.is_dir()]
    if missing or not folders:
        raise MissingDataError(f"data: expected folders with recorded data, was {missing or 'none'}")
    symbols = settings.symbols or None
    recording = open_recording(folders, calendar=calendar, symbols=symbols, first=first, last=last)
    names = settings.symbols or recording.symbols
    return Market(
        data=recording,
        news=recording,
        symbols=tuple(names),
        universe=build_universe(dict.fromkeys(names, "")),
        recorded=True,
        # A recording has no sizes and no queue: what crosses the quote fills whole, nothing else does.
        match=MatchRules(seed=0, size_limit=False, passive_chance=0.0, partial_chance=0.0),
    )


def for_recording(settings: Settings, market: Market) -> Settings:
    """Give the settings a recording asks for: entries at the ask at once, for nobody waits in a snapshot."""
    if not market.recorded:
        return settings
    orders = settings.orders.model_copy(update={"entry_steps": 0})
    return settings.model_copy(update={"orders": orders})


def _profile(settings: Settings, index: int) -> AccountProfile:
    account = settings.accounts[index]
    return AccountProfile(
        id=AccountId(account.id),
        number=account.number,
        mode=account.mode,
        start_equity=to_usd4(account.equity_usd),
        day_trade_policy=account.day_trade_policy,
    )


def _broker(
    settings: Settings,
    profile: AccountProfile,
    book: Book | None,
    market: Market,
    calendar: SessionCalendar,
    clock: Clock,
    book_path: Callable[[str], Path | None],
) -> SimulatedBroker:
    level = next(a.options_level for a in settings.accounts if a.id == profile.id)
    fresh = Book(
        number=profile.number,
        cash=profile.start_equity,
        options_level=level,
        last_equity=profile.start_equity,
    )
    return SimulatedBroker(
        book or fresh,
        market=market.data,
        calendar=calendar,
        clock=clock,
        fees=_fees,
        rules=market.match,
        path=book_path(profile.id),
    )


def _fees(qty: int, price: Usd4, session: date) -> Usd4:
    del price
    return fill_fees(abs(qty), int(qty < 0), fee_rules_on(session))


def _text_model(settings: Settings) -> TextModel:
    match settings.text_model:
        case "lexicon":
            from ops_pipeline.adapters.textmodels.lexicon import LexiconModel

            return LexiconModel()
        case "vader":
            from ops_pipeline.adapters.textmodels.vader import load_vader

            return load_vader()
        case "finbert":
            from ops_pipeline.adapters.textmodels.finbert import load_finbert

            return load_finbert(Path(settings.finbert_directory))
