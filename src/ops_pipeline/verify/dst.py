"""Deterministic simulation: every kind of fault by seed, judged by an all-seeing broker. Shell."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter

from ops_pipeline.domain import events as e
from ops_pipeline.domain.units import Occ
from ops_pipeline.verify import edges
from ops_pipeline.verify.crash import open_lab, run_on, told
from ops_pipeline.verify.fuse import Crash, Fuse
from ops_pipeline.verify.goals import Bench, Goal, Result, Told
from ops_pipeline.verify.kinds import Kind
from ops_pipeline.verify.lab import Lab
from ops_pipeline.verify.network import FaultyNetwork, Storm
from ops_pipeline.verify.parallel import spread
from ops_pipeline.verify.scenarios import SCENARIOS
from ops_pipeline.verify.terms import LabBook

# Faults of calls, in parts per thousand, and of the host, per point or step.
_RATE = (20, 300)
_CRASHES = (0, 0, 4, 12)
_ZOMBIES = (0, 0, 0, 3)
_JUMPS = (0, 0, 0, 15)
_OTHERS = (0, 0, 0, 10)
# Each take-over is another open database.
_MOST_TAKE_OVERS = 3
_DOWN_S = (0, 20)
_JUMP_S = (20, 120)
# How long faults go on, and how long everything then has to come to rest: beyond quarantine and drain.
_STORM = timedelta(minutes=4)
_CALM = timedelta(minutes=8)
_LEAST_SEEDS, _LEAST_FIRINGS, _LEAST_HITS = 5_000, 500, 20
_SHOWN = 5


class Weather(Fuse):
    """What happens to the host by chance until the storm is over: crashes, pauses, jumps, other people."""

    def __init__(
        self, random: Random, fired: Counter[Kind], *, until: datetime, zombies: Sequence[int] = _ZOMBIES
    ) -> None:
        """Draw how much of each there is; `zombies` are the rates of pauses drawn from."""
        super().__init__()
        self._random = random
        self._fired = fired
        self._until = until
        self._crashes = random.choice(_CRASHES)
        self._zombies = random.choice(zombies)
        self._jumps = random.choice(_JUMPS)
        self._others = random.choice(_OTHERS)
        self._taken_over = 0
        self.lab: Lab | None = None

    def point(self, what: str) -> None:
        """Die, or be taken over from, by chance."""
        lab = self.lab
        if lab is None or not self.armed or lab.clock.now() >= self._until:
            return
        self.points += 1
        drawn = self._random.randrange(1_000)
        if drawn < self._crashes:
            self._fired[Kind.CRASH] += 1
            raise Crash(what)
        if drawn < self._crashes + self._zombies and self._taken_over < _MOST_TAKE_OVERS:
            self._taken_over += 1
            self._fired[Kind.ZOMBIE] += 1
            lab.take_over()

    def step(self, lab: Lab) -> None:
        """Let the host be suspended, or somebody else act, by chance."""
        now = lab.clock.now()
        if now >= self._until:
            return
        drawn = self._random.randrange(1_000)
        if drawn < self._jumps:
            self._fired[Kind.CLOCK_JUMP] += 1
            lab.clock.move_to(now + timedelta(seconds=self._random.randint(*_JUMP_S)))
        elif drawn < self._jumps + self._others:
            self._somebody(lab)

    def down(self) -> timedelta:
        """Give how long a dead process stays dead."""
        return timedelta(seconds=self._random.randint(*_DOWN_S))

    def _somebody(self, lab: Lab) -> None:
        account = self._random.choice(lab.accounts)
        oracle = lab.oracles[account]
        oracle.advance()
        for symbol, holding in sorted(oracle.book.holdings.items()):
            free = holding.qty - oracle.for_sale(Occ(symbol))
            quote = lab.terms.market.quotes([Occ(symbol)], now=lab.clock.now()).get(Occ(symbol))
            if free > 0 and quote is not None and quote.bid:
                self._fired[Kind.MANUAL_SALE] += 1
                oracle.trade_by_hand(Occ(symbol), -self._random.randint(1, free), quote.bid)
                return


@dataclass(frozen=True, slots=True)
class Run:
    """What one seed came to; `latencies` are seconds from an exit's decision to its acceptance."""

    seed: int
    scenario: str
    objections: tuple[str, ...]
    fired: dict[Kind, int]
    hits: dict[str, int]
    latencies: tuple[float, ...]
    trace: str


