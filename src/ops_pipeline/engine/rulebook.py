"""The numbers of a run, read from the settings once each. Pure."""

from collections.abc import Callable
from datetime import date
from typing import Any, Protocol, TypeVar, cast

from ops_pipeline.domain.accounts import Tier
from ops_pipeline.domain.fees import fee_rules_on
from ops_pipeline.domain.market import Interval, QuoteRules
from ops_pipeline.domain.rules import (
    ContractRules,
    EntryRules,
    ExecutionRules,
    ExitOrderRules,
    ExitRules,
    GateRules,
    IvRules,
    RollRules,
    SignalRules,
    SizingRules,
    TierRules,
    WatchlistRules,
)
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import AccountId, Usd4
from ops_pipeline.stages.dispatcher.context import DispatchRules

Value = TypeVar("Value")


class RuleBook(Protocol):
    """Where every stage's numbers come from: the settings."""

    def quote_rules(self) -> QuoteRules: ...
    def exit_rules(self, *, tier: Tier, strategy: Strategy, account: str | None = None) -> ExitRules: ...
    def tier_rules(self, tier: Tier, *, account: str | None = None) -> TierRules: ...
    def sizing_rules(self) -> SizingRules: ...
    def iv_rules(self) -> IvRules: ...
    def contract_rules(self) -> ContractRules: ...
    def gate_rules(self) -> GateRules: ...
    def entry_rules(self) -> EntryRules: ...
    def exit_order_rules(self) -> ExitOrderRules: ...
    def execution_rules(self) -> ExecutionRules: ...
    def watchlist_rules(self) -> WatchlistRules: ...
    def signal_rules(self, interval: Interval) -> SignalRules: ...
    def roll_rules(self) -> RollRules: ...
    def fingerprint(self) -> str: ...


class _Remembered:
    """Answers each question of a rule book once; the settings behind it are frozen."""

    def __init__(self, book: RuleBook) -> None:
        self._book = book
        self._answers: dict[tuple[Any, ...], Any] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._book, name)

        def ask(*args: Any, **named: Any) -> Any:
            key = (name, *args, *named.values())
            if key not in self._answers:
                self._answers[key] = method(*args, **named)
            return self._answers[key]

        setattr(self, name, ask)  # found without coming here from then on
        return ask


def remembered(book: RuleBook) -> RuleBook:
    """Give the same book, each of its answers computed once."""
    return cast("RuleBook", _Remembered(book))


def pulse_pace(book: RuleBook) -> int:
    """Give the seconds between looks at live orders: reconciliation's, or an entry step's if shorter."""
    return min(book.execution_rules().reconcile_live_s, book.entry_rules().step_s)


def tier_of(book: RuleBook, equity: Usd4) -> Tier:
    """Give the tier that an account of this equity begins in."""
    for tier in Tier:
        bound = book.tier_rules(tier).equity_below
        if not bound or equity < bound:
            return tier
    return Tier.LARGE


def entry_rules_on(book: RuleBook, account: AccountId, day: date, tier: Tier) -> DispatchRules:
    """Give an account's entry rules in a tier, with the fees of a day."""
    return DispatchRules(
        tier=book.tier_rules(tier, account=account),
        sizing=book.sizing_rules(),
        iv=book.iv_rules(),
        contract=book.contract_rules(),
        gates=book.gate_rules(),
        entry=book.entry_rules(),
        quotes=book.quote_rules(),
        fees=fee_rules_on(day),
        stop=-book.exit_rules(tier=tier, strategy=Strategy.SWING, account=account).stop,
    )
