"""Safety mutants of the real code, each of which the harness must notice (G7). Shell."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter

import ops_pipeline
from ops_pipeline.engine.rulebook import remembered
from ops_pipeline.verify.by_hand import CHECKS
from ops_pipeline.verify.crash import CrashCase, run_case
from ops_pipeline.verify.dst import run_seed
from ops_pipeline.verify.goals import Bench, Goal, Result, Told
from ops_pipeline.verify.graft import work_on
from ops_pipeline.verify.mutant import Mutant, StaleError, changed
from ops_pipeline.verify.mutants_exits import EXIT_MUTANTS
from ops_pipeline.verify.mutants_orders import ORDER_MUTANTS
from ops_pipeline.verify.mutants_risk import RISK_MUTANTS
from ops_pipeline.verify.scenarios import SCENARIOS
from ops_pipeline.verify.terms import LabBook, as_lab_book

MUTANTS: tuple[Mutant, ...] = (*ORDER_MUTANTS, *EXIT_MUTANTS, *RISK_MUTANTS)
# What every mutant must face, cheap parts first; the code as it is faces it too, in the short form
# without the dear ones, which other goals have in theirs.
QUICK = (*(f"check:{name}" for name in CHECKS), *SCENARIOS)
COMMON = (
    *QUICK,
    "crash:entry_and_stop",
    "crash:exit_answer_lost",
    "crash:roll_close_then_open",
    "seeds:1-40",
)
_LEAST_MUTANTS = 30
# The whole of it takes some ten seconds of a free core, and a core is not always free.
_WITHIN_S = 280.0
# A mutant that dies of these does not run at all: it says nothing of the harness.
_MALFORMED = ("NameError", "ImportError", "SyntaxError", "AttributeError", "UnboundLocalError")


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a mutant: "" where it survived, else what noticed it; `problem` where it is none."""

    name: str
    killed_by: str
    seconds: float
    problem: str = ""

    def objection(self) -> str:
        """Say what is wrong; "" where the mutant was killed."""
        if self.problem:
            return self.problem
        return "" if self.killed_by else f"{self.name} survived; ops verify mutants --case {self.name}"

    def row(self) -> dict[str, str | float]:
        """Give the row of the table."""
        fate = "PROBLEM" if self.problem else self.killed_by or "SURVIVED"
        return {"mutant": self.name, "killed by": fate, "seconds": round(self.seconds, 1)}


def measure(bench: Bench, size: int) -> Result:
    """Run the code as it is and `size` mutants (0: all), spread over processes; each dies at its first."""
    began = perf_counter()
    chosen = _sample(size)
    with ThreadPoolExecutor(bench.workers) as pool:
        common = QUICK if size else COMMON
        own = tuple(part for mutant in chosen for part in mutant.parts)
        control = pool.submit(_unharmed, bench, tuple(dict.fromkeys((*own, *common))))
        fates = list(pool.map(partial(fate_of, bench), chosen))
    killed = sum(bool(fate.killed_by) and not fate.problem for fate in fates)
    failures = [*control.result(), *(fate.objection() for fate in fates if fate.objection())]
    enough = size > 0 or len(chosen) >= _LEAST_MUTANTS
    return Result(
        goal=GOAL.number,
        value=f"{killed} of {len(chosen)} killed{'' if not control.result() else ', the control too'}",
        target=GOAL.target,
        passed=not failures and enough,
        seeds=len(chosen),
        seconds=perf_counter() - began,
        failures=failures,
        table=[fate.row() for fate in fates],
    )


def _sample(size: int) -> Sequence[Mutant]:
    if not size or size >= len(MUTANTS):
        return MUTANTS
    return [MUTANTS[index * len(MUTANTS) // size] for index in range(size)]


def fate_of(bench: Bench, mutant: Mutant, *, common: Sequence[str] = COMMON) -> Fate:
    """Let the harness look at one mutant: its own parts first, then what is common to all."""
    began = perf_counter()
    try:
        sources = changed(mutant, source_of)
    except StaleError as error:
        return Fate(mutant.name, "", 0.0, problem=str(error))
    asked = tuple(dict.fromkeys((*mutant.parts, *common)))
    found = work_on(sources, gauntlet, (bench.book, asked), within_s=_WITHIN_S)
    killed_by = found if isinstance(found, str) else f"it ended with {found}"
    seconds = perf_counter() - began
    bench.say(f"{mutant.name}: {killed_by or 'SURVIVED'}, {seconds:.1f} s")
    broken = [name for name in _MALFORMED if name in killed_by]
    problem = f"{mutant.name} does not run at all: {killed_by}" if broken else ""
    return Fate(mutant.name, killed_by, seconds, problem)


def _unharmed(bench: Bench, parts: Sequence[str]) -> list[str]:
    found = work_on({}, gauntlet, (bench.book, parts), within_s=_WITHIN_S)
    return [f"the code as it is: {found}"] if found else []


def source_of(module: str) -> str:
    """Give the source of a module by its path in the package."""
    return (Path(ops_pipeline.__file__).parent / module).read_text(encoding="utf-8")


def gauntlet(book: LabBook, parts: Sequence[str]) -> str:
    """Ask the parts of the harness in order; give the first that objects and its objection, else ""."""
    known = as_lab_book(remembered(book))
    for part in parts:
        for objection in _asked(known, part):
            return f"{part}: {objection}"
    return ""


def _asked(book: LabBook, part: str) -> Sequence[str]:
    kind, _, what = part.rpartition(":")
    try:
        match kind:
            case "check":
                return CHECKS[what](book)
            case "crash":
                return _crashes(book, what)
            case "seeds":
                return _seeds(book, *map(int, what.split("-")))
            case _:
                return run_case(book, CrashCase(what)).objections
    except Exception as error:  # noqa: BLE001 - a part that cannot go on has noticed something
        return [f"{type(error).__name__}: {error}"]


def _crashes(book: LabBook, name: str) -> Sequence[str]:
    points = run_case(book, CrashCase(name)).points
    for point in range(1, points + 1):
        found = run_case(book, CrashCase(name, (point,)))
        if found.objections:
            return [f"died at {point}: {found.objections[0]}"]
    return ()


def _seeds(book: LabBook, first: int, last: int) -> Sequence[str]:
    for seed in range(first, last + 1):
        found = run_seed(book, seed).objections
        if found:
            return [f"seed {seed}: {found[0]}"]
    return ()


def replay(bench: Bench, case: str) -> Told:
    """Run one mutant again, by name."""
    mutant = next((known for known in MUTANTS if known.name == case), None)
    if mutant is None:
        raise ValueError(f"mutants: expected one of {', '.join(m.name for m in MUTANTS)}, was {case}")
    fate = fate_of(bench, mutant)
    return Told([mutant.breaks], [fate.objection()] if fate.objection() else [])


GOAL = Goal(
    number="G7",
    target=f"all of >= {_LEAST_MUTANTS} killed, the code as it is good",
    short=6,
    full=0,
    measure=measure,
    replay=replay,
)