def run_seed(book: LabBook, seed: int, *, zombies: Sequence[int] = _ZOMBIES) -> Run:
    """Run a seed's scenario in its weather to rest, and judge it."""
    with TemporaryDirectory() as folder:
        lab, name, fired, objections = brewed(book, seed, Path(folder), zombies=zombies)
        run = Run(
            seed=seed,
            scenario=name,
            objections=tuple(objections),
            fired=dict(fired),
            hits=dict(_hits(lab)),
            latencies=tuple(latencies(lab)),
            trace=trace_of(lab),
        )
        lab.close()
    return run


def brewed(
    book: LabBook, seed: int, folder: Path, *, zombies: Sequence[int] = _ZOMBIES
) -> tuple[Lab, str, Counter[Kind], list[str]]:
    """Run a seed's scenario; give the laboratory, what happened in it and what is objected to."""
    random = Random(seed)
    name = random.choice(sorted(SCENARIOS))
    plan = SCENARIOS[name]()
    until = plan.start + _STORM
    plan = replace(plan, end=max(plan.end, until) + _CALM)
    rate = random.randint(*_RATE)
    network = FaultyNetwork(
        {
            account.id: Storm(Random(random.getrandbits(64)), until=until, rate=rate)
            for account in plan.accounts
        }
    )
    weather = Weather(random, network.fired, until=until, zombies=zombies)
    plan = replace(plan, match=replace(plan.match, seed=seed, partial_chance=0.5))
    lab = open_lab(plan, book, folder, weather, network)
    weather.lab = lab
    lab.before_step, lab.restart_after = weather.step, weather.down
    return lab, name, network.fired, run_on(lab, plan)


def _hits(lab: Lab) -> Counter[str]:
    hits: Counter[str] = Counter()
    for account in lab.accounts:
        hits += edges.count(edges.steps_of(lab.store.events(account)))
    return hits


def latencies(lab: Lab) -> list[float]:
    """Give the seconds from each latched exit decision to its first order's acceptance at the broker."""
    found = []
    for account in lab.accounts:
        taken = {order.client_order_id: order.submitted_at for order in lab.oracles[account].accepted}
        waiting: dict[str, datetime] = {}
        for event in lab.store.events(account):
            body = event.body
            if isinstance(body, e.ExitDecided) and body.decision.latched:
                waiting.setdefault(body.position_id, event.at)
            elif isinstance(body, e.OrderIntended) and body.intent.position_id in waiting:
                accepted_at = taken.get(body.intent.client_order_id)
                if not body.intent.purpose.opens and accepted_at is not None:
                    decided_at = waiting.pop(body.intent.position_id)
                    found.append((accepted_at - decided_at).total_seconds())
    return found


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
    waits = sorted(wait for run in runs for wait in run.latencies)
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
    with TemporaryDirectory() as folder:
        lab, name, fired, objections = brewed(bench.book, int(case), Path(folder))
        lines = [f"scenario {name}", *told(lab), f"fired {dict(fired)}"]
        lab.close()
    return Told(lines, objections)


GOAL = Goal(
    number="G3",
    target=f"0 bad of >= {_LEAST_SEEDS:,} seeds, each kind >= {_LEAST_FIRINGS}, each edge >= {_LEAST_HITS}",
    short=60,
    full=_LEAST_SEEDS,
    measure=measure,
    replay=replay,
)
