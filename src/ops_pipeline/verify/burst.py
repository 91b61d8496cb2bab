"""Fifty positions to get out of at once, through a broker that counts requests and takes its time. Shell."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter

from ops_pipeline.adapters.simulator.matching import MatchRules
from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import BrokerAccount, BrokerPosition, ControlLevel
from ops_pipeline.domain.orders import Activity, Approved, BrokerOrder, Deferred, SubmitOutcome
from ops_pipeline.domain.rules import POSITIONS_CEILING
from ops_pipeline.domain.units import ClientOrderId, Occ, to_usd4
from ops_pipeline.engine.budgeted import BudgetedBroker
from ops_pipeline.engine.clock import SimulatedClock
from ops_pipeline.ports import Broker, BrokerUnavailable
from ops_pipeline.stages.execution.rate_budget import Use
from ops_pipeline.verify.crash import told
from ops_pipeline.verify.goals import Bench, Goal, Result, Told
from ops_pipeline.verify.lab import Act, Lab
from ops_pipeline.verify.market import LabMarket, at
from ops_pipeline.verify.oracle import Oracle
from ops_pipeline.verify.parallel import spread
from ops_pipeline.verify.scenario import LARGE, START, holding
from ops_pipeline.verify.terms import LabAccount, LabBook, Terms

_LIMIT_A_MINUTE = 200
_MINUTE = timedelta(minutes=1)
_ROUND_TRIP = timedelta(milliseconds=100)
_ACCEPTED_S, _FLAT_S = 45.0, 60.0
_FALL = at(14, 42)
_END = at(14, 45)
# Ten times the broker's limit: so many scans asked for a minute.
_SCANS_A_MINUTE = 10 * _LIMIT_A_MINUTE
_SCAN_EVERY = timedelta(milliseconds=300)
_SHOWN = 5
_RICH = LabAccount(id=LARGE.id, cash=to_usd4("2000000"))


class BusyBroker:
    """A broker that refuses the 201st request of any minute, and takes 100 ms for every one."""

    def __init__(self, broker: Broker, network: "BusyNetwork") -> None:
        """Stand before `broker`."""
        self._broker = broker
        self._network = network

    def account(self) -> BrokerAccount:
        self._read("account")
        return self._broker.account()

    def positions(self) -> Sequence[BrokerPosition]:
        self._read("positions")
        return self._broker.positions()

    def submit(self, order: Approved) -> SubmitOutcome:
        reset = self._network.refusal()
        return self._broker.submit(order) if reset is None else Deferred(reset, "429")

    def cancel(self, broker_order_id: str) -> None:
        self._read("cancel")
        self._broker.cancel(broker_order_id)

    def suspend(self, *, on: bool) -> None:
        self._read("suspend")
        self._broker.suspend(on=on)

    def order(self, client_order_id: ClientOrderId) -> BrokerOrder | None:
        self._read("order")
        return self._broker.order(client_order_id)

    def orders(self, *, since: datetime) -> Sequence[BrokerOrder]:
        self._read("orders")
        return self._broker.orders(since=since)

    def activities(self, *, since: datetime) -> Sequence[Activity]:
        self._read("activities")
        return self._broker.activities(since=since)

    def _read(self, call: str) -> None:
        if self._network.refusal() is not None:
            raise BrokerUnavailable(f"{call}: 429")


class BusyNetwork:
    """Counts the requests of the last minute; `refused` are those the broker would not take."""

    def __init__(self) -> None:
        """Begin idle, without a clock."""
        self.clock: SimulatedClock | None = None
        self.refused = 0
        self.asked = 0
        self._recent: deque[datetime] = deque()

    def connect(self, account: LabAccount, oracle: Oracle) -> Broker:
        """Give the account's broker behind its limit."""
        return BusyBroker(oracle, self)

    def deliver(self, now: datetime) -> None:
        """Deliver nothing."""

    def next_arrival(self, now: datetime) -> datetime | None:
        """Give None."""
        return None

    def refusal(self) -> datetime | None:
        """Let a request take its time; give when the broker takes one again, None: it took this one."""
        if self.clock is None:
            return None
        now = self.clock.now() + _ROUND_TRIP
        self.clock.move_to(now)
        while self._recent and now - self._recent[0] >= _MINUTE:
            self._recent.popleft()
        self.asked += 1
        if len(self._recent) >= _LIMIT_A_MINUTE:
            self.refused += 1
            return self._recent[0] + _MINUTE
        self._recent.append(now)
        return None


