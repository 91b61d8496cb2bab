"""Crash points: a process that dies around each of its effects, and once more while it recovers. Shell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter

from ops_pipeline.domain.units import AccountId
from ops_pipeline.verify.databases import Opener, open_database
from ops_pipeline.verify.fuse import Fuse
from ops_pipeline.verify.goals import Bench, Goal, Result, Told
from ops_pipeline.verify.lab import Lab
from ops_pipeline.verify.network import FaultyNetwork
from ops_pipeline.verify.parallel import spread
from ops_pipeline.verify.scenario import Plan
from ops_pipeline.verify.scenarios import SCENARIOS
from ops_pipeline.verify.schedules import Schedule, Script
from ops_pipeline.verify.terms import Direct, LabBook, Network, Terms

# The second crash of a pair lies at most so many points behind the first: inside its recovery.
_SECOND_WITHIN = 40
_LEAST_POINTS = 5_000
_LEAST_PAIRS = 5_000
_LEAST_SCENARIOS = 24
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class CrashCase:
    """A scenario by name and the points at which its process dies."""

    scenario: str
    burns_at: tuple[int, ...] = ()

    def __str__(self) -> str:
        return ":".join((self.scenario, *map(str, self.burns_at)))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to: how many points there were, where it died, what was objected to."""

    case: CrashCase
    points: int
    burnt: tuple[str, ...]
    objections: tuple[str, ...]


def open_lab(
    plan: Plan,
    book: LabBook,
    folder: Path,
    fuse: Fuse,
    network: Network | None = None,
    pushes: Mapping[AccountId, Schedule] | None = None,
    *,
    opener: Opener = open_database,
) -> Lab:
    """Build the laboratory of a plan, over its own network or another; nothing has happened yet."""
    if network is None and plan.network is not None:
        network = plan.network()
    elif network is None and plan.script:
        network = FaultyNetwork({account.id: Script(plan.script) for account in plan.accounts})
    terms = Terms(
        book=book,
        market=plan.market,
        accounts=plan.accounts,
        start=plan.start,
        match=plan.match,
        network=network or Direct(),
        pushes=pushes or _pushes_of(plan),
    )
    return Lab(folder, terms, fuse, opener=opener)


def _pushes_of(plan: Plan) -> Mapping[AccountId, Schedule]:
    if plan.pushed is None:
        return {}
    return {account.id: Script({"push": plan.pushed}) for account in plan.accounts}


def run_case(book: LabBook, case: CrashCase) -> Outcome:
    """Run a scenario with a process that dies at the case's points, to its end, and judge it."""
    plan, fuse = SCENARIOS[case.scenario](), Fuse(*case.burns_at)
    with TemporaryDirectory() as folder:
        lab = open_lab(plan, book, Path(folder), fuse)
        objections = finish(lab, plan)
        lab.close()
    return Outcome(case, fuse.points, tuple(what for _, what in fuse.burnt), tuple(objections))


def finish(lab: Lab, plan: Plan) -> list[str]:
    """Run a laboratory to the end of its plan; give what the judges and the plan object to."""
    return [*run_on(lab, plan), *plan.complaints(lab)]


def run_on(lab: Lab, plan: Plan) -> list[str]:
    """Run a laboratory to the end of its plan; give what the judges object to."""
    if plan.idle_from is not None and plan.idle_until is not None:
        lab.live(plan.acts, plan.idle_from)
        lab.clock.move_to(plan.idle_until)
        lab.start()
        lab.live([act for act in plan.acts if act.at >= plan.idle_until], plan.end)
    else:
        lab.live(plan.acts, plan.end)
    lab.judge_rest()
    return [str(found) for found in lab.violations if found.id not in plan.tolerated]


