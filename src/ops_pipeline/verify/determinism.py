"""The same seeds in other processes, under another hash seed, time zone, processor and order. Shell."""

import subprocess
from collections.abc import Sequence
from datetime import date, timedelta
from hashlib import sha256
from time import perf_counter
from typing import NamedTuple

from ops_pipeline.adapters.calendar.exchange import exchange_calendar
from ops_pipeline.adapters.simulator.names import DEFAULT_NAMES
from ops_pipeline.adapters.simulator.world import World
from ops_pipeline.adapters.simulator.world_rules import WorldRules
from ops_pipeline.verify.dst import run_seed
from ops_pipeline.verify.goals import Bench, Goal, Result, Told
from ops_pipeline.verify.terms import LabBook

_LEAST_SEEDS = 200
_SHOWN = 5
# An invented market draws its prices with numpy, which the laboratory's tables do not use: one name of it is
# priced for every tenth seed.
_WORLD_EVERY = 10
_WORLD_SESSION = date(2026, 3, 2)
# Seeds handed to one process: starting it costs as much as some thirty runs.
_AT_ONCE = 100


class Surroundings(NamedTuple):
    """What a process is started in; `backwards`: it runs its seeds from the last to the first."""

    hash_seed: str
    zone: str
    without: str
    backwards: bool


_HERE = Surroundings("1", "UTC", "", backwards=False)
_ELSEWHERE = Surroundings("4711", "Pacific/Auckland", "AVX2 FMA3 AVX512F", backwards=True)


def measure(bench: Bench, size: int) -> Result:
    """Run the seeds 1 to `size` in fresh processes twice; compare the hashes of all they stored."""
    began = perf_counter()
    parts = [
        (first, min(first + _AT_ONCE, size + 1) - 1, there)
        for first in range(1, size + 1, _AT_ONCE)
        for there in (_HERE, _ELSEWHERE)
    ]
    traces: dict[int, set[str]] = {seed: set() for seed in range(1, size + 1)}
    runs = 0
    for index in range(0, len(parts), max(1, bench.workers)):
        for seed, trace in _traces(bench, parts[index : index + max(1, bench.workers)]):
            traces[seed].add(trace)
            runs += 1
        bench.say(f"seeds run again: {runs:,} of {2 * size:,}")
    differ = [seed for seed, seen in traces.items() if len(seen) > 1]
    return Result(
        goal=GOAL.number,
        value=f"{len(differ)} of {size:,} seeds differ, {runs:,} runs",
        target=GOAL.target,
        passed=not differ and runs == 2 * size,
        seeds=size,
        seconds=perf_counter() - began,
        failures=[
            f"seed {seed}: two runs, two hashes; {_command(seed, seed, there)}"
            for seed in differ[:_SHOWN]
            for there in (_HERE, _ELSEWHERE)
        ],
    )


def _traces(bench: Bench, parts: Sequence[tuple[int, int, Surroundings]]) -> list[tuple[int, str]]:
    """Run some parts at once, each in a process of its own; give (seed, hash) of every run."""
    running = [
        subprocess.Popen(  # noqa: S603 - this program, once more
            [*_env(there), *bench.command, *_arguments(first, last, there)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for first, last, there in parts
    ]
    found = []
    for process in running:
        lines = process.communicate()[0].splitlines()
        found += [
            (int(seed), trace) for seed, trace in (line.split()[1:] for line in lines if _is_trace(line))
        ]
    return found


def _is_trace(line: str) -> bool:
    return line.startswith("trace ")


def _env(there: Surroundings) -> list[str]:
    return [
        "/usr/bin/env",
        f"PYTHONHASHSEED={there.hash_seed}",
        f"TZ={there.zone}",
        f"NPY_DISABLE_CPU_FEATURES={there.without}",
    ]


def _arguments(first: int, last: int, there: Surroundings) -> list[str]:
    span = (last, first) if there.backwards else (first, last)
    return ["verify", "determinism", "--case", f"{span[0]}:{span[1]}", "--trace"]


def _command(first: int, last: int, there: Surroundings) -> str:
    variables = [name if " " not in name else f"'{name}'" for name in _env(there)[1:]]
    return " ".join([*variables, "ops", *_arguments(first, last, there)])


def trace_of(book: LabBook, seed: int) -> str:
    """Hash what a seed's run stored and what its broker did; every tenth seed, prices of a world too."""
    digest = sha256(run_seed(book, seed).trace.encode())
    if seed % _WORLD_EVERY == 0:
        digest.update(_world_prices(seed).encode())
    return digest.hexdigest()


def _world_prices(seed: int) -> str:
    calendar = exchange_calendar()
    name = DEFAULT_NAMES[seed // _WORLD_EVERY % len(DEFAULT_NAMES)]
    world = World(WorldRules(seed=seed, first_session=_WORLD_SESSION, names=(name,)), calendar)
    session = calendar.session_on(_WORLD_SESSION)
    if session is None:
        raise ValueError(f"world: expected a session on {_WORLD_SESSION}")
    now = session.open_at + timedelta(minutes=200)
    chain = world.chain(name.ticker, now=now, first=session.date, last=session.date + timedelta(days=12))
    return repr((world.spot(name.ticker, now=now), tuple(chain.quotes.items()) if chain else None))


def replay(bench: Bench, case: str) -> Told:
    """Run the seeds `FIRST:LAST`, in that order, and give the hash of each."""
    first, last = (int(part) for part in case.split(":"))
    step = 1 if first <= last else -1
    seeds = range(first, last + step, step)
    return Told([f"trace {seed} {trace_of(bench.book, seed)}" for seed in seeds], ())


GOAL = Goal(
    number="G9",
    target=f"0 of >= {_LEAST_SEEDS} seeds differ between two runs",
    short=20,
    full=_LEAST_SEEDS,
    measure=measure,
    replay=replay,
)
