"""Wrong payloads by seed for every parser: only named errors, quick, small, finite numbers. Shell."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from math import isfinite
from os import getpid
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

from ops_pipeline.verify.goals import Bench, Goal, Parser, Result, Told
from ops_pipeline.verify.mutation import mutated
from ops_pipeline.verify.parallel import spread
from ops_pipeline.verify.parsers import PARSERS
from ops_pipeline.verify.terms import LabBook

_LEAST_PAYLOADS, _LEAST_PARSERS = 200_000, 12
_MOST_S = 0.25
_MOST_GROWTH_MIB = 32.0
# Payloads of one seed: fewer for the slow parsers, which get fewer.
_BATCH, _SMALL_BATCH = 50, 10
_SHOWN = 10
_PAGE_MIB = 4_096 / 2**20


@dataclass(frozen=True, slots=True)
class Batch:
    """Payloads for one parser, all from one seed."""

    parser: Parser
    seed: int
    count: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a batch came to: objections by payload, the slowest, and how much memory the process has."""

    parser: str
    count: int
    refused: int
    objections: tuple[tuple[str, str], ...]
    slowest_s: float
    process: int
    resident_mib: float


def run_batch(book: LabBook, batch: Batch) -> Found:  # noqa: ARG001 - `spread` hands it to all work
    """Feed a parser with its payloads."""
    objections: list[tuple[str, str]] = []
    refused, slowest = 0, 0.0
    for index, payload in enumerate(_payloads(batch)):
        began = perf_counter()
        refusal, objection = _tried(batch.parser, payload)
        spent = perf_counter() - began
        if spent > _MOST_S and not objection:
            # Another program may have had the processor: the second time counts.
            began = perf_counter()
            _tried(batch.parser, payload)
            spent = perf_counter() - began
            objection = f"took {spent:.2f} s" if spent > _MOST_S else ""
        refused += refusal
        slowest = max(slowest, spent)
        if objection:
            objections.append((f"{batch.parser.name}:{batch.seed}:{index}", objection))
    return Found(
        batch.parser.name, batch.count, refused, tuple(objections), slowest, getpid(), _resident_mib()
    )


def _payloads(batch: Batch) -> list[bytes]:
    random = Random(f"{batch.parser.name} {batch.seed}")
    return [mutated(batch.parser.corpus, random) for _ in range(batch.count)]


def _tried(parser: Parser, payload: bytes) -> tuple[bool, str]:
    """Parse once: whether it was refused by a named error, and what is objected to."""
    try:
        value = parser.read(payload)
    except parser.refuses:
        return True, ""
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - what a parser lets through is what is looked for
        return False, f"{type(error).__name__}: {error}"[:160]
    wild = _wild_number(value)
    return False, f"gave {wild}" if wild else ""


def _wild_number(value: Any, depth: int = 0) -> str:
    """Name a NaN or an infinity anywhere in what a parser gave."""
    if isinstance(value, float):
        return "" if isfinite(value) else str(value)
    if depth > 8 or isinstance(value, (str, bytes, int)) or value is None:
        return ""
    parts: Sequence[Any] = ()
    if is_dataclass(value) and not isinstance(value, type):
        parts = [getattr(value, field.name) for field in fields(value)]
    elif isinstance(value, dict):
        parts = list(value.values())
    elif isinstance(value, (tuple, list)):
        parts = value
    return next((found for part in parts if (found := _wild_number(part, depth + 1))), "")


def _resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_MIB


def _batches(parsers: Sequence[Parser], size: int) -> list[Batch]:
    """Spread the payloads over the parsers by their shares, at least one each; they take turns."""
    whole = sum(parser.share for parser in parsers)
    queues = []
    for parser in parsers:
        count = max(1, size * parser.share // whole)
        batch = _BATCH if parser.share >= _BATCH else 10
        queues.append(
            [Batch(parser, seed, min(batch, count - seed * batch)) for seed in range(-(-count // batch))]
        )
    paired = [(index / len(queue), batch) for queue in queues for index, batch in enumerate(queue)]
    return [batch for _, batch in sorted(paired, key=lambda pair: pair[0])]


def measure(bench: Bench, size: int) -> Result:
    """Feed every parser its share of `size` payloads; judge errors, time, memory and numbers."""
    began = perf_counter()
    parsers = (*PARSERS, *bench.parsers)
    found = spread(run_batch, _batches(parsers, size), bench, label="batches of payloads")
    bad = [pair for batch in found for pair in batch.objections]
    payloads: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for batch in found:
        payloads[batch.parser] += batch.count
        refused[batch.parser] += batch.refused
    slowest = max(batch.slowest_s for batch in found)
    growth = _growth_mib(found)
    total = sum(payloads.values())
    kept = slowest <= _MOST_S and growth <= _MOST_GROWTH_MIB and len(payloads) >= _LEAST_PARSERS
    return Result(
        goal=GOAL.number,
        value=(
            f"{len(bad)} bad of {total:,} over {len(payloads)} parsers; "
            f"slowest {slowest * 1_000:.0f} ms, +{growth:.1f} MiB"
        ),
        target=GOAL.target,
        passed=not bad and kept,
        seeds=total,
        seconds=perf_counter() - began,
        failures=[f"{case}: {why}; ops verify fuzz --case {case} --trace" for case, why in bad[:_SHOWN]],
        details={
            "payloads": dict(payloads),
            "refused by name": dict(refused),
            "slowest, ms": {
                name: round(1_000 * max(f.slowest_s for f in found if f.parser == name), 1)
                for name in payloads
            },
        },
    )


def _slowest_ms(found: Sequence[Found], parser: str) -> float:
    return round(1_000 * max(batch.slowest_s for batch in found if batch.parser == parser), 1)


def _growth_mib(found: Sequence[Found]) -> float:
    """Give how much a process grew from the end of its warm-up, a quarter of its batches, to its last."""
    by_process: dict[int, list[float]] = {}
    for batch in found:
        by_process.setdefault(batch.process, []).append(batch.resident_mib)
    return max(rows[-1] - rows[len(rows) // 4] for rows in by_process.values())


def replay(bench: Bench, case: str) -> Told:
    """Run one payload again: PARSER:SEED:INDEX."""
    name, seed, index = case.rsplit(":", 2)
    parser = next(parser for parser in (*PARSERS, *bench.parsers) if parser.name == name)
    payload = _payloads(Batch(parser, int(seed), int(index) + 1))[int(index)]
    began = perf_counter()
    refused, objection = _tried(parser, payload)
    spent = perf_counter() - began
    late = [f"took {spent:.2f} s"] if spent > _MOST_S else []
    lines = [f"payload {payload!r}", f"refused {refused}", f"{spent * 1_000:.1f} ms"]
    return Told(lines, [objection, *late] if objection else late)


GOAL = Goal(
    number="G8",
    target=(
        f"0 bad of >= {_LEAST_PAYLOADS:,} over >= {_LEAST_PARSERS} parsers, "
        f"<= {_MOST_S * 1_000:.0f} ms, <= {_MOST_GROWTH_MIB:g} MiB"
    ),
    short=6_000,
    full=_LEAST_PAYLOADS + 5_000,
    measure=measure,
    replay=replay,
)
