"""Differences between ledger and broker with their causes, and what is held beside our positions. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ops_pipeline.domain.errors import LedgerError
from ops_pipeline.domain.orders import Fill
from ops_pipeline.domain.units import Contracts, PositionId, Usd4

# Activities that are no trades reach a paper account a day late; a long weekend makes four of it. A cause
# that was only inferred and that nothing has confirmed by then is not known.
INFERRED_FOR_DAYS = 4


class Cause(StrEnum):
    """Why ledger and broker hold different quantities of a symbol (FEATURES 2)."""

    ASSIGNMENT = "assignment"
    EXERCISE = "exercise"
    EXPIRY = "expiry"
    LIQUIDATION = "liquidation"
    MANUAL_TRADE = "manual_trade"
    CORPORATE_ACTION = "corporate_action"
    BUST = "bust"
    MISSED_FILL = "missed_fill"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakFound:
    """Ledger and broker disagree on a symbol; `confirmed` once seen in two snapshots.

    `cause` is inferred, provisional, until `evidence` names the activity that explains it; `inferred` is
    then what had been thought before.
    """

    symbol: str
    ledger_qty: int
    broker_qty: int
    cause: Cause
    confirmed: bool
    seen_at: datetime
    evidence: str = ""
    inferred: str = ""

    @property
    def standing(self) -> str:
        """Give the cause in words: `exercise (provisional)`, `expiry (confirmed, was exercise)`."""
        if not self.evidence:
            return f"{self.cause} (provisional)"
        was = f", was {self.inferred}" if self.inferred and self.inferred != self.cause else ""
        return f"{self.cause} (confirmed{was})"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakSettled:
    """A disagreement ended, with its cause, what had been inferred, and the activity that confirmed it."""

    symbol: str
    cause: str
    inferred: str = ""
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalMoved:
    """Contracts or shares that no order of ours moved: held, but not managed.

    `qty` and `amount` (Usd4, credited) are signed; a negative holding is a short. `resolved` is the part
    that a person's resolution had booked before: it moves cash only.
    """

    activity_id: str
    symbol: str
    qty: int
    amount: Usd4
    cause: Cause
    detail: str
    resolved: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalAdopted:
    """Contracts that were held beside our positions became one of them, at their cost (Usd4 in total)."""

    position_id: PositionId
    symbol: str
    qty: Contracts
    cost: Usd4


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionReleased:
    """A position is no longer managed: what it holds is held beside our positions, at `basis` (Usd4)."""

    position_id: PositionId
    symbol: str
    qty: Contracts
    basis: Usd4


@dataclass(frozen=True, slots=True, kw_only=True)
class FillBusted:
    """The exchange took an execution back: quantity, cash and fees are what they were before it."""

    activity_id: str
    fill: Fill
    position_id: PositionId
    multiplier: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivitiesRead:
    """Every activity up to `through` has been read and booked; written with what it brought."""

    through: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorActed:
    """A person ended a state that waited for one; `adjusted`: the change of `subject` it booked."""

    command: str
    subject: str
    cause: str
    adjusted: int
    reason: str
    actor: str


# What moves nothing of our own positions' making.
Beside = ExternalMoved | ExternalAdopted | PositionReleased | OperatorActed | ActivitiesRead
BreakEvent = BreakFound | BreakSettled | FillBusted | Beside


@dataclass(frozen=True, slots=True)
class External:
    """What is held of a symbol beside our positions, with its cost in total (Usd4)."""

    qty: int = 0
    cost: Usd4 = 0


def fold_beside(external: dict[str, External], resolved: dict[str, int], body: Beside) -> tuple[Usd4, Usd4]:
    """Apply a body to what is held beside our positions; give the cash it moved and what it realised."""
    match body:
        case ExternalMoved(symbol=symbol):
            held, realised = move(external.get(symbol, External()), body.qty, body.amount)
            _keep(external, symbol, held)
            _note(resolved, symbol, -body.resolved)
            return body.amount, realised
        case ExternalAdopted(symbol=symbol):
            _keep(external, symbol, take(external.get(symbol, External()), body.qty, body.cost))
        case PositionReleased(symbol=symbol):
            _keep(external, symbol, take(external.get(symbol, External()), -body.qty, -body.basis))
        case OperatorActed(subject=symbol, adjusted=qty):
            _note(resolved, symbol, qty)
        case ActivitiesRead():
            pass
    return 0, 0


def _keep(external: dict[str, External], symbol: str, held: External) -> None:
    if held.qty:
        external[symbol] = held
    else:
        external.pop(symbol, None)


def _note(resolved: dict[str, int], symbol: str, qty: int) -> None:
    left = resolved.pop(symbol, 0) + qty
    if left:
        resolved[symbol] = left


def move(held: External, qty: int, amount: Usd4) -> tuple[External, Usd4]:
    """Move a holding by `qty` for `amount` (credited); give what is held then and what was realised."""
    if held.qty * qty >= 0:
        if not qty:
            return held, amount
        return External(held.qty + qty, held.cost - amount), 0
    closed = min(abs(qty), abs(held.qty))
    cost = held.cost * closed // abs(held.qty)
    flow = amount * closed // abs(qty)
    left = held.qty + qty
    beyond = abs(qty) > closed
    return External(left, flow - amount if beyond else held.cost - cost), flow - cost


def take(held: External, qty: int, cost: Usd4) -> External:
    """Take `qty` at `cost` out of a holding, or add it (negative numbers)."""
    left = held.qty - qty
    if left < 0 or (held.qty < 0 and qty < 0):
        raise LedgerError(f"external: expected at least {qty} held, was {held.qty}")
    return External(left, held.cost - cost)
