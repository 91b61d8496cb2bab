"""One writer: pauses and take-overs in simulation, and real processes stopped and continued (G16). Shell."""

import os
import signal
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from shutil import rmtree
from tempfile import TemporaryDirectory, mkdtemp
from time import perf_counter
from typing import Any

from ops_pipeline.domain.errors import LeaseHeldError, StaleWriterError
from ops_pipeline.verify.cluster import PostgresMissingError, create_database, start_cluster, stop_cluster
from ops_pipeline.verify.crash import told
from ops_pipeline.verify.dst import Run, brewed, percentiles, run_seed
from ops_pipeline.verify.goals import Bench, Goal, Result, Told
from ops_pipeline.verify.kinds import Kind
from ops_pipeline.verify.parallel import spread
from ops_pipeline.verify.processes import ended, machine_s, pause
from ops_pipeline.verify.rig import Rig, Running, open_rig
from ops_pipeline.verify.terms import LabBook
from ops_pipeline.verify.trader import STOPPED_ITSELF
from ops_pipeline.verify.troubles import Climate
from ops_pipeline.verify.workload import workload

_LEAST_SCHEDULES, _LEAST_CYCLES = 5_000, 50
# One schedule in six is over before a pause is drawn.
_SEEDS = 6_300
# Pauses per thousand points of a schedule: one to three in each.
_ZOMBIES = (60, 120, 250)
# One cycle of real processes for so many schedules, within these bounds; each life has a few.
_SCHEDULES_A_CYCLE, _MOST_CYCLES, _CYCLES_A_LIFE = 100, 50, 13
# Leases live shorter here than in the product, so that fifty take-overs take a minute.
_TTL_S = 0.5
_SPEED = 30.0
_LATENCY_S, _SLOW_S, _TROUBLE_RATE = (0.0, 0.02), (0.05, 0.3), 20
_CALLS, _CALL_WITHIN_S, _AFTER_CALL_S = (1, 3), 1.0, (0.0, 0.03)
# One that does not take over by then waits for a process that was stopped inside a transaction.
_STOPS_WITHIN_S = 10.0
_TAKES_OVER_WITHIN_S, _LET_GO_S, _TRIES = 1.5, 0.15, 40
_SHOWN = 5
_STALE = (StaleWriterError.__name__, LeaseHeldError.__name__)
SQLITE, POSTGRESQL = "sqlite", "postgresql"


@dataclass(slots=True)
class Life:
    """What one database saw: take-overs, how the ones taken over from ended, what is objected to."""

    name: str
    seed: int
    cycles: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    inside: int = 0
    took_over: list[float] = field(default_factory=list)
    objections: list[str] = field(default_factory=list)


def run_life(bench: Bench, name: str, url: str, seed: int, cycles: int, **changes: Any) -> Life:
    """Let two processes take turns: the leader is stopped, the other takes over, the first wakes up.

    `changes` are other terms for the first leader.
    """
    work = workload(seed)
    climate = Climate(seed=seed, rate=_TROUBLE_RATE, latency_s=_LATENCY_S, slow_s=_SLOW_S)
    life = Life(name, seed)
    with TemporaryDirectory(prefix="lease-") as folder:
        rig = open_rig(bench.book, work, url, climate, ttl_s=_TTL_S, speed=_SPEED)
        try:
            _take_turns(rig, life, Path(folder), cycles, changes)
        except RuntimeError as error:  # a process that should have traded stopped itself
            life.objections.append(str(error))
        finally:
            rig.close()
    return life


def _take_turns(rig: Rig, life: Life, folder: Path, cycles: int, changes: dict[str, Any]) -> None:
    random = Random(life.seed)
    leader = _launch(rig, folder, 0, changes)
    leader.opened()
    for number in range(1, cycles + 1):
        leader = _cycle(rig, life, random, leader, _launch(rig, folder, number, {}))
    _stopped(leader, life)
    rig.quieten()
    leader = _launch(rig, folder, cycles + 1, {})
    leader.opened()
    rig.rest()
    _stopped(leader, life)
    life.objections += rig.objections(at_rest=True)
    life.objections += stale_commits(folder)


