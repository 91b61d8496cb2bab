"""Accounts, their tier and what the broker says of them. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum

from ops_pipeline.domain.units import AccountId, Usd4


class Tier(IntEnum):
    """The size class of an account, by equity."""

    TINY = 0
    SMALL = 1
    MEDIUM = 2
    LARGE = 3

    @property
    def label(self) -> str:
        """Give the tier's name as tables show it."""
        return self.name.lower()


class Mode(StrEnum):
    """Whether an account sends orders or only records what it would have sent."""

    SHADOW = "shadow"
    TRADE = "trade"


class ControlLevel(IntEnum):
    """The kill level of an account; each level includes those below (RELIABILITY 5.3)."""

    NORMAL = 0
    REDUCE_ONLY = 1
    CANCEL_ENTRIES = 2
    FLATTEN = 3
    HARD_STOP = 4


class DayTradePolicy(StrEnum):
    """Which day-trade rule an account obeys; `BROKER` is the broker's own of the day."""

    BROKER = "broker"
    NONE = "none"
    LEGACY_PDT = "legacy_pdt"
    INTRADAY_MARGIN = "intraday_margin"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAccount:
    """The account as the broker reports it at `as_of`; amounts in Usd4."""

    number: str
    equity: Usd4
    last_equity: Usd4
    cash: Usd4
    options_buying_power: Usd4
    options_level: int
    blocked: bool
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerPosition:
    """What the broker holds of one symbol; `qty` is signed, in contracts (or shares for stock)."""

    symbol: str
    qty: int
    average_price: Usd4
    multiplier: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountProfile:
    """An account as configured."""

    id: AccountId
    number: str
    mode: Mode
    start_equity: Usd4
    day_trade_policy: DayTradePolicy
