"""An exit rule's finding: whether it is met, and how far each of its conditions is from flipping. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ops_pipeline.domain.positions import ExitReason
from ops_pipeline.domain.units import Contracts, format_usd

# RULEBOOK 3: the first met wins.
RANKS: Mapping[ExitReason, int] = {
    ExitReason.KILL: 1,
    ExitReason.MANUAL: 1,
    ExitReason.EXPIRY_CUTOFF: 2,
    ExitReason.EOD_FLAT: 3,
    ExitReason.STOP_LOSS: 4,
    ExitReason.TRAILING_STOP: 5,
    ExitReason.FIRST_TARGET: 6,
    ExitReason.SECOND_TARGET: 6,
    ExitReason.PROFIT_TARGET: 7,
    ExitReason.UNDERLYING_CALL: 8,
    ExitReason.UNDERLYING_PUT: 8,
    ExitReason.EVENT_EXIT: 9,
    ExitReason.THETA: 10,
    ExitReason.ROLL: 11,
    ExitReason.MAX_HOLD: 12,
}

LATCHING: tuple[ExitReason, ...] = (
    ExitReason.KILL,
    ExitReason.EXPIRY_CUTOFF,
    ExitReason.STOP_LOSS,
    ExitReason.TRAILING_STOP,
)


class Unit(StrEnum):
    """What a condition's numbers count."""

    USD4 = "usd4"
    DAYS = "days"
    MINUTES = "minutes"
    SESSIONS = "sessions"
    READS = "reads"
    CONTRACTS = "contracts"
    COUNT = "count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One comparison of a rule: `value` at least (or at most) `level`; value None: unknown."""

    name: str
    value: int | None
    level: int
    unit: Unit
    at_least: bool

    @property
    def distance(self) -> int | None:
        """Give what is missing to the level; 0 or less once it is reached."""
        if self.value is None:
            return None
        return self.level - self.value if self.at_least else self.value - self.level

    @property
    def met(self) -> bool:
        """Tell whether the level is reached; an unknown value reaches nothing."""
        distance = self.distance
        return distance is not None and distance <= 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A rule's finding for one position and cycle.

    `conditions` all hold when `met`; the first is the rule's own, the others qualify it (its
    confirmations, the bid). `skipped` says why a rule was not judged, "" where it was. `qty` is what
    an order would sell if the rule were met.
    """

    reason: ExitReason
    met: bool
    qty: Contracts
    conditions: tuple[Condition, ...]
    message: str
    skipped: str = ""

    @property
    def rank(self) -> int:
        """Give the rule's place in RULEBOOK 3's order, 1 first."""
        return RANKS[self.reason]

    @property
    def latches(self) -> bool:
        """Tell whether a decision for this reason is never undone by a better price."""
        return self.reason in LATCHING

    @property
    def value(self) -> int | None:
        """Give what the rule itself observed; None: unknown."""
        return self.conditions[0].value

    @property
    def level(self) -> int:
        """Give the level the rule itself compares with."""
        return self.conditions[0].level

    @property
    def distance(self) -> int | None:
        """Give what is missing to the rule's own level; 0 or less once reached, None: unknown."""
        return self.conditions[0].distance

    @property
    def unit(self) -> Unit:
        """Give the unit of value, level and distance."""
        return self.conditions[0].unit


def format_quantity(amount: int | None, unit: Unit) -> str:
    """Write a condition's number for a person: `$34.29`, `7 days`, `unknown`."""
    if amount is None:
        return "unknown"
    return format_usd(amount) if unit is Unit.USD4 else f"{amount} {unit.value}"


def format_gain(gain: int) -> str:
    """Write bp as a signed percentage with two decimals: `+104.08%`."""
    sign = "-" if gain < 0 else "+"
    return f"{sign}{abs(gain) // 100}.{abs(gain) % 100:02d}%"
