"""What the broker allows, with the day from which it does: dated facts, and what probes answered. Pure.

A fact stands from its day until the next of the same capability. What nobody documented or probed is
UNKNOWN: a value of its own, which allows nothing and is shown as unknown, never as passing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from ops_pipeline.domain.accounts import DayTradePolicy


class Support(StrEnum):
    """Whether the broker does something; only YES lets anything through."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Capability(StrEnum):
    """Something a broker may or may not do with option orders."""

    TIF_DAY = "tif_day"
    TIF_GTC = "tif_gtc"
    TYPE_LIMIT = "type_limit"
    TYPE_MARKET = "type_market"
    TYPE_STOP = "type_stop"
    TYPE_STOP_LIMIT = "type_stop_limit"
    TYPE_TRAILING_STOP = "type_trailing_stop"
    CLASS_SIMPLE = "class_simple"
    CLASS_MLEG = "class_mleg"
    CLASS_BRACKET = "class_bracket"
    EXTENDED_HOURS = "extended_hours"
    NOTIONAL = "notional"
    MLEG_ROLL = "mleg_roll"
    MLEG_ROLL_LEVEL_2 = "mleg_roll_level_2"
    MLEG_REPLACE = "mleg_replace"
    ID_OF_128 = "id_of_128"
    ID_UNIQUE = "id_unique"
    ID_SPENT_BY_REJECTION = "id_spent_by_rejection"
    GREEKS_INDICATIVE = "greeks_indicative"
    SECOND_ORDER_STREAM = "second_order_stream"
    BUST_ACTIVITIES = "bust_activities"
    MARGIN_REJECTION_CODE = "margin_rejection_code"
    LATE_ACCEPTANCE_BOUND = "late_acceptance_bound"
    LATER_ETF_CUT_OFF = "later_etf_cut_off"


# What is done as long as the broker is not known to do better.
CONSERVATIVE = {
    Capability.MLEG_ROLL: "a roll is two orders: sell, then buy",
    Capability.MLEG_ROLL_LEVEL_2: "a roll below level 3 is two orders",
    Capability.MLEG_REPLACE: "cancel, wait, send anew; nothing is replaced",
    Capability.ID_OF_128: "ids stay within 48 characters",
    Capability.ID_UNIQUE: "a duplicate is asked for by its id, whatever the status said",
    Capability.ID_SPENT_BY_REJECTION: "a rejected id is never used again",
    Capability.GREEKS_INDICATIVE: "missing greeks are computed, or the contract is not chosen",
    Capability.SECOND_ORDER_STREAM: "one order stream an account",
    Capability.BUST_ACTIVITIES: "a fill that disappears is a difference that a person settles",
    Capability.MARGIN_REJECTION_CODE: "a rejection of any code ends the entry for the session",
    Capability.LATE_ACCEPTANCE_BOUND: "an unknown entry is looked for until its quarantine is over",
    Capability.LATER_ETF_CUT_OFF: "every contract has the early cut-off of its expiry day",
}


class Plan(StrEnum):
    """The market-data plan an account subscribes to."""

    BASIC = "basic"
    PLUS = "plus"


@dataclass(frozen=True, slots=True)
class Fact:
    """From `since` on the broker does (or does not); `source` says who says so."""

    capability: Capability
    since: date
    support: Support
    source: str


