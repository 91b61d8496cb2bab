"""What a run is made of, and what its services remember. Pure."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from ops_pipeline.domain.accounts import AccountProfile
from ops_pipeline.domain.controls import FREE, Brake
from ops_pipeline.domain.events import RollRefused
from ops_pipeline.domain.features import IvRank
from ops_pipeline.domain.market import Interval, IvReading
from ops_pipeline.domain.records import Failed
from ops_pipeline.domain.units import AccountId, PositionId
from ops_pipeline.engine.budgeted import RateBudget
from ops_pipeline.engine.rulebook import RuleBook
from ops_pipeline.ports import Broker, Calendar, Clock, MarketData, NewsSource, OrderStream, Store, TextModel
from ops_pipeline.stages.classifier.tickers import Universe
from ops_pipeline.stages.execution.gateway import Requests
from ops_pipeline.stages.position_manager.marks import MarkMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadences:
    """How often the dearer reads are made: chains for IV, rows of the forming day, retries of refusals."""

    iv_every: timedelta
    daily_every: timedelta
    retry_every: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything a run is made of. `recorded`: the market is a recording that stands between instants.

    `attended` is the clock of a run that somebody looks after: only there may passing trouble raise a level.
    `news_troubles` gives what went wrong with news lately, `brake` an account's level outside the database,
    `streams` the accounts whose brokers push their updates, which live by `stream_clock`, or by the run's own
    clock where there is none; the others are polled alone.
    """

    book: RuleBook
    store: Store
    market: MarketData
    news: NewsSource
    model: TextModel
    universe: Universe
    calendar: Calendar
    symbols: tuple[str, ...]
    intervals: tuple[Interval, ...]
    profiles: tuple[AccountProfile, ...]
    brokers: Mapping[AccountId, Broker]
    budgets: Mapping[AccountId, RateBudget]
    cadences: Cadences
    recorded: bool
    live: bool = False
    attended: Clock | None = None
    news_troubles: Callable[[], Sequence[Failed]] = tuple
    brake: Callable[[AccountId], Brake] = lambda _: FREE
    streams: Mapping[AccountId, OrderStream] = field(default_factory=dict)
    stream_clock: Clock | None = None


@dataclass(slots=True)
class Memory:
    """What services remember between runs; a fresh process starts without it and loses nothing."""

    marks: dict[PositionId, MarkMemory] = field(default_factory=dict)
    sampled: dict[PositionId, datetime] = field(default_factory=dict)
    roll_refused: dict[PositionId, tuple[datetime, RollRefused]] = field(default_factory=dict)
    atr: dict[tuple[str, str], float | None] = field(default_factory=dict)
    daily_at: dict[str, datetime] = field(default_factory=dict)
    read_at: dict[str, datetime] = field(default_factory=dict)
    judged: dict[tuple[str, str], str] = field(default_factory=dict)
    seen: dict[str, datetime] = field(default_factory=dict)
    reconciled: dict[str, datetime] = field(default_factory=dict)
    agreed: dict[AccountId, datetime] = field(default_factory=dict)
    caught_up: set[AccountId] = field(default_factory=set)
    requests: dict[AccountId, Requests] = field(default_factory=lambda: defaultdict(Requests))
    silences: dict[tuple[str, str], timedelta] = field(default_factory=dict)
    checks: int = 0
    entry_ranks: dict[str, tuple[object, IvRank]] = field(default_factory=dict)
    ranks: dict[str, tuple[tuple[date, IvReading | None], IvRank]] = field(default_factory=dict)
