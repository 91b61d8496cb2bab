"""The goals that `ops verify` measures: one line each; a goal's module knows how. Shell."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ops_pipeline.verify.terms import LabBook

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parser:
    """Something that reads what others wrote.

    `read` is a function of a module; `refuses` are the errors it names, `corpus` good payloads, `share` the
    part of all payloads it gets.
    """

    name: str
    read: Callable[[bytes], Any]
    refuses: tuple[type[Exception], ...]
    corpus: tuple[bytes, ...]
    share: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What a goal is measured with.

    `book` gives the numbers of the services, `workers` the processes to use at once, `say` takes a line
    of progress, `command` starts this program in another process, `parsers` are those of its outer layer.
    """

    book: LabBook
    workers: int = 1
    say: Say = lambda _: None
    command: tuple[str, ...] = ()
    parsers: tuple[Parser, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was measured. `seeds` counts cases; `failures` say what failed and the command that replays it.

    `table` lists the cases, where there are few enough for a person to read them.
    """

    goal: str
    value: str
    target: str
    passed: bool
    seeds: int
    seconds: float
    failures: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    table: Sequence[Mapping[str, Any]] = ()

    def row(self) -> dict[str, Any]:
        """Give the result as the one line of JSON."""
        return {
            "goal": self.goal,
            "value": self.value,
            "target": self.target,
            "pass": self.passed,
            "seeds": self.seeds,
            "seconds": round(self.seconds, 1),
            **({"failures": list(self.failures)} if self.failures else {}),
            **({"details": dict(self.details)} if self.details else {}),
            **({"table": [dict(row) for row in self.table]} if self.table else {}),
        }


@dataclass(frozen=True, slots=True)
class Told:
    """One case run again: every event as a line, and what is objected to (nothing: it is good)."""

    events: Sequence[str]
    objections: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A goal of RELIABILITY 4: its number and its target in words.

    `measure(bench, size)` runs it over `size` cases; `short` and `full` are the sizes of its two forms.
    `replay(bench, case)` runs one case again, as a failure names it.
    """

    number: str
    target: str
    short: int
    full: int
    measure: Callable[[Bench, int], Result]
    replay: Callable[[Bench, str], Told] | None = None
