"""What the stages write down besides the ledger: verdicts, watchlist, snapshots, job runs. Pure."""

from dataclasses import dataclass, field
from datetime import date, datetime

from ops_pipeline.domain.accounts import ControlLevel, Tier
from ops_pipeline.domain.market import Interval
from ops_pipeline.domain.orders import GateResult
from ops_pipeline.domain.units import AccountId, ClientOrderId, Occ, PositionId, SignalId, Usd4


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRow:
    """The newest verdict of one account on one signal; `attempts` counts how often it was judged.

    `numbers` are the sizing and scoring values behind it, by name; `spent` once an order filled.
    """

    signal_id: SignalId
    account: AccountId
    session: date
    ticker: str
    at: datetime
    approved: bool
    reason: str
    gates: tuple[GateResult, ...]
    numbers: tuple[tuple[str, float], ...]
    occ: Occ | None
    qty: int
    client_order_id: ClientOrderId | None
    rules_hash: str
    attempts: int = 1
    spent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchlistEntry:
    """A ticker's place on the watchlist, rank 1 first, with the parts of its score."""

    ticker: str
    rank: int
    score: float
    news: float
    volume: float
    liquidity: float
    held: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSnapshot:
    """An account at an instant. Amounts Usd4; `equity` = cash + positions at mark, `at_bid` at the bid."""

    account: AccountId
    at: datetime
    session: date
    tier: Tier
    control: ControlLevel
    cash: Usd4
    positions_value: Usd4
    positions_at_bid: Usd4
    equity: Usd4
    realised: Usd4
    unrealised: Usd4
    fees: Usd4
    open_positions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionMark:
    """A sample of what a position's market looked like; prices Usd4, None where absent."""

    position_id: PositionId
    at: datetime
    bid: Usd4 | None
    ask: Usd4 | None
    mark: Usd4 | None
    underlying: Usd4 | None
    trust: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """One run of one job of the registry; `account` "" for the shared ones."""

    job: str
    account: str
    at: datetime
    session: date | None
    read: int
    decided: int
    refused: int
    sent: int
    unknown: int
    failed: int
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """One item a stage could not handle: what it was and what went wrong."""

    item: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """What one run of a stage did, in counts; `again_at` asks to be run then, ahead of the cadence."""

    stage: str
    now: datetime
    account: str = ""
    read: int = 0
    decided: int = 0
    refused: int = 0
    sent: int = 0
    unknown: int = 0
    failed: tuple[Failed, ...] = field(default_factory=tuple)
    detail: str = ""
    again_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EarningsDate:
    """The next known earnings date of a ticker; `session` None: the provider does not know it."""

    ticker: str
    session: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeReading:
    """A volatility index close in points and the session it belongs to."""

    session: date
    value: float
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BarRequest:
    """Which bars are wanted: the newest `count` of a ticker and interval."""

    ticker: str
    interval: Interval
    count: int
