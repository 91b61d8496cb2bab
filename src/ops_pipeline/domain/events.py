"""The facts a ledger is made of, and their one canonical spelling. Pure."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import get_args

from ops_pipeline.domain.accounts import ControlLevel, Mode, Tier
from ops_pipeline.domain.alerts import AlertCleared, AlertRaised
from ops_pipeline.domain.breaks import BreakEvent, ExternalMoved, OperatorActed
from ops_pipeline.domain.codec import MISFITS, build, encode, read_json
from ops_pipeline.domain.controls import PersonsEvent
from ops_pipeline.domain.instruments import OptionContract
from ops_pipeline.domain.orders import BrokerStatus, Fill, GateResult, OrderIntent
from ops_pipeline.domain.positions import ExitDecision, ExitReason
from ops_pipeline.domain.signals import Strategy
from ops_pipeline.domain.units import AccountId, ClientOrderId, PositionId, SignalId, Usd4

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOpened:
    """The account's first fact: the broker's number and the cash it starts with."""

    number: str
    broker: str
    mode: Mode
    cash: Usd4
    tier: Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class CashMoved:
    """Cash that no option fill explains: shares of an exercise, interest, a deposit; fills carry fees."""

    activity_id: str
    kind: str
    amount: Usd4
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TierChanged:
    """The account's tier from this session on."""

    tier: Tier
    session: date
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TierDrifted:
    """Sessions in a row (signed by direction) that equity stood beyond the tier's bounds."""

    sessions: int
    session: date


