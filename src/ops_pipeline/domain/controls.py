"""What people ask of a running account: levels, blocked symbols, positions they watch otherwise. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple

from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.breaks import Cause
from ops_pipeline.domain.units import AccountId, Contracts, PositionId, Usd4


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolBlocked:
    """No entry in this underlying until the instant named; None: until a person unblocks it."""

    symbol: str
    until: datetime | None
    reason: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolUnblocked:
    """Entries in this underlying are allowed again."""

    symbol: str
    reason: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionWished:
    """A person wants at most `keep` contracts kept, a tighter stop or target (a share); None: as it was."""

    position_id: PositionId
    keep: Contracts | None = None
    stop: Usd4 | None = None
    target: Usd4 | None = None
    reason: str
    actor: str


PersonsEvent = SymbolBlocked | SymbolUnblocked | PositionWished


class Wish(NamedTuple):
    """What people want of a position by now; each part only ever gets tighter."""

    keep: Contracts | None = None
    stop: Usd4 | None = None
    target: Usd4 | None = None

    def tightened(self, more: PositionWished) -> "Wish":
        """Take over what is tighter: fewer contracts kept, a higher stop, a lower target."""
        return Wish(
            keep=_tighter(min, self.keep, more.keep),
            stop=_tighter(max, self.stop, more.stop),
            target=_tighter(min, self.target, more.target),
        )

    def split(self, for_one: int) -> "Wish":
        """Say the same of contracts of which each became `for_one`, at a part of the price."""
        return Wish(
            keep=None if self.keep is None else self.keep * for_one,
            stop=None if self.stop is None else -(-self.stop // for_one),
            target=None if self.target is None else self.target // for_one,
        )


NO_WISH = Wish()


def _tighter(choose: Callable[[int, int], int], known: int | None, more: int | None) -> int | None:
    if known is None or more is None:
        return more if known is None else known
    return choose(known, more)


class Brake(NamedTuple):
    """The level that stands outside the database: a KILL file's, or a signal's that is not stored yet."""

    level: ControlLevel
    reason: str


FREE = Brake(ControlLevel.NORMAL, "")


class Act(StrEnum):
    """What a person can ask of a run; who serves it is listed in `engine.requests`."""

    LEVEL = "level"
    EXIT = "exit"
    CANCEL = "cancel"
    BLOCK = "block"
    UNBLOCK = "unblock"
    SET = "set"
    ADOPT = "adopt"
    RELEASE = "release"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One wish of a person, for one account or ("") all; `subject` names a position, order or symbol.

    A resolution names its `cause` and the cash (Usd4) it books; a release that hands over stops managing.

    `asked_at` is the wall's. Serving the same request twice does nothing more than serving it once.
    """

    id: str
    act: Act
    asked_at: datetime
    actor: str
    reason: str
    account: str = ""
    subject: str = ""
    level: ControlLevel | None = None
    qty: Contracts | None = None
    stop: Usd4 | None = None
    target: Usd4 | None = None
    until: datetime | None = None
    cause: Cause | None = None
    amount: Usd4 = 0
    hand_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a request in one account: done or refused, in words."""

    account: str
    done: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What became of a request, by account."""

    answers: tuple[Answer, ...]

    @property
    def done(self) -> bool:
        """Tell whether every account did it."""
        return bool(self.answers) and all(answer.done for answer in self.answers)


def kill_id_of(account: AccountId, seq: int) -> str:
    """Derive the id of a flatten from the place of the event that began it."""
    return "K" + sha256(f"{account}|{seq}".encode()).hexdigest()[:15]


def kill_key(kill_id: str, position_id: PositionId) -> str:
    """Give the cause of an order that sells a position for a flatten."""
    return f"{kill_id}+{position_id}"


def strongest(brakes: Sequence[Brake]) -> Brake:
    """Give the highest of several brakes, the first of equals."""
    return max(brakes, key=lambda brake: brake.level, default=FREE)
