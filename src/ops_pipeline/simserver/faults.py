"""What may go wrong with a request on its way, drawn by chance from a file's rules. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from random import Random
from typing import Any

from ops_pipeline.domain.errors import ConfigurationError


class FaultKind(StrEnum):
    """One thing that can happen to a request.

    `lost`: the connection breaks before the venue sees it; `lost_answer`: it is carried out, then the
    connection breaks; `accept_then_504`: carried out, answered 504; `error`: not carried out, answered
    `status`; `rate_limited`: not carried out, answered 429; `garbage`: carried out, answered 200 with
    what no parser reads; `stale`: answered as the same question was some answers ago; `delay`: answered late.
    """

    LOST = "lost"
    LOST_ANSWER = "lost_answer"
    ACCEPT_THEN_504 = "accept_then_504"
    ERROR = "error"
    RATE_LIMITED = "rate_limited"
    GARBAGE = "garbage"
    STALE = "stale"
    DELAY = "delay"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """A fault, what it befalls and how often.

    `method` and `path` are patterns (`*` any, `?` one character); `rate` is a chance of 0 to 1; `status`
    is that of `error`, `delay_s` (wall seconds) that of `delay`.
    """

    kind: FaultKind
    rate: float
    method: str = "*"
    path: str = "*"
    status: int = 503
    delay_s: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.rate <= 1.0:
            raise ConfigurationError(f"fault {self.kind}: expected a rate of 0 to 1, was {self.rate}")
        if not 500 <= self.status <= 599:
            raise ConfigurationError(f"fault {self.kind}: expected a status of 500 to 599, was {self.status}")
        if self.delay_s < 0:
            raise ConfigurationError(f"fault {self.kind}: expected delay_s >= 0, was {self.delay_s}")

    def befalls(self, method: str, path: str) -> bool:
        """Tell whether a request is one of those it may befall."""
        return fnmatchcase(method, self.method.upper()) and fnmatchcase(path, self.path)


class Faults:
    """Draws what happens to each request: at most one thing, the rules' chances added up in their order."""

    def __init__(self, rules: Sequence[FaultRule] = (), *, seed: int = 0) -> None:
        """Begin a seed's row of draws."""
        self._rules = tuple(rules)
        self._draws = Random(f"{seed} requests")
        self.drawn: dict[FaultKind, int] = dict.fromkeys(FaultKind, 0)

    def draw(self, method: str, path: str) -> FaultRule | None:
        """Draw what happens to a request; None: nothing."""
        rules = [rule for rule in self._rules if rule.befalls(method, path)]
        if not rules:
            return None
        left = self._draws.random()
        for rule in rules:
            if left < rule.rate:
                self.drawn[rule.kind] += 1
                return rule
            left -= rule.rate
        return None

    def may_repeat(self, method: str, path: str) -> bool:
        """Tell whether an answer may be given again later, so that it has to be remembered."""
        return method == "GET" and any(
            rule.kind is FaultKind.STALE and rule.befalls(method, path) for rule in self._rules
        )


def read_rules(rows: Any) -> tuple[FaultRule, ...]:
    """Read the rules of a fault file; ConfigurationError says which one does not fit, and why."""
    if not isinstance(rows, list):
        raise ConfigurationError(f"faults: expected [[rule]] tables, was {rows!r}")
    return tuple(_rule(place, row) for place, row in enumerate(rows, 1))


def _rule(place: int, row: Mapping[str, Any]) -> FaultRule:
    known = {field.name: field.type for field in fields(FaultRule)}
    unknown = sorted(set(row) - set(known))
    if unknown:
        raise ConfigurationError(f"fault rule {place}: expected keys of {sorted(known)}, was {unknown}")
    try:
        kind = FaultKind(row.get("kind", ""))
    except ValueError:
        kinds = ", ".join(FaultKind)
        raise ConfigurationError(
            f"fault rule {place}: expected a kind of {kinds}, was {row.get('kind')!r}"
        ) from None
    for name in ("rate", "status", "delay_s"):
        value = row.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigurationError(f"fault rule {place}: expected a number for {name}, was {value!r}")
    if "rate" not in row:
        raise ConfigurationError(f"fault rule {place}: expected a rate")
    return FaultRule(**{**row, "kind": kind})
