"""Spreads cases over processes and says how far they are. Shell."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing import get_context
from time import perf_counter
from typing import TypeVar

from ops_pipeline.engine.rulebook import remembered
from ops_pipeline.verify.goals import Bench
from ops_pipeline.verify.terms import LabBook, as_lab_book

Case = TypeVar("Case")
Found = TypeVar("Found")
Work = Callable[[LabBook, Case], Found]
# Cases handed to a process at once: enough to make the hand-over cheap, few enough to share the end.
_CHUNK = 20
_SAY_EVERY_S = 2.0


def spread(
    work: Work[Case, Found], cases: Sequence[Case], bench: Bench, *, label: str, at_once: int = _CHUNK
) -> list[Found]:
    """Do `work` on every case, over `bench.workers` processes; give what was found, in order.

    `work` is a function of a module, for other processes import it. A progress line every 2 s. `at_once`
    cases are handed over together.
    """
    began = said = perf_counter()
    found: list[Found] = []
    for part in _parts(work, cases, bench, at_once):
        found += part
        if perf_counter() - said > _SAY_EVERY_S:
            said = perf_counter()
            pace = len(found) / (said - began)
            bench.say(f"{label}: {len(found):,} of {len(cases):,}, {pace:.0f} a second")
    return found


def _parts(
    work: Work[Case, Found], cases: Sequence[Case], bench: Bench, at_once: int
) -> Iterator[list[Found]]:
    chunks = [cases[first : first + at_once] for first in range(0, len(cases), at_once)]
    each = partial(_chunk, work, bench.book)
    if bench.workers < 2 or len(chunks) < 2:
        yield from map(each, chunks)
        return
    with get_context("spawn").Pool(bench.workers) as pool:
        yield from pool.imap(each, chunks)


def _chunk(work: Work[Case, Found], book: LabBook, cases: Sequence[Case]) -> list[Found]:
    known = as_lab_book(remembered(book))
    return [work(known, case) for case in cases]
