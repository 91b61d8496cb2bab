"""Exit latency: from a decision to the broker's acceptance, without faults and with all of them. Shell."""

from collections import Counter
from collections.abc import Iterable, Sequence
from time import perf_counter

from ops_pipeline.verify.dst import Run, percentiles, run_seed, tell
from ops_pipeline.verify.goals import Bench, Goal, Result, Told
from ops_pipeline.verify.parallel import spread
from ops_pipeline.verify.terms import LabBook
from ops_pipeline.verify.waits import Wait

_CALM = "calm:"
_CALM_P99_S, _STORM_P99_S, _STORM_MAX_S = 1.0, 30.0, 60.0
# Of so many stormy seeds one is run without faults as well; the scenarios number 35.
_CALM_SHARE, _LEAST_CALM = 5, 50
_SHOWN = 5


def stormy(book: LabBook, seed: int) -> Run:
    """Run a seed with all its faults."""
    return run_seed(book, seed, scripted=False)


def calm(book: LabBook, seed: int) -> Run:
    """Run a seed without any."""
    return run_seed(book, seed, calm=True)


def measure(bench: Bench, size: int) -> Result:
    """Run the seeds 1 to `size` with faults, some without; compare percentiles with their bounds."""
    began = perf_counter()
    quiet = range(1, max(_LEAST_CALM, size // _CALM_SHARE) + 1)
    calm_runs = spread(calm, quiet, bench, label="runs without faults")
    storm_runs = spread(stormy, range(1, size + 1), bench, label="runs with faults")
    without, through = _accepted(calm_runs), _accepted(storm_runs)
    slow = [
        *_slow(calm_runs, _CALM, bound=_CALM_P99_S),
        *_slow(storm_runs, "", bound=_STORM_MAX_S),
    ]
    p99 = percentiles(through).get("p99", 0.0)
    worst = through[-1] if through else 0.0
    calm_p99 = percentiles(without).get("p99", 0.0)
    kept = calm_p99 <= _CALM_P99_S and p99 <= _STORM_P99_S and worst <= _STORM_MAX_S
    stranded = sum(_is_stranded(wait) for run in (*calm_runs, *storm_runs) for wait in run.waits)
    return Result(
        goal=GOAL.number,
        value=f"no faults p99 {calm_p99:g} s; all faults p99 {p99:g} s, max {worst:g} s; {stranded} stranded",
        target=GOAL.target,
        passed=bool(without and through) and kept and not stranded,
        seeds=len(calm_runs) + len(storm_runs),
        seconds=perf_counter() - began,
        failures=slow[:_SHOWN],
        details={
            "without faults, s": percentiles(without),
            "with all faults, s": percentiles(through),
            "exits with time excluded": _excluded(storm_runs),
            "settled without an order": sum(w.accepted is None for run in storm_runs for w in run.waits),
        },
    )


def _accepted(runs: Sequence[Run]) -> list[float]:
    return sorted(wait.seconds for run in runs for wait in run.waits if wait.accepted)


def _is_stranded(wait: Wait) -> bool:
    """Tell whether an exit still waits longer than any may, and nobody kept it from being sent."""
    return wait.accepted is False and wait.seconds > _STORM_MAX_S


def _slow(runs: Iterable[Run], prefix: str, *, bound: float) -> list[str]:
    return [
        f"seed {run.seed} ({run.scenario}): {wait}; ops verify latency --case {prefix}{run.seed} --trace"
        for run in runs
        for wait in run.waits
        if (wait.accepted and wait.seconds > bound) or _is_stranded(wait)
    ]


def _excluded(runs: Iterable[Run]) -> dict[str, dict[str, float]]:
    """Count, by cause, the exits of which time is not counted, and that time."""
    exits: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for run in runs:
        for wait in run.waits:
            for cause, left_out in wait.excluded.items():
                exits[cause] += 1
                seconds[cause] += int(left_out)
    return {cause: {"exits": exits[cause], "seconds": seconds[cause]} for cause in sorted(exits)}


def replay(bench: Bench, case: str) -> Told:
    """Run one case again: a seed, or `calm:SEED` without faults; object to exits that were too slow."""
    quiet = case.startswith(_CALM)
    told, waits = tell(bench.book, int(case.removeprefix(_CALM)), calm=quiet, scripted=False)
    bound = _CALM_P99_S if quiet else _STORM_MAX_S
    late = [str(wait) for wait in waits if (wait.accepted and wait.seconds > bound) or _is_stranded(wait)]
    return Told([*told.events, *map(str, waits)], late)


GOAL = Goal(
    number="G13",
    target=(
        f"no faults p99 <= {_CALM_P99_S:g} s; all faults p99 <= {_STORM_P99_S:g} s, max <= {_STORM_MAX_S:g} s"
    ),
    short=100,
    full=5_000,
    measure=measure,
    replay=replay,
)