# Actors of a change of level that are no persons.
AUTOMATIC = frozenset({"alarm", "reconcile", "disk", "database", "restore"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlChanged:
    """The account's kill level, by whom and why; what has no person behind it only ever raises it."""

    level: ControlLevel
    reason: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntriesPaused:
    """No entries until the session named is over, because of losses in a row."""

    session: date
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntended:
    """An order exists from here on, whether or not it is ever sent."""

    intent: OrderIntent


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSending:
    """Committed before each POST: epoch, attempt, a hash of the body to be sent, the last checks' results."""

    client_order_id: ClientOrderId
    epoch: int
    attempt: int
    body_hash: str
    checks: tuple[GateResult, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAnswered:
    """What the POST came to: accepted, rejected, deferred or unknown."""

    client_order_id: ClientOrderId
    outcome: str
    broker_order_id: str | None = None
    status: BrokerStatus | None = None
    cum: int = 0
    not_before: datetime | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderObserved:
    """The broker's own word on an order, seen later."""

    client_order_id: ClientOrderId
    broker_order_id: str
    status: BrokerStatus
    cum: int
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNotFound:
    """An authoritative answer that the broker knows no such order."""

    client_order_id: ClientOrderId
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSettled:
    """A state reached by our own rule: CANCELING, RESEND_WAIT, ABANDONING, NOT_PLACED, QUARANTINED."""

    client_order_id: ClientOrderId
    state: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FillBooked:
    """One execution, booked once; moves order, position and cash."""

    fill: Fill
    position_id: PositionId
    multiplier: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionOpened:
    """A position is planned with its entry order; it holds nothing until a fill is booked."""

    position_id: PositionId
    signal_id: SignalId
    tier: Tier
    contract: OptionContract
    strategy: Strategy
    session: date
    entry_dte: int
    entry_underlying: Usd4
    entry_atr: float | None
    entry_iv_rank: float | None
    entry_delta: float | None
    rolled_from: PositionId | None
    roll_count: int
    exit_rules: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryCompleted:
    """The entry order is terminal: the original quantity stands (0: nothing was bought)."""

    position_id: PositionId
    original_qty: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionMarked:
    """Peak, arming, trailing stop or a confirmation count changed; `mark` None: no mark was seen."""

    position_id: PositionId
    mark: Usd4 | None
    peak: Usd4
    armed: bool
    trailing_stop: Usd4
    stop_count: int
    trail_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitDecided:
    """The arbiter's action for a position, with what triggered it."""

    position_id: PositionId
    decision: ExitDecision


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitWithdrawn:
    """A decision that was not latched no longer holds and no order works for it."""

    position_id: PositionId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractsAdopted:
    """Contracts the account already held when the run began, at what they cost per share."""

    position_id: PositionId
    activity_id: str
    qty: int
    price: Usd4


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractsAdjusted:
    """A split changed the contracts held: one became `for_one` of `contract`, at the same cost in all.

    `shares_new` of the underlying stand for `shares_old` before.
    """

    position_id: PositionId
    activity_id: str
    contract: OptionContract
    for_one: int
    shares_new: int
    shares_old: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractsRemoved:
    """Contracts that left without a fill: expiry, exercise, external sale; `amount` is credited."""

    position_id: PositionId
    activity_id: str
    cause: ExitReason
    qty: int
    amount: Usd4
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionClosed:
    """Nothing is held, no order lives, every fill is booked; its trade row is written with it."""

    position_id: PositionId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionFrozen:
    """The position may not be traded until a person or a cause unlocks it ("" unlocks)."""

    position_id: PositionId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RollAdvanced:
    """A roll saga reached a state: planned closing closed opening done closed_only aborted."""

    roll_id: str
    position_id: PositionId
    state: str
    successor: OptionContract | None
    successor_id: PositionId | None
    qty: int
    two_leg: bool
    pnl_locked: Usd4
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RollRefused:
    """A roll that was due and could not be planned, and why; the old position stays as it is."""

    position_id: PositionId
    session: date
    reason: str


EventBody = (
    AccountOpened
    | CashMoved
    | TierChanged
    | TierDrifted
    | ControlChanged
    | EntriesPaused
    | OrderIntended
    | OrderSending
    | OrderAnswered
    | OrderObserved
    | OrderNotFound
    | OrderSettled
    | FillBooked
    | PositionOpened
    | EntryCompleted
    | PositionMarked
    | ExitDecided
    | ExitWithdrawn
    | ContractsAdopted
    | ContractsAdjusted
    | ContractsRemoved
    | PositionClosed
    | PositionFrozen
    | RollAdvanced
    | RollRefused
    | AlertRaised
    | AlertCleared
    | PersonsEvent
    | BreakEvent
)

_KINDS: dict[str, type] = {kind.__name__: kind for kind in get_args(EventBody)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A body with its place in the account's chain; `seq` starts at 1 and has no gap."""

    account: AccountId
    seq: int
    at: datetime
    kind: str
    key: str
    body: EventBody
    previous: str
    hash: str


def chain(account: AccountId, seq: int, at: datetime, body: EventBody, previous: str) -> Event:
    """Link `body` to the chain whose last hash is `previous` (GENESIS for the first)."""
    kind = type(body).__name__
    digest = chain_hash(account, seq, at, kind, canonical(body), previous)
    return Event(
        account=account,
        seq=seq,
        at=at,
        kind=kind,
        key=key_of(body),
        body=body,
        previous=previous,
        hash=digest,
    )


def chain_hash(account: str, seq: int, at: datetime, kind: str, text: str, previous: str) -> str:
    """Hash one link: previous hash, account, number, instant (microseconds), kind and body text."""
    micros = int(at.timestamp()) * 1_000_000 + at.microsecond
    return sha256(f"{previous}|{account}|{seq}|{micros}|{kind}|{text}".encode()).hexdigest()


def key_of(body: EventBody) -> str:
    """Name what the event is about: an order, a position, a symbol, a job; "" for the account itself."""
    match body:
        case OrderIntended(intent=intent):
            return intent.client_order_id
        case FillBooked(fill=fill):
            return fill.client_order_id
        case ExternalMoved(symbol=key) | OperatorActed(subject=key):
            return key
        case _:
            for name in ("client_order_id", "position_id", "activity_id", "symbol", "key"):
                value = getattr(body, name, None)
                if value is not None:
                    return str(value)
            return ""


def canonical(body: EventBody) -> str:
    """Write a body as JSON: sorted keys, no spaces, ISO times, enums by value."""
    return json.dumps(encode(body), sort_keys=True, separators=(",", ":"), allow_nan=False)


def decode(kind: str, text: str) -> EventBody:
    """Read a body back; an unknown kind or a misfit raises ValueError that names it."""
    body_type = _KINDS.get(kind)
    if body_type is None:
        raise ValueError(f"event kind: expected one of {sorted(_KINDS)}, was {kind!r}")
    try:
        body: EventBody = build(body_type, read_json(text))
    except MISFITS as error:
        raise ValueError(f"event {kind}: its body does not fit: {error}") from error
    return body
