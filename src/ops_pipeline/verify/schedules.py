"""When which call of a broker goes wrong, and how: by script or by seed. Pure."""

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from random import Random
from typing import Protocol

from ops_pipeline.verify.kinds import Kind

# What may happen to each call. Reads of one list share their kinds.
OF_CALL: Mapping[str, tuple[Kind, ...]] = {
    "submit": (
        Kind.LOST_REQUEST,
        Kind.LOST_RESPONSE,
        Kind.GATEWAY_TIMEOUT,
        Kind.LATE_REQUEST,
        Kind.VERY_LATE_REQUEST,
        Kind.RATE_LIMITED,
        Kind.SERVER_ERROR,
        Kind.UNPARSABLE,
        Kind.DUPLICATE_ID,
        Kind.REJECTED,
        Kind.REJECTED_YET_TAKEN,
        Kind.INSUFFICIENT,
        Kind.INSUFFICIENT,  # sales only
        Kind.STUCK,
    ),
    "cancel": (Kind.CANCEL_LOST, Kind.CANCEL_FAILED, Kind.FILL_DURING_CANCEL),
    "account": (Kind.READ_FAILED,),
    "suspend": (Kind.READ_FAILED,),
    "positions": (Kind.READ_FAILED, Kind.EMPTY_LIST, Kind.SKEWED_POSITIONS),
    "orders": (Kind.READ_FAILED, Kind.EMPTY_LIST, Kind.SKEWED_ORDERS),
    "order": (Kind.READ_FAILED, Kind.SKEWED_ORDERS),
    "activities": (
        Kind.READ_FAILED,
        Kind.EMPTY_LIST,
        Kind.LATE_FILL,
        Kind.WITHHELD_FILLS,
        Kind.MISSING_FILLS,
        Kind.DUPLICATED_FILL,
        Kind.REORDERED_FILLS,
    ),
    "push": (
        Kind.UPDATE_LOST,
        Kind.UPDATE_LATE,
        Kind.UPDATE_DOUBLED,
        Kind.UPDATES_REORDERED,
        Kind.MUTE_SOCKET,
        Kind.SILENT_SOCKET,
        Kind.STREAM_CLOSED,
    ),
}
# Few beside the reads: these suffer more.
_RARE_CALLS = ("submit", "cancel", "push")


class Schedule(Protocol):
    """Says what goes wrong with a call."""

    def draw(self, call: str, now: datetime) -> Kind | None:
        """Give the kind of fault; None: nothing goes wrong."""

    def between(self, first: int, last: int) -> int:
        """Give a number in [first, last]."""


class Script:
    """Faults by name of the call: each takes the next one of its list, then none."""

    def __init__(self, plan: Mapping[str, Sequence[Kind | None]]) -> None:
        """Follow `plan`."""
        self._plan = {call: deque(kinds) for call, kinds in plan.items()}

    def draw(self, call: str, now: datetime) -> Kind | None:
        """Give the next fault of the call's list."""
        waiting = self._plan.get(call)
        return waiting.popleft() if waiting else None

    def between(self, first: int, last: int) -> int:
        """Give the last."""
        return last


class Scripted:
    """A script's faults first, up to an instant; then another schedule's."""

    def __init__(self, script: Script, then: Schedule, *, until: datetime) -> None:
        """Follow `script`, then `then`."""
        self._script = script
        self._then = then
        self._until = until

    def draw(self, call: str, now: datetime) -> Kind | None:
        """Give the script's next fault of the call, else what the other one draws."""
        scripted = self._script.draw(call, now) if now < self._until else None
        return scripted or self._then.draw(call, now)

    def between(self, first: int, last: int) -> int:
        """Give what the other one gives."""
        return self._then.between(first, last)


class Storm:
    """Faults by chance, up to an instant, in parts per thousand: of reads, and of orders and cancels."""

    def __init__(self, random: Random, *, until: datetime, rate: int, order_rate: int) -> None:
        """Draw from `random`."""
        self._random = random
        self._until = until
        self._rate = rate
        self._order_rate = order_rate

    def draw(self, call: str, now: datetime) -> Kind | None:
        """Give a kind that fits the call."""
        rate = self._order_rate if call in _RARE_CALLS else self._rate
        if now >= self._until or self._random.randrange(1_000) >= rate:
            return None
        return self._random.choice(OF_CALL[call])

    def between(self, first: int, last: int) -> int:
        """Give any."""
        return self._random.randint(first, last)