def _stopped(leader: Running, life: Life) -> None:
    """Ask a leader to stop; it ends well."""
    leader.process.terminate()
    if ended(leader.process):
        life.objections.append(f"a leader did not end well: {leader.last_words()}")


def _launch(rig: Rig, folder: Path, number: int, changes: dict[str, Any]) -> Running:
    holder = f"process {number}"
    return rig.launch(**{"holder": holder, "journal": folder / str(number), "stands_by": True, **changes})


def _cycle(rig: Rig, life: Life, random: Random, leader: Running, successor: Running) -> Running:
    """Stop the leader in its work, let the other take over and work, wake the first one up."""
    _work(rig, random)
    began = machine_s()
    _signal(leader, signal.SIGSTOP)
    for _ in range(_TRIES):
        if successor.opened(within_s=_TAKES_OVER_WITHIN_S):
            break
        # Stopped inside a transaction: SQLite lets nobody in before it ends.
        life.inside += 1
        _signal(leader, signal.SIGCONT)
        pause(_LET_GO_S)
        _signal(leader, signal.SIGSTOP)
        began = machine_s()
    else:
        life.objections.append("nobody took over")
    life.took_over.append(machine_s() - began)
    _work(rig, random)
    _signal(leader, signal.SIGCONT)
    life.cycles += 1
    try:
        code = ended(leader.process, within_s=_STOPS_WITHIN_S)
    except TimeoutError:
        life.objections.append(f"cycle {life.cycles}: taken over from, it went on")
        return successor
    words = leader.last_words()
    life.ends[words.split(":")[0] or "silence"] += 1
    if code != STOPPED_ITSELF or not words.startswith(_STALE):
        life.objections.append(f"cycle {life.cycles}: taken over from, it ended with {code}: {words!r}")
    return successor


def _signal(running: Running, number: int) -> None:
    if running.process.exitcode is None and running.process.pid is not None:
        os.kill(running.process.pid, number)


def _work(rig: Rig, random: Random) -> None:
    rig.served.calls(random.randint(*_CALLS), within_s=_CALL_WITHIN_S)
    pause(random.uniform(*_AFTER_CALL_S))


def stale_commits(folder: Path) -> list[str]:
    """Judge L1 by what each process noted: along an account's events, epochs never fall."""
    noted: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for file in folder.iterdir():
        for line in file.read_text().splitlines():
            account, seq, epoch = line.split()
            noted[account].append((int(seq), int(epoch)))
    found = []
    for account, rows in noted.items():
        epochs = [epoch for _, epoch in sorted(rows)]
        if epochs != sorted(epochs):
            found.append(f"L1 {account}: a stale epoch committed: {epochs}")
    return found


def run_schedule(book: LabBook, seed: int) -> Run:
    """Run a seed of the simulation with pauses and take-overs in it."""
    return run_seed(book, seed, zombies=_ZOMBIES)


def lives(bench: Bench, cycles: int) -> tuple[list[Life], str]:
    """Run `cycles` take-overs on SQLite and as many on PostgreSQL; "" or why that one did not run."""
    share = [min(_CYCLES_A_LIFE, cycles - first) for first in range(0, cycles, _CYCLES_A_LIFE)]
    folder = Path(mkdtemp(prefix="lease-"))
    urls = [(SQLITE, f"sqlite:///{folder}/{number}.sqlite") for number in range(len(share))]
    missing = ""
    try:
        urls += _postgres_urls(folder, len(share))
    except PostgresMissingError as error:
        missing = str(error)
    try:
        with ThreadPoolExecutor(len(urls)) as pool:
            # Most of a life is waiting for leases to run out, so all go on at once.
            runs = [
                pool.submit(run_life, bench, name, url, number + 1, share[number % len(share)])
                for number, (name, url) in enumerate(urls)
            ]
            return [run.result() for run in runs], missing
    finally:
        stop_cluster(folder)
        rmtree(folder, ignore_errors=True)


def _postgres_urls(folder: Path, count: int) -> list[tuple[str, str]]:
    folder.chmod(0o755)  # the server may have to run under an account of its own
    address = start_cluster(folder, {})
    return [(POSTGRESQL, create_database(address, f"life_{number}")) for number in range(count)]


