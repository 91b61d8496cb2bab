"""The kill switch: a level that rises at any instant of any scenario, and what then still happens. Shell."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter

from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.events import ControlChanged, OrderSending, OrderSettled
from ops_pipeline.domain.orders import OrderState
from ops_pipeline.domain.positions import ExitReason
from ops_pipeline.domain.units import AccountId, PositionId
from ops_pipeline.verify.crash import open_lab, run_on, told
from ops_pipeline.verify.fuse import Fuse
from ops_pipeline.verify.goals import Bench, Goal, Result, Told
from ops_pipeline.verify.lab import Lab
from ops_pipeline.verify.parallel import spread
from ops_pipeline.verify.scenario import Plan
from ops_pipeline.verify.scenarios import SCENARIOS
from ops_pipeline.verify.terms import Direct, LabBook

_LEVELS = tuple(level for level in ControlLevel if level is not ControlLevel.NORMAL)
# Their own hand is on the switch.
_BY_HAND = frozenset(
    {
        "cancel_entries",
        "flatten_beside_a_working_entry",
        "flatten_three",
        "hard_stop_at_the_broker",
        "hard_stop_then_normal",
        "kill_between_two_sends",
        "reduce_only_refuses_entries",
        "refused_after_it_was_lost",
    }
)
NAMES = tuple(sorted(set(SCENARIOS) - _BY_HAND))
# Between the last look at the level and the call itself there is nothing: no instant to choose.
_NO_INSTANT = "before submit"
_AT_THE_SOCKET = f"after commit {OrderSending.__name__}"
_CANCELLED_WITHIN = timedelta(seconds=5)
_RESTART_AFTER = timedelta(seconds=20)
_GOES_ON = timedelta(minutes=1)
_FULL = 1_000
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class KillCase:
    """A scenario, the point of it at which the level rises, and the level."""

    scenario: str
    point: int
    level: str

    def __str__(self) -> str:
        return f"{self.scenario}:{self.point}:{self.level}"


@dataclass(frozen=True, slots=True)
class Calm:
    """A scenario that nobody interferes with: the names of its points, the positions that were closed.

    The first point at which a level can rise is `first`: the accounts are open.
    """

    scenario: str
    first: int
    points: tuple[str, ...]
    closed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Raised:
    """What a rise came to: where it fell, the seconds to the last cancelled entry, what is objected to."""

    case: KillCase
    where: str
    cancelled_after: float
    objections: tuple[str, ...]


@dataclass(slots=True)
class Standing:
    """What stood when the level rose: positions held by account, entries that worked at the broker."""

    at: datetime
    held: dict[AccountId, tuple[PositionId, ...]] = field(default_factory=dict)
    working: list[str] = field(default_factory=list)


class Hand(Fuse):
    """Raises the level of every account at one point; counts and names every point on the way."""

    def __init__(self, point: int = 0, level: ControlLevel = ControlLevel.NORMAL) -> None:
        """Act at `point`, counted from 1; 0: never."""
        super().__init__()
        self.names: list[str] = []
        self.lab: Lab | None = None
        self.first = 1
        self.found: Standing | None = None
        self._act_at = point
        self._level = level
        self._restarted = False
        self.late: list[str] = []

    def point(self, what: str) -> None:
        """Pass a point."""
        if not self.armed:
            return
        self.points += 1
        self.names.append(what)
        if self.points == self._act_at and self.lab is not None:
            self._raise(self.lab)

    def step(self, lab: Lab) -> None:
        """Look at the brokers before a step: entries that are still live, and whether to start anew."""
        found, now = self.found, lab.clock.now()
        if found is None:
            return
        live = [name for account in lab.accounts for name in _live_entries(lab, account)]
        if self._level >= ControlLevel.CANCEL_ENTRIES and live and now > found.at + _CANCELLED_WITHIN:
            self.late += [name for name in live if name not in self.late]
        if not self._restarted and now >= found.at + _RESTART_AFTER:
            self._restarted = True
            lab.start()

    def _raise(self, lab: Lab) -> None:
        self.armed = False
        now = lab.clock.now()
        self.found = Standing(at=now)
        for account in lab.accounts:
            ledger = lab.ledger(account)
            self.found.held[account] = tuple(p.id for p in ledger.open_positions if p.qty)
            self.found.working += _live_entries(lab, account)
            if ledger.control < self._level:
                risen = ControlChanged(level=self._level, reason="a drill", actor="operator")
                lab.store.commit(account, [risen], at=now)
        self.armed = True


def _live_entries(lab: Lab, account: AccountId) -> list[str]:
    orders = lab.ledger(account).orders
    return [
        shown.client_order_id
        for shown in lab.oracles[account].book.live()
        if shown.client_order_id in orders and orders[shown.client_order_id].intent.purpose.opens
    ]


def watch_calm(book: LabBook, scenario: str) -> Calm:
    """Run a scenario that nobody interferes with."""
    hand = Hand()
    with TemporaryDirectory() as folder:
        lab, _ = _run(book, SCENARIOS[scenario](), hand, Path(folder))
        closed = tuple(
            position.id
            for account in lab.accounts
            for position in lab.ledger(account).positions.values()
            if not position.is_open and position.close_reason != ExitReason.ROLL.value
        )
        lab.close()
    return Calm(scenario, hand.first, tuple(hand.names), closed)


def _run(book: LabBook, plan: Plan, hand: Hand, folder: Path) -> tuple[Lab, list[str]]:
    lab = open_lab(plan, book, folder, hand, Direct())
    hand.lab, hand.first, lab.before_step = lab, hand.points + 1, hand.step
    return lab, run_on(lab, plan)


def _going_on(scenario: str) -> Plan:
    """Give a scenario with time at its end for what a level asks for that rises at its last instant."""
    plan = SCENARIOS[scenario]()
    return replace(plan, end=plan.end + _GOES_ON)


def run_case(book: LabBook, work: tuple[KillCase, Calm]) -> Raised:
    """Raise the level at the case's point, start anew later, and judge."""
    case, calm = work
    hand = Hand(case.point, ControlLevel[case.level])
    with TemporaryDirectory() as folder:
        lab, objections = _run(book, _going_on(case.scenario), hand, Path(folder))
        found = [*objections, *_judged(lab, hand, case, calm)]
        waited = _cancelled_after(lab, hand)
        lab.close()
    where = hand.names[case.point - 1] if case.point <= len(hand.names) else "never"
    return Raised(case, where, waited, tuple(found))


