"""Deterministic simulation: every kind of fault by seed, judged by an all-seeing broker. Shell."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter

from ops_pipeline.domain.units import AccountId
from ops_pipeline.verify import edges
from ops_pipeline.verify.crash import open_lab, run_on, told
from ops_pipeline.verify.goals import Bench, Goal, Result, Told
from ops_pipeline.verify.kinds import Kind
from ops_pipeline.verify.lab import Lab
from ops_pipeline.verify.market import calendar
from ops_pipeline.verify.network import FaultyNetwork
from ops_pipeline.verify.parallel import spread
from ops_pipeline.verify.scenario import Plan
from ops_pipeline.verify.scenarios import SCENARIOS
from ops_pipeline.verify.schedules import Schedule, Script, Scripted, Storm
from ops_pipeline.verify.terms import LabBook
from ops_pipeline.verify.waits import Wait, waits_of
from ops_pipeline.verify.weather import ZOMBIES, Weather

# Faults of calls, in parts per thousand: orders and cancels are few, and suffer more than reads.
_RATE = (20, 250)
_ORDER_RATE = (400, 900)
# In every third weather signals live so long: entries outlive them, and what is lost is given up.
_SHORT_LIVES_S = (2, 40)
# How long faults go on at least, and how long everything then has to come to rest: beyond quarantine and
# drain. Where the session ends before, the next one's morning follows.
_STORM = timedelta(minutes=4)
_CALM = timedelta(minutes=8)
_LEAST_SEEDS, _LEAST_FIRINGS, _LEAST_HITS = 5_000, 500, 20
# Enough for the rarest kind and edge too.
_FULL = 6_000
_SHOWN = 5
# Orders of the day that expire unfilled are few.
_RARE_EDGES = ("exit_of_the_day_expires",)


@dataclass(frozen=True, slots=True)
class Run:
    """What one seed came to; `waits` are those of its exits for the broker."""

    seed: int
    scenario: str
    objections: tuple[str, ...]
    fired: dict[Kind, int]
    hits: dict[str, int]
    waits: tuple[Wait, ...]
    trace: str


def run_seed(
    book: LabBook,
    seed: int,
    *,
    calm: bool = False,
    scripted: bool = True,
    zombies: Sequence[int] = ZOMBIES,
) -> Run:
    """Run a seed's scenario in its weather to rest, and judge it.

    `calm`: without any fault; `scripted` False: without the faults that make the scenario what it is.
    """
    with TemporaryDirectory() as folder:
        lab, name, fired, objections = brewed(
            book, seed, Path(folder), calm=calm, scripted=scripted, zombies=zombies
        )
        run = Run(
            seed=seed,
            scenario=name,
            objections=tuple(objections),
            fired=dict(fired),
            hits=dict(_hits(lab)),
            waits=tuple(waits_of(lab)),
            trace=trace_of(lab),
        )
        lab.close()
    return run


def brewed(
    book: LabBook,
    seed: int,
    folder: Path,
    *,
    calm: bool = False,
    scripted: bool = True,
    zombies: Sequence[int] = ZOMBIES,
) -> tuple[Lab, str, Counter[Kind], list[str]]:
    """Run a seed's scenario; give the laboratory, what happened in it and what is objected to."""
    random = Random(seed)
    name = random.choice(_drawn())
    plan = SCENARIOS[name]()
    until = plan.start if calm else max(plan.start + _STORM, plan.end)
    plan = replace(plan, end=_at_rest(max(until, plan.end)))
    script = plan.script if scripted and not calm else {}
    network = FaultyNetwork({account.id: _schedule(random, until, script) for account in plan.accounts})
    weather = Weather(random, network.fired, until=until, zombies=zombies)
    plan = replace(plan, match=replace(plan.match, seed=seed, partial_chance=0.5))
    lab = open_lab(plan, book, folder, weather, network, _pushes(random, plan, until, calm=calm))
    weather.lab = lab
    lab.before_step, lab.restart_after = weather.step, weather.down
    if not calm and not random.randrange(3):
        lab.longest_life = timedelta(seconds=random.randint(*_SHORT_LIVES_S))
    objections = run_on(lab, plan)
    fired = sum((stream.fired for stream in lab.pushes.values()), network.fired)
    return lab, name, fired, objections


def _pushes(random: Random, plan: Plan, until: datetime, *, calm: bool) -> Mapping[AccountId, Schedule]:
    """Let the brokers of every third seed, and of scenarios that are about it, push their updates."""
    if plan.pushed is None and random.randrange(3):
        return {}
    script: Sequence[Kind | None] = () if calm else plan.pushed or ()
    return {account.id: _schedule(random, until, {"push": script}) for account in plan.accounts}


