"""What a scenario is: a market, accounts, what happens from outside, and how it must end. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ops_pipeline.adapters.simulator.matching import MatchRules
from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.instruments import Right
from ops_pipeline.domain.orders import OrderState, Purpose
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import AccountId, to_usd4
from ops_pipeline.engine.adoption import Holding
from ops_pipeline.verify.kinds import Kind
from ops_pipeline.verify.lab import Act, Lab
from ops_pipeline.verify.market import LabMarket, at
from ops_pipeline.verify.terms import NOTHING_BY_CHANCE, LabAccount, Network

LARGE = LabAccount(id=AccountId("large"), cash=to_usd4("121000"), options_level=2)
PAIR = LabAccount(id=AccountId("pair"), cash=to_usd4("240000"), options_level=3)
POOR = LabAccount(id=AccountId("poor"), cash=to_usd4("1900"), options_level=2)
# 39, 2 and 74 days ahead of the first session, and expiring on it.
CALL = "META260410C00500000"
NEAR = "META260304C00500000"
LATER = "META260515C00500000"
TODAY = "META260302C00500000"
OTHER = "XOM260410C00500000"
START = at(14, 40)
HELD = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One scenario as it is run. `end`: by then everything has had its time; `complaints` judge the end.

    `script` names faults of calls in order, by call; what is not named goes right. `network` makes
    another way to the brokers. `pushed`: the brokers push updates, with these faults in order. Nothing
    happens from `idle_from` to `idle_until`: the program is off. Judges in `tolerated` are not asked.
    """

    market: LabMarket
    acts: Sequence[Act]
    end: datetime
    start: datetime = START
    accounts: Sequence[LabAccount] = (LARGE,)
    match: MatchRules = NOTHING_BY_CHANCE
    script: Mapping[str, Sequence[Kind | None]] = field(default_factory=dict)
    network: Callable[[], Network] | None = None
    pushed: Sequence[Kind | None] | None = None
    complaints: Callable[[Lab], Sequence[str]] = lambda _: ()
    idle_from: datetime | None = None
    idle_until: datetime | None = None
    tolerated: frozenset[str] = frozenset()


Scenario = Callable[[], Plan]


def market(
    bid: str | None = "1.20", ask: str | None = "1.20", *, occ: str = CALL, size: int = 100
) -> LabMarket:
    """Give a market that quotes one contract from before the start."""
    made = LabMarket()
    made.put(at(14, 30), bid, ask, occ=occ, size=size)
    return made


def signal(
    when: datetime = START,
    ticker: str = "META",
    *,
    strategy: Strategy = Strategy.SWING,
    life: timedelta = timedelta(seconds=300),
) -> Act:
    """Let a signal be written."""
    return Act(at=when, do=lambda lab: lab.signal(ticker, strategy=strategy, life=life))


def level(control: ControlLevel, when: datetime, *, account: LabAccount = LARGE) -> Act:
    """Let a person set the kill level, again until it stands."""
    return Act(
        at=when,
        do=lambda lab: lab.control(account.id, control),
        done=lambda lab: lab.ledger(account.id).control is control,
    )


def states(lab: Lab, account: LabAccount = LARGE) -> list[OrderState]:
    """Give the states of an account's orders, oldest first."""
    return [order.state for order in lab.ledger(account.id).orders.values()]


def holding(
    qty: int = HELD,
    *,
    when: datetime = START,
    account: LabAccount = LARGE,
    ticker: str = "META",
    dte_min: int = 30,
) -> Act:
    """Let an account hold contracts from `when` on."""
    held = Holding(account=account.id, ticker=ticker, right=Right.CALL, qty=qty, dte_min=dte_min)
    return Act(at=when, do=lambda lab: lab.hold(held))


def flat(lab: Lab, account: LabAccount = LARGE, *, reason: str | None = None, closed: int = 1) -> list[str]:
    """Complain unless nothing is held and so many positions closed, each for `reason` where one is named."""
    ledger = lab.ledger(account.id)
    found = [f"{p.id} still {p.status} with {p.qty}" for p in ledger.open_positions]
    found += [f"{order.id} still {order.state}" for order in ledger.live_orders]
    reasons = [p.close_reason for p in ledger.positions.values() if not p.is_open]
    if reasons != [reason] * closed if reason else len(reasons) != closed:
        found.append(f"expected {closed} closed for {reason!r}, was {reasons}")
    return found


def holds(
    lab: Lab, expected: Mapping[str, int], account: LabAccount = LARGE, *, fills_late: bool = False
) -> list[str]:
    """Complain unless exactly this is held and no order lives.

    `fills_late`: an order may wait for a person whose fills all came, but after its time was over.
    """
    ledger = lab.ledger(account.id)
    found = [
        f"{order.id} still {order.state}"
        for order in ledger.live_orders
        if not (fills_late and order.state is OrderState.QUARANTINED and order.booked == order.cum)
    ]
    if ledger.held() != dict(expected):
        found.append(f"expected {dict(expected)} held, was {ledger.held()}")
    return found


def filled(lab: Lab, purpose: Purpose, account: LabAccount = LARGE) -> int:
    """Count contracts booked from orders of a purpose."""
    orders = lab.ledger(account.id).orders.values()
    return sum(order.booked for order in orders if order.intent.purpose is purpose)