def measure_single(bench: Bench, size: int) -> Result:
    """Die once at every point of every scenario; `size` 0: all of them, else an even sample."""
    began = perf_counter()
    whole = spread(run_case, [CrashCase(name) for name in SCENARIOS], bench, label="scenarios")
    every = [CrashCase(run.case.scenario, (point,)) for run in whole for point in range(1, run.points + 1)]
    cases = _sample(every, size)
    runs = [*whole, *spread(run_case, cases, bench, label="crash points")]
    enough = size > 0 or (len(cases) >= _LEAST_POINTS and len(whole) >= _LEAST_SCENARIOS)
    over = f"over {len(whole)} scenarios"
    return _result(SINGLE, runs, len(cases), over, enough=enough, seconds=perf_counter() - began)


def measure_double(bench: Bench, size: int) -> Result:
    """Die at a point, and again while recovering from it; `size` pairs over all scenarios."""
    began = perf_counter()
    whole = spread(run_case, [CrashCase(name) for name in SCENARIOS], bench, label="scenarios")
    random = Random(2)  # the sample is always the same
    pairs = [(run.case.scenario, point) for run in whole for point in range(1, run.points + 1)]
    cases = []
    for index in range(size):
        name, first = pairs[index % len(pairs)] if size >= len(pairs) else random.choice(pairs)
        cases.append(CrashCase(name, (first, first + random.randint(1, _SECOND_WITHIN))))
    runs = spread(run_case, cases, bench, label="double crashes")
    twice = sum(len(run.burnt) == 2 for run in runs)
    enough = size < _LEAST_PAIRS or twice >= _LEAST_PAIRS
    return _result(DOUBLE, runs, twice, "died twice", enough=enough, seconds=perf_counter() - began)


def _sample(cases: Sequence[CrashCase], size: int) -> Sequence[CrashCase]:
    if not size or size >= len(cases):
        return cases
    return [cases[index * len(cases) // size] for index in range(size)]


def _result(
    goal: Goal,
    runs: Sequence[Outcome],
    count: int,
    over: str,
    *,
    enough: bool,
    seconds: float,
) -> Result:
    bad = [run for run in runs if run.objections]
    failures = [
        f"{run.case} ({', '.join(run.burnt) or 'no crash'}): {run.objections[0]}; "
        f"ops verify crash --case {run.case} --trace"
        for run in bad[:_SHOWN]
    ]
    return Result(
        goal=goal.number,
        value=f"{len(bad)} bad of {count:,} {over}",
        target=goal.target,
        passed=not bad and enough,
        seeds=count,
        seconds=seconds,
        failures=failures,
    )


def replay(bench: Bench, case: str) -> Told:
    """Run one case again."""
    name, *points = case.split(":")
    plan, fuse = SCENARIOS[name](), Fuse(*map(int, points))
    with TemporaryDirectory() as folder:
        lab = open_lab(plan, bench.book, Path(folder), fuse)
        objections = finish(lab, plan)
        lines = told(lab)
        lab.close()
    died = [f"died at point {point}, {what}" for point, what in fuse.burnt]
    return Told([*lines, *died], objections)


def told(lab: Lab) -> list[str]:
    """Give every event of every account as a line."""
    return [
        f"{event.at:%m-%d %H:%M:%S.%f} {account} {event.seq} {event.kind} {event.key} {_short(event.body)}"
        for account in lab.accounts
        for event in lab.store.events(account)
    ]


def _short(body: object) -> str:
    names = [name for name in getattr(body, "__slots__", ()) if name not in ("client_order_id", "intent")]
    return " ".join(f"{name}={getattr(body, name)}"[:60] for name in names)


SINGLE = Goal(
    number="G1",
    target=f"0 bad of >= {_LEAST_POINTS:,} points over >= {_LEAST_SCENARIOS} scenarios",
    short=120,
    full=0,
    measure=measure_single,
    replay=replay,
)
DOUBLE = Goal(
    number="G2",
    target=f"0 bad of >= {_LEAST_PAIRS:,} pairs",
    short=60,
    full=2 * _LEAST_PAIRS,
    measure=measure_double,
    replay=replay,
)
