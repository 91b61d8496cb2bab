"""Everything an entry decision is made from, as values with no optional field left out by accident. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from ops_pipeline.domain.accounts import AccountProfile, BrokerAccount, ControlLevel, Tier
from ops_pipeline.domain.features import FeatureRow, IvRank
from ops_pipeline.domain.instruments import OptionContract, Right
from ops_pipeline.domain.market import Chain, OptionQuote, QuoteRules, Session, Trust
from ops_pipeline.domain.orders import GateResult, OrderIntent
from ops_pipeline.domain.records import EarningsDate, RegimeReading
from ops_pipeline.domain.rules import (
    ContractRules,
    EntryRules,
    FeeRules,
    GateRules,
    IvRules,
    SizingRules,
    TierRules,
)
from ops_pipeline.domain.signals import Signal, Strategy
from ops_pipeline.domain.units import Bp, Occ, Usd4
from ops_pipeline.stages.dispatcher.day_record import DayRecord
from ops_pipeline.stages.dispatcher.exposure import Book, ContractGreeks
from ops_pipeline.stages.dispatcher.kelly import KellySample


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchRules:
    """The rules of one account's entries; `stop` is the stop's distance in bp, positive."""

    tier: TierRules
    sizing: SizingRules
    iv: IvRules
    contract: ContractRules
    gates: GateRules
    entry: EntryRules
    quotes: QuoteRules
    fees: FeeRules
    stop: Bp


@dataclass(frozen=True, slots=True, kw_only=True)
class Household:
    """All accounts together: equity and premium at risk (reservations included), Usd4."""

    equity: Usd4
    premium: Usd4


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """One account at one instant; None where the broker or another account could not be read.

    `breaks` names symbols on which ledger and broker disagree, `blocked` those a person blocked and
    until when (None: for good). `stream` is why the broker's updates cannot be relied on, "" where they
    can. `live`: real money.
    """

    now: datetime
    session: Session | None
    profile: AccountProfile
    live: bool
    tier: Tier
    broker: BrokerAccount | None
    control: ControlLevel
    breaks: tuple[str, ...]
    blocked: Mapping[str, datetime | None]
    book: Book | None
    day: DayRecord
    kelly: KellySample
    household: Household | None
    stream: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketView:
    """One underlying as known now; None where it is not known.

    `greeks` completes what quotes lack; `hold_until` is the session on which a swing opened now would
    reach max_hold; `regime_age` counts sessions since the reading's.
    """

    chain: Chain | None
    features: FeatureRow | None
    iv_rank: IvRank
    earnings: EarningsDate | None
    hold_until: date
    greeks: Mapping[Occ, ContractGreeks]
    regime: RegimeReading | None
    regime_age: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GateContext:
    """What every gate is evaluated against."""

    account: AccountView
    market: MarketView


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The contract chosen and the order that would buy it; `dte_min`, `dte_max` its allowed window.

    `intent.budget` is the most the order may cost, fees included.
    """

    intent: OrderIntent
    contract: OptionContract
    quote: OptionQuote
    trust: Trust
    greeks: ContractGreeks | None
    delta: float | None
    spot: Usd4
    dte_min: int
    dte_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A wish and how far it could be planned; without an offer it can only be refused.

    `planned` holds the checks made on the way (IV rank, choice, size), `shortfall` names the cap
    that left no contract, `numbers` the values behind the plan, by name. `signal` None: a roll.
    """

    ticker: str
    right: Right
    strategy: Strategy
    signal: Signal | None
    planned: tuple[GateResult, ...]
    shortfall: str
    offer: Offer | None
    numbers: tuple[tuple[str, float], ...]


class GateCase(NamedTuple):
    """A candidate before its judges: what each gate is handed."""

    candidate: Candidate
    account: AccountView
    market: MarketView
    rules: DispatchRules