@cache
def _drawn() -> tuple[str, ...]:
    """Give the scenarios to draw from: those that rare faults, or an edge, depend on stand there twice."""
    return tuple(
        name
        for name, plan in sorted(SCENARIOS.items())
        for _ in range(2 if name in _RARE_EDGES or plan().script else 1)
    )


def _schedule(random: Random, until: datetime, script: Mapping[str, Sequence[Kind | None]]) -> Schedule:
    """Give an account's faults: those that make the scenario first, then the storm's."""
    storm = Storm(
        Random(random.getrandbits(64)),
        until=until,
        rate=random.randint(*_RATE),
        order_rate=random.randint(*_ORDER_RATE),
    )
    return Scripted(Script(script), storm, until=until)


def _at_rest(until: datetime) -> datetime:
    """Give when everything has had its time: within the session, or in the following one's morning."""
    rest = until + _CALM
    session = calendar().between(until.date(), until.date())
    if session and rest <= session[0].close_at:
        return rest
    return calendar().following(until.date()).open_at + _CALM


def _hits(lab: Lab) -> Counter[str]:
    hits: Counter[str] = Counter()
    for account in lab.accounts:
        hits += edges.count(edges.steps_of(lab.store.events(account)))
    return hits


def trace_of(lab: Lab) -> str:
    """Hash everything that was stored and everything the broker did."""
    digest = sha256()
    for account in lab.accounts:
        book = lab.oracles[account].book
        digest.update(lab.ledger(account).head.encode())
        digest.update(repr([*book.orders.values(), *book.activities, book.cash]).encode())
    return digest.hexdigest()


def measure(bench: Bench, size: int) -> Result:
    """Run the seeds 1 to `size`; count violations, firings by kind, edges gone along, exit latencies."""
    began = perf_counter()
    runs = spread(run_seed, range(1, size + 1), bench, label="fault schedules")
    fired: Counter[Kind] = Counter()
    hits: Counter[str] = Counter()
    for run in runs:
        fired.update(run.fired)
        hits.update(run.hits)
    bad = [run for run in runs if run.objections]
    rare = [kind.value for kind in Kind if fired[kind] < _LEAST_FIRINGS]
    missed = [name for name in edges.NAMES if hits[name] < _LEAST_HITS]
    waits = sorted(wait.seconds for run in runs for wait in run.waits if wait.accepted)
    whole = size < _LEAST_SEEDS or not (rare or missed)
    return Result(
        goal=GOAL.number,
        value=f"{len(bad)} bad of {size:,}; {len(edges.NAMES) - len(missed)} of {len(edges.NAMES)} edges",
        target=GOAL.target,
        passed=not bad and whole,
        seeds=size,
        seconds=perf_counter() - began,
        failures=[
            f"seed {run.seed} ({run.scenario}): {run.objections[0]}; ops verify dst --seed {run.seed} --trace"
            for run in bad[:_SHOWN]
        ],
        details={
            "fired": {kind.value: fired[kind] for kind in Kind},
            "edges": {name: hits[name] for name in edges.NAMES},
            "beside the table": {k: v for k, v in hits.items() if k not in edges.NAMES},
            "exit accepted after, s": percentiles(waits),
        },
    )


def percentiles(ordered: Sequence[float]) -> dict[str, float]:
    """Give count, median, 99th percentile and maximum of ordered numbers."""
    if not ordered:
        return {"count": 0}
    last = len(ordered) - 1
    return {
        "count": len(ordered),
        "p50": ordered[last // 2],
        "p99": ordered[last * 99 // 100],
        "max": ordered[-1],
    }


def replay(bench: Bench, case: str) -> Told:
    """Run one seed again."""
    return tell(bench.book, int(case))[0]


def tell(
    book: LabBook, seed: int, *, calm: bool = False, scripted: bool = True
) -> tuple[Told, Sequence[Wait]]:
    """Run a seed again; give what happened, what is objected to, and how long its exits waited."""
    with TemporaryDirectory() as folder:
        lab, name, fired, objections = brewed(book, seed, Path(folder), calm=calm, scripted=scripted)
        lines = [f"scenario {name}", *told(lab), f"fired {dict(fired)}"]
        waits = waits_of(lab)
        lab.close()
    return Told(lines, objections), waits


GOAL = Goal(
    number="G3",
    target=f"0 bad of >= {_LEAST_SEEDS:,} seeds, each kind >= {_LEAST_FIRINGS}, each edge >= {_LEAST_HITS}",
    short=60,
    full=_FULL,
    measure=measure,
    replay=replay,
)
