"""A position as the fold of its events, and the numbers the exit kernels see of it. Pure."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from ops_pipeline.domain.accounts import Tier
from ops_pipeline.domain.instruments import OptionContract
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import AccountId, Bp, Contracts, PositionId, SignalId, Usd4


class PositionStatus(StrEnum):
    """RELIABILITY 3.2; CLOSED: quantity 0, no live order, every fill booked."""

    OPENING = "OPENING"
    OPEN = "OPEN"
    EXITING = "EXITING"
    CLOSED = "CLOSED"


class ExitReason(StrEnum):
    """Every reason a position may be sold, moved or lost (RULEBOOK 3)."""

    KILL = "kill"
    MANUAL = "manual"
    EXPIRY_CUTOFF = "expiry_cutoff"
    EOD_FLAT = "eod_flat"
    STOP_LOSS = "option_stop_loss"
    TRAILING_STOP = "trailing_stop"
    FIRST_TARGET = "first_profit_target"
    SECOND_TARGET = "second_profit_target"
    PROFIT_TARGET = "option_profit_target"
    UNDERLYING_CALL = "underlying_target_call"
    UNDERLYING_PUT = "underlying_target_put"
    EVENT_EXIT = "event_exit"
    THETA = "theta_decay_risk"
    ROLL = "approaching_expiration"
    MAX_HOLD = "max_hold"
    EXPIRED = "expired"
    EXERCISED = "exercised"
    LIQUIDATED = "liquidated"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitDecision:
    """A decided exit that is being carried out; a latched one is never undone by a better price."""

    reason: ExitReason
    rank: int
    qty: Contracts
    latched: bool
    at: datetime
    level: str
    observed: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """One option position. Amounts are Usd4: `cost` and `proceeds` are totals over qty x multiplier.

    `bought` is what entries filled, `sold` what was sold (or expired), `original_qty` 0 until the
    entry order is terminal. `peak`, `trailing_stop` (0: not armed) and `mark` are per share.
    """

    id: PositionId
    account: AccountId
    tier: Tier
    contract: OptionContract
    strategy: Strategy
    signal_id: SignalId
    status: PositionStatus
    opened_at: datetime
    entry_session: date
    entry_dte: int
    entry_underlying: Usd4
    entry_atr: float | None
    entry_iv_rank: float | None
    entry_delta: float | None
    original_qty: Contracts = 0
    bought: Contracts = 0
    sold: Contracts = 0
    cost: Usd4 = 0
    proceeds: Usd4 = 0
    fees: Usd4 = 0
    peak: Usd4 = 0
    armed: bool = False
    trailing_stop: Usd4 = 0
    stop_count: int = 0
    trail_count: int = 0
    mark: Usd4 | None = None
    marked_at: datetime | None = None
    exit: ExitDecision | None = None
    rolled_from: PositionId | None = None
    roll_count: int = 0
    rolled_on: date | None = None
    frozen: str = ""
    removed_by: str = ""
    closed_at: datetime | None = None
    close_reason: str = ""

    @property
    def qty(self) -> Contracts:
        """Give the contracts held now."""
        return self.bought - self.sold

    @property
    def is_open(self) -> bool:
        """Tell whether the position is not CLOSED."""
        return self.status is not PositionStatus.CLOSED

    @property
    def basis(self) -> Usd4:
        """Give the cost of what is still held: total cost less the part given to what was sold."""
        return self.cost - self.cost_of_sold

    @property
    def cost_of_sold(self) -> Usd4:
        """Give the cost share of what was sold, floored; all of it once nothing is held."""
        return self.cost * self.sold // self.bought if self.bought else 0

    @property
    def realised(self) -> Usd4:
        """Give proceeds less the cost of what was sold less every fee paid so far."""
        return self.proceeds - self.cost_of_sold - self.fees


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A closed position net of fees: one row of `ai_option_trades`. Amounts Usd4, `pnl_bp` of cost."""

    position_id: PositionId
    account: AccountId
    tier: Tier
    contract: OptionContract
    strategy: Strategy
    qty: Contracts
    cost: Usd4
    proceeds: Usd4
    fees: Usd4
    pnl: Usd4
    pnl_bp: Bp
    reason: str
    entry_session: date
    opened_at: datetime
    closed_at: datetime


class Held(NamedTuple):
    """What the exit kernels see of a position: ints only; prices Usd4, `entry_atr` Usd4 (-1: unknown).

    `cost` is the entries' total over `bought` x `multiplier`; `right` +1 call, -1 put;
    `peak` is per share and never below the average entry; `trailing_stop` 0: not armed.
    """

    cost: int
    bought: int
    qty: int
    original: int
    sold: int
    multiplier: int
    right: int
    entry_underlying: int
    entry_atr: int
    entry_dte: int
    sessions_held: int
    dte: int
    swing: int
    peak: int
    trailing_stop: int
    stop_count: int
    trail_count: int
    roll_count: int


class Marks(NamedTuple):
    """What the exit kernels see of the market at one cycle; prices Usd4.

    `mark` -1: no usable mark. `bid` -1: none. `stop_price`: what the stop may read (the mark, or the bid
    of the fallback of RULEBOOK 2; -1: neither). `underlying` -1: unknown. `confirmed` 1: a second read
    stands behind the mark or none is needed. `sparse` 1: the next mark is more than 5 minutes away.
    `minutes_to_close` may be negative; `event_tomorrow` 1: a known earnings date follows this session.
    """

    mark: int
    bid: int
    spread: int
    stop_price: int
    underlying: int
    confirmed: int
    sparse: int
    minutes_to_close: int
    event_tomorrow: int