def measure(bench: Bench, size: int) -> Result:
    """Run `size` schedules in simulation and, for each hundred of them, a take-over of real processes."""
    began = perf_counter()
    cycles = min(_MOST_CYCLES, max(2, size // _SCHEDULES_A_CYCLE))
    found, missing = lives(bench, cycles)
    lived_s = perf_counter() - began
    bench.say(f"take-overs of real processes: {sum(life.cycles for life in found)} in {lived_s:.0f} s")
    runs = spread(run_schedule, range(1, size + 1), bench, label="pauses and take-overs")
    return result_of(runs, found, missing, lived_s=lived_s, seconds=perf_counter() - began)


def result_of(
    runs: Sequence[Run], found: Sequence[Life], missing: str, *, lived_s: float, seconds: float
) -> Result:
    """Sum the schedules and the lives up; `missing` says why there is no life on PostgreSQL."""
    bad_runs = [run for run in runs if run.objections]
    bad_lives = [life for life in found if life.objections]
    paused = sum(bool(run.fired.get(Kind.ZOMBIE)) for run in runs)
    cycles = Counter(dict.fromkeys((SQLITE, POSTGRESQL), 0))
    for life in found:
        cycles[life.name] += life.cycles
    shown = ", ".join(f"{count} on {name}" for name, count in cycles.items())
    enough = len(runs) < _SEEDS or (paused >= _LEAST_SCHEDULES and min(cycles.values()) >= _LEAST_CYCLES)
    note = f"; NOT RUN on PostgreSQL: {missing}" if missing else ""
    return Result(
        goal=GOAL.number,
        value=f"{len(bad_runs)} bad of {len(runs):,} schedules, {paused:,} of them paused; "
        f"{len(bad_lives)} bad lives of {len(found)} with take-overs: {shown}{note}",
        target=GOAL.target,
        passed=not (bad_runs or bad_lives or missing) and enough,
        seeds=len(runs) + cycles.total(),
        seconds=seconds,
        failures=[
            *(
                f"seed {run.seed} ({run.scenario}): {run.objections[0]}; "
                f"ops verify lease --seed {run.seed} --trace"
                for run in bad_runs[:_SHOWN]
            ),
            *(
                f"{life.name}, seed {life.seed}: {life.objections[0]}; "
                f"ops verify lease --case {life.name}:{life.seed}:{life.cycles}"
                for life in bad_lives[:_SHOWN]
            ),
        ],
        details={
            "take-overs in simulation": sum(run.fired.get(Kind.ZOMBIE, 0) for run in runs),
            "taken over within, s": percentiles(sorted(s for life in found for s in life.took_over)),
            "taken over from, it ended by": dict(sum((life.ends for life in found), Counter())),
            "stopped inside a transaction": sum(life.inside for life in found),
            "real processes, s": round(lived_s, 1),
        },
    )


def replay(bench: Bench, case: str) -> Told:
    """Run one schedule again by its seed, or one life of real processes by database, seed and cycles."""
    name, *numbers = case.split(":")
    if not numbers:
        with TemporaryDirectory() as folder:
            lab, scenario, fired, objections = brewed(bench.book, int(name), Path(folder), zombies=_ZOMBIES)
            lines = [f"scenario {scenario}", *told(lab), f"fired {dict(fired)}"]
            lab.close()
        return Told(lines, objections)
    seed, cycles = (int(number) for number in numbers)
    folder_of_life = Path(mkdtemp(prefix="lease-"))
    try:
        url = f"sqlite:///{folder_of_life}/1.sqlite"
        if name == POSTGRESQL:
            ((_, url),) = _postgres_urls(folder_of_life, 1)
        life = run_life(bench, name, url, seed, cycles)
    finally:
        stop_cluster(folder_of_life)
        rmtree(folder_of_life, ignore_errors=True)
    return Told([f"{how}: {times}" for how, times in life.ends.items()], life.objections)


GOAL = Goal(
    number="G16",
    target=f"0 bad of >= {_LEAST_SCHEDULES:,} paused schedules, of >= {_LEAST_CYCLES} take-overs a database",
    short=40,
    full=_SEEDS,
    measure=measure,
    replay=replay,
)