@dataclass(frozen=True, slots=True)
class DayTradeRegime:
    """The day-trade rule in force from `since` on."""

    since: date
    policy: DayTradePolicy
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """Requests a minute and symbols a stream may carry; None: no limit."""

    trading_per_minute: int
    data_per_minute: int
    stock_symbols_streamed: int | None
    option_quotes_streamed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOffs:
    """Minutes before the close of a contract's last session.

    From `may_sell` on the broker may sell what it thinks too large to exercise; `typically_sells` is when
    it usually does (15:15 of a full day). `gtc_days` is how long a GTC order lives.
    """

    may_sell: int
    typically_sells: int
    gtc_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """The options level that each kind of order asks for."""

    covered: int
    long: int
    mleg: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilityProfile:
    """A broker's dated rules. `id_length` is the longest client order id that is known to be taken."""

    name: str
    facts: tuple[Fact, ...]
    regimes: tuple[DayTradeRegime, ...]
    limits: tuple[tuple[Plan, RateLimits], ...]
    cut_offs: CutOffs
    levels: Levels
    mleg_legs: tuple[int, int]
    id_length: int

    def fact(self, capability: Capability, *, on: date) -> Fact | None:
        """Give the fact that stands on a day; None where nothing is known of it by then."""
        known = [fact for fact in self.facts if fact.capability is capability and fact.since <= on]
        return max(known, key=lambda fact: fact.since, default=None)

    def support(self, capability: Capability, *, on: date) -> Support:
        """Tell whether the broker does something on a day."""
        fact = self.fact(capability, on=on)
        return fact.support if fact is not None else Support.UNKNOWN

    def unknowns(self, *, on: date) -> tuple[Capability, ...]:
        """Give what nobody knows on a day, in the order of the list."""
        return tuple(c for c in Capability if self.support(c, on=on) is Support.UNKNOWN)

    def day_trade_policy(self, *, on: date) -> DayTradePolicy:
        """Give the day-trade rule of a day."""
        return max((row for row in self.regimes if row.since <= on), key=lambda row: row.since).policy

    def rate_limits(self, plan: Plan) -> RateLimits:
        """Give a plan's limits."""
        return dict(self.limits)[plan]

    def with_answers(self, answers: Iterable[Fact]) -> "CapabilityProfile":
        """Give the profile with what probes answered, each from the day it was asked.

        Of two facts of one day the later in order stands: an answer outranks a document.
        """
        return replace(self, facts=(*reversed(tuple(answers)), *self.facts))


def followed_policy(policy: DayTradePolicy, *, on: date, profile: CapabilityProfile) -> DayTradePolicy:
    """Give the day-trade rule an account obeys on a day: its own, or the broker's where it follows it."""
    return profile.day_trade_policy(on=on) if policy is DayTradePolicy.BROKER else policy


# As far back as anything is written of it: the earliest row stands for every day before.
_EVER = date.min
_YES, _NO = Support.YES, Support.NO
_DOCS, _CHANGES = "broker documentation", "broker changelog"

ALPACA = CapabilityProfile(
    name="alpaca",
    facts=(
        Fact(Capability.TIF_DAY, _EVER, _YES, _DOCS),
        Fact(Capability.TIF_GTC, _EVER, _NO, _DOCS),
        Fact(Capability.TIF_GTC, date(2026, 8, 28), _YES, _CHANGES),
        Fact(Capability.TYPE_LIMIT, _EVER, _YES, _DOCS),
        Fact(Capability.TYPE_MARKET, _EVER, _YES, _DOCS),
        Fact(Capability.TYPE_STOP, _EVER, _NO, _DOCS),
        Fact(Capability.TYPE_STOP, date(2026, 8, 27), _YES, _CHANGES),
        Fact(Capability.TYPE_STOP_LIMIT, _EVER, _NO, _DOCS),
        Fact(Capability.TYPE_STOP_LIMIT, date(2026, 8, 27), _YES, _CHANGES),
        Fact(Capability.TYPE_TRAILING_STOP, _EVER, _NO, _DOCS),
        Fact(Capability.CLASS_SIMPLE, _EVER, _YES, _DOCS),
        Fact(Capability.CLASS_MLEG, _EVER, _YES, _DOCS),
        Fact(Capability.CLASS_BRACKET, _EVER, _NO, _DOCS),
        Fact(Capability.EXTENDED_HOURS, _EVER, _NO, _DOCS),
        Fact(Capability.NOTIONAL, _EVER, _NO, _DOCS),
    ),
    regimes=(
        DayTradeRegime(_EVER, DayTradePolicy.LEGACY_PDT, "FINRA 4210, three day trades in five sessions"),
        DayTradeRegime(date(2026, 6, 4), DayTradePolicy.INTRADAY_MARGIN, "FINRA SR-FINRA-2025-017"),
    ),
    limits=(
        (
            Plan.BASIC,
            RateLimits(
                trading_per_minute=200,
                data_per_minute=200,
                stock_symbols_streamed=30,
                option_quotes_streamed=200,
            ),
        ),
        (
            Plan.PLUS,
            RateLimits(
                trading_per_minute=200,
                data_per_minute=10_000,
                stock_symbols_streamed=None,
                option_quotes_streamed=1_000,
            ),
        ),
    ),
    cut_offs=CutOffs(may_sell=60, typically_sells=45, gtc_days=90),
    levels=Levels(covered=1, long=2, mleg=3),
    mleg_legs=(2, 4),
    id_length=48,
)