@dataclass(frozen=True, slots=True)
class Burst:
    """What a case came to. Seconds count from the fall of the prices, or from the command."""

    case: str
    accepted: int
    accepted_s: float
    flat_s: float
    objections: tuple[str, ...]


def run_case(book: LabBook, case: str) -> Burst:
    """Run a case `KIND:SEED` and judge it."""
    with TemporaryDirectory() as folder:
        lab, network = _brewed(book, case, Path(folder))
        found = _judged(case, lab, network)
        lab.close()
    return found


# What else wants requests, and what makes everything be sold.
_KINDS = (
    "stops",
    "stops-scanned",
    "stops-drained",
    "flatten",
    "flatten-scanned",
    "flatten-drained",
    "flatten-resting",
)


def _cases(size: int) -> list[str]:
    return [f"{_KINDS[index % len(_KINDS)]}:{index // len(_KINDS) + 1}" for index in range(size)]


def _brewed(book: LabBook, case: str, folder: Path) -> tuple[Lab, BusyNetwork]:
    kind, _, seed = case.partition(":")
    random = Random(int(seed))
    network = BusyNetwork()
    market, held = _market(random, falls=kind.startswith("stops"), rests=kind.endswith("resting"))
    match = MatchRules(seed=int(seed), size_limit=True, passive_chance=0.0, partial_chance=0.3)
    terms = Terms(book=book, market=market, accounts=(_RICH,), start=START, match=match, network=network)
    lab = Lab(folder, terms)
    network.clock = lab.clock
    acts = [holding(qty, ticker=ticker, account=_RICH) for ticker, qty in held]
    if kind.startswith("flatten"):
        acts.append(Act(at=_FALL, do=lambda lab: lab.control(_RICH.id, ControlLevel.FLATTEN)))
    if kind.endswith("scanned"):
        acts += _scans()
    if kind.endswith("drained"):
        acts += [
            Act(at=_FALL - timedelta(seconds=1), do=partial(_ask, use=Use.RECONCILE, times=_LIMIT_A_MINUTE))
        ]
    lab.live(acts, _END)
    lab.judge_rest()
    return lab, network


def _market(random: Random, *, falls: bool, rests: bool) -> tuple[LabMarket, list[tuple[str, int]]]:
    """Give a market of fifty names that all fall to their stops at once, and how many of each are held.

    `rests`: they fell a while ago and nobody buys, until everything is to be sold, further down.
    """
    made, held = LabMarket(), []
    for index in range(POSITIONS_CEILING):
        ticker = f"{chr(65 + index // 26)}{chr(65 + index % 26)}Q"
        occ = f"{ticker}260410C00500000"
        price = random.randint(100, 900)
        made.put_usd4(at(14, 30), price * 100, price * 100, occ=occ)
        bid = price * random.randint(55, 70) // 100
        if rests:
            made.put_usd4(_FALL - _MINUTE, bid * 100, (bid + 2) * 100, occ=occ, size=0)
            bid = bid * 4 // 5
        if falls or rests:
            made.put_usd4(_FALL, bid * 100, (bid + 2) * 100, occ=occ)
        held.append((ticker, random.randint(1, 9)))
    return made, held


def _scans() -> list[Act]:
    times = int(_SCANS_A_MINUTE * _SCAN_EVERY / _MINUTE)
    count = (_END - START) // _SCAN_EVERY
    ask = partial(_ask, use=Use.SCAN, times=times)
    return [Act(at=START + index * _SCAN_EVERY, do=ask) for index in range(1, count)]


def _ask(lab: Lab, *, use: Use, times: int) -> None:
    """Ask the broker for the account so often, as far as the budget lets this use."""
    broker = BudgetedBroker(lab.brokers[_RICH.id], lab.process.wiring.parts.budgets[_RICH.id], use)
    for _ in range(times):
        try:
            broker.account()
        except BrokerUnavailable:
            return