def _cancelled_after(lab: Lab, hand: Hand) -> float:
    """Give the seconds until the last entry that worked when the level rose was asked to be cancelled."""
    rise = hand.found
    if rise is None:
        return 0.0
    waits = [
        (event.at - rise.at).total_seconds()
        for account in lab.accounts
        for event in lab.store.events(account)
        if isinstance(event.body, OrderSettled)
        and event.body.state == OrderState.CANCELING
        and event.body.client_order_id in rise.working
        and event.at >= rise.at
    ]
    return max(waits, default=0.0)


def _judged(lab: Lab, hand: Hand, case: KillCase, calm: Calm) -> list[str]:
    """Say what is wrong at the end: the level fell, entries stayed, exits did not go on."""
    if hand.found is None:
        return [f"{case}: point {case.point} was never reached"]
    level = ControlLevel[case.level]
    found = [f"K2 {name} live 5 s after the level rose" for name in hand.late]
    for account in lab.accounts:
        ledger = lab.ledger(account)
        if ledger.control < level:
            found.append(f"K2 {account} stands at {ledger.control.name}")
        for name in hand.found.held.get(account, ()):
            position = ledger.positions[name]
            if ledger.control <= ControlLevel.FLATTEN and position.qty and name in calm.closed:
                found.append(f"X6 {name} still holds {position.qty}")
            killed = position.exit is not None and position.exit.reason is ExitReason.KILL
            if ledger.control is ControlLevel.FLATTEN and position.qty and not (killed or position.frozen):
                found.append(f"X6 {name} is held, not sold")
    return found


def _drawn(calms: Sequence[Calm], size: int) -> list[tuple[KillCase, Calm]]:
    """Draw the instants: every fourth between SENDING and the socket; the draw is always the same."""
    random = Random(17)
    at_socket = [
        (calm, point)
        for calm in calms
        for point, name in enumerate(calm.points, start=1)
        if name == _AT_THE_SOCKET and point >= calm.first
    ]
    cases = []
    for index in range(size):
        if index % 4 == 0:
            calm, point = random.choice(at_socket)
        else:
            calm = random.choice(calms)
            point = random.choice(_free(calm))
        level = _LEVELS[index // 4 % len(_LEVELS)]
        cases.append((KillCase(calm.scenario, point, level.name), calm))
    return cases


def _free(calm: Calm) -> list[int]:
    named = enumerate(calm.points, start=1)
    return [point for point, name in named if point >= calm.first and not name.startswith(_NO_INSTANT)]


def measure(bench: Bench, size: int) -> Result:
    """Let the level rise at `size` instants over all scenarios."""
    began = perf_counter()
    calms = spread(watch_calm, NAMES, bench, label="scenarios")
    runs = spread(run_case, _drawn(calms, size), bench, label="rises")
    bad = [run for run in runs if run.objections]
    posts = sum(text.startswith("K1") for run in runs for text in run.objections)
    slowest = max((run.cancelled_after for run in runs if _cancels(run)), default=0.0)
    return Result(
        goal=GOAL.number,
        value=f"{posts} POSTs after the commit, {len(bad)} bad of {size:,}; cancelled within {slowest:g} s",
        target=GOAL.target,
        passed=not bad,
        seeds=size,
        seconds=perf_counter() - began,
        failures=[
            f"{run.case} ({run.where}): {run.objections[0]}; ops verify kill --case {run.case} --trace"
            for run in bad[:_SHOWN]
        ],
        details=_details(runs),
    )


def _cancels(run: Raised) -> bool:
    return ControlLevel[run.case.level] >= ControlLevel.CANCEL_ENTRIES


def _details(runs: Sequence[Raised]) -> Mapping[str, object]:
    return {
        "levels": dict(Counter(run.case.level for run in runs)),
        "between SENDING and the socket": sum(run.where == _AT_THE_SOCKET for run in runs),
        "scenarios": len({run.case.scenario for run in runs}),
    }


def replay(bench: Bench, case: str) -> Told:
    """Run one case again."""
    scenario, point, level = case.split(":")
    known = KillCase(scenario, int(point), level)
    calm = watch_calm(bench.book, scenario)
    hand = Hand(known.point, ControlLevel[level])
    with TemporaryDirectory() as folder:
        lab, objections = _run(bench.book, _going_on(scenario), hand, Path(folder))
        found = [*objections, *_judged(lab, hand, known, calm)]
        lines = told(lab)
        lab.close()
    return Told([*lines, f"the level rose at point {point}, {calm.points[known.point - 1]}"], found)


GOAL = Goal(
    number="G17",
    target=f"0 POSTs that open after the commit, entries cancelled <= 5 s, of {_FULL:,} instants",
    short=40,
    full=_FULL,
    measure=measure,
    replay=replay,
)
