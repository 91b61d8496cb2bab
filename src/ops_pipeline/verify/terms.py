"""What a laboratory is built from: its book of numbers, its accounts, its market and its network. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, cast

from ops_pipeline.adapters.calendar.sessions import SessionCalendar
from ops_pipeline.adapters.simulator.matching import MatchRules
from ops_pipeline.domain.rules import RateRules
from ops_pipeline.domain.units import AccountId, Usd4
from ops_pipeline.engine.rulebook import RuleBook
from ops_pipeline.ports import Broker
from ops_pipeline.verify.market import LabMarket, calendar
from ops_pipeline.verify.oracle import Oracle
from ops_pipeline.verify.schedules import Schedule

NOTHING_BY_CHANCE = MatchRules(seed=1, size_limit=True, passive_chance=0.0, partial_chance=0.0)


class LabBook(RuleBook, Protocol):
    """The rule book with the request budget's numbers: the settings."""

    def rate_rules(self) -> RateRules:
        """Give the request budget's numbers."""


def as_lab_book(book: RuleBook) -> LabBook:
    """Give a remembered lab book as what it is."""
    return cast("LabBook", book)


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
    """What a laboratory is built from; `network` puts faults between the process and the broker.

    `pushes` names the accounts whose brokers push updates, and what goes wrong with those.
    """

    book: LabBook
    market: LabMarket
    accounts: Sequence[LabAccount]
    start: datetime
    calendar: SessionCalendar = field(default_factory=calendar)
    match: MatchRules = NOTHING_BY_CHANCE
    network: Network = field(default_factory=Direct)
    pushes: Mapping[AccountId, Schedule] = field(default_factory=dict)