def _judged(case: str, lab: Lab, network: BusyNetwork) -> Burst:
    sales = [order for order in lab.oracles[_RICH.id].accepted if order.submitted_at >= _FALL]
    first: dict[Occ, BrokerOrder] = {}
    for order in sales:
        first.setdefault(order.legs[0].occ, order)
    accepted_s = max(((order.submitted_at - _FALL).total_seconds() for order in first.values()), default=0.0)
    closed = [
        (event.at - _FALL).total_seconds()
        for event in lab.store.events(_RICH.id)
        if isinstance(event.body, e.PositionClosed)
    ]
    flat_s = max(closed, default=0.0)
    objections = [str(found) for found in lab.violations]
    if len(first) < POSITIONS_CEILING or len(closed) < POSITIONS_CEILING:
        objections.append(f"{len(first)} of {POSITIONS_CEILING} exits accepted, {len(closed)} closed")
    if accepted_s > _ACCEPTED_S and not _is_resting(case):
        objections.append(f"the last exit was accepted after {accepted_s:g} s")
    if case.startswith("flatten") and flat_s > _FLAT_S:
        objections.append(f"flat after {flat_s:g} s")
    if network.refused:
        objections.append(f"the broker refused {network.refused} of {network.asked} requests for the rate")
    objections += [] if _is_resting(case) else _out_of_order(lab, list(first.values()))
    return Burst(case, len(first), accepted_s, flat_s, tuple(objections))


def _is_resting(case: str) -> bool:
    """Tell whether slots are to be freed first: that is a second request each, and free ones go before."""
    return case.startswith("flatten-resting")


def _out_of_order(lab: Lab, sent: Sequence[BrokerOrder]) -> list[str]:
    """Object to an exit that went out before one with more money at stake."""
    quotes = lab.terms.market.quotes([order.legs[0].occ for order in sent], now=_FALL)
    held = {p.contract.occ: p.original_qty for p in lab.ledger(_RICH.id).positions.values()}

    def stake(occ: Occ) -> int:
        quote = quotes[occ]
        return held[occ] * ((quote.bid or 0) + (quote.ask or 0))

    stakes = [stake(order.legs[0].occ) for order in sorted(sent, key=lambda order: order.submitted_at)]
    wrong = sum(later > earlier for earlier, later in pairwise(stakes))
    return [f"{wrong} exits went out before riskier ones"] if wrong else []


def measure(bench: Bench, size: int) -> Result:
    """Run so many bursts: by stops and by command, beside scans, with a drained budget."""
    began = perf_counter()
    runs = spread(run_case, _cases(size), bench, label="bursts")
    bad = [run for run in runs if run.objections]
    slowest = max((run.accepted_s for run in runs if not _is_resting(run.case)), default=0.0)
    flat = max((run.flat_s for run in runs if run.case.startswith("flatten")), default=0.0)
    return Result(
        goal=GOAL.number,
        value=f"{len(bad)} bad of {size}; all {POSITIONS_CEILING} accepted {slowest:g} s, flat {flat:g} s",
        target=GOAL.target,
        passed=not bad,
        seeds=size,
        seconds=perf_counter() - began,
        failures=[
            f"{run.case}: {run.objections[0]}; ops verify burst --case {run.case} --trace"
            for run in bad[:_SHOWN]
        ],
        details={
            "accepted after, s": {
                kind: max((run.accepted_s for run in runs if run.case.startswith(f"{kind}:")), default=None)
                for kind in _KINDS
            }
        },
    )


def replay(bench: Bench, case: str) -> Told:
    """Run one case again."""
    with TemporaryDirectory() as folder:
        lab, network = _brewed(bench.book, case, Path(folder))
        found = _judged(case, lab, network)
        lines = [*told(lab), f"{network.asked} requests, {network.refused} refused", str(found)]
        lab.close()
    return Told(lines, found.objections)


GOAL = Goal(
    number="G12",
    target=f"accepted <= {_ACCEPTED_S:g} s, riskiest first; flatten <= {_FLAT_S:g} s; no 429",
    short=len(_KINDS),
    full=10 * len(_KINDS),
    measure=measure,
    replay=replay,
)
