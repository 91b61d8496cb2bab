"""Orders: intents, verdicts, what the broker answered, and the fold of an order's events. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ops_pipeline.domain.accounts import ControlLevel
from ops_pipeline.domain.instruments import Split
from ops_pipeline.domain.units import AccountId, ClientOrderId, Contracts, Occ, PositionId, Usd4


class Purpose(StrEnum):
    """Why an order exists; the letter stands in its client order id (RELIABILITY 3.4)."""

    ENTRY = "e"
    EXIT = "x"
    TIER = "t"
    ROLL = "r"
    ROLL_CLOSE = "c"
    ROLL_OPEN = "o"
    KILL = "k"

    @property
    def opens(self) -> bool:
        """Tell whether the order adds risk (a roll's two-leg order does both)."""
        return self in (Purpose.ENTRY, Purpose.ROLL_OPEN, Purpose.ROLL)


def most_allowed(purpose: Purpose) -> ControlLevel:
    """Give the highest kill level at which an order of this purpose may be sent."""
    return ControlLevel.NORMAL if purpose.opens else ControlLevel.FLATTEN


class Side(StrEnum):
    """The only two intents there are: no order may open a short."""

    BUY_TO_OPEN = "buy_to_open"
    SELL_TO_CLOSE = "sell_to_close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One leg of an order; quantities are per order unit, always 1 here."""

    occ: Occ
    side: Side


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent:
    """An order to be sent, known before it is: `limit` Usd4 per share, DAY, whole contracts.

    `key` names the cause (a signal, a position, a roll), `generation` the attempt: the id is a pure
    function of both. A two-leg order's limit is its net debit (negative: credit).
    """

    client_order_id: ClientOrderId
    account: AccountId
    purpose: Purpose
    key: str
    generation: int
    legs: tuple[Leg, ...]
    qty: Contracts
    limit: Usd4
    multiplier: int
    position_id: PositionId
    reason: str
    budget: Usd4 = 0
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.qty <= 0:
            raise ValueError(f"order {self.client_order_id}: expected qty > 0, was {self.qty}")
        if not 1 <= len(self.legs) <= 2:
            raise ValueError(f"order {self.client_order_id}: expected 1 or 2 legs, was {len(self.legs)}")
        if len(self.legs) == 1 and self.limit <= 0:
            raise ValueError(f"order {self.client_order_id}: expected limit > 0, was {self.limit}")

    @property
    def occ(self) -> Occ:
        """Give the (first) leg's symbol."""
        return self.legs[0].occ

    @property
    def side(self) -> Side:
        """Give the (first) leg's side."""
        return self.legs[0].side


@dataclass(frozen=True, slots=True)
class GateResult:
    """One check: its name, whether it passed, and the observed value beside its limit, as text."""

    name: str
    passed: bool
    observed: str
    limit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """An intent that every check passed; `Broker.submit` takes nothing else.

    Built only by `dispatcher.gates` (opens) and by `execution.lifecycle` (reductions, the next limit of
    an approved entry, the same order once more).
    """

    intent: OrderIntent
    gates: tuple[GateResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A refusal: `reason` is the first failing gate (or the binding cap), `gates` are all of them."""

    reason: str
    gates: tuple[GateResult, ...]


Verdict = Approved | Refused


class BrokerStatus(StrEnum):
    """An order's status in the broker's own words; anything not listed counts as live."""

    NEW = "new"
    ACCEPTED = "accepted"
    PENDING_NEW = "pending_new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    DONE_FOR_DAY = "done_for_day"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    PENDING_CANCEL = "pending_cancel"
    REJECTED = "rejected"
    UNKNOWN = "unknown"

    @property
    def is_terminal(self) -> bool:
        """Tell whether the broker will do no more with the order."""
        return self in _TERMINAL_AT_BROKER


_TERMINAL_AT_BROKER = frozenset(
    {BrokerStatus.FILLED, BrokerStatus.CANCELED, BrokerStatus.EXPIRED, BrokerStatus.REJECTED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOrder:
    """An order as the broker shows it; `cum` contracts filled so far (units of a two-leg order)."""

    broker_order_id: str
    client_order_id: ClientOrderId
    status: BrokerStatus
    qty: Contracts
    cum: Contracts
    legs: tuple[Leg, ...]
    limit: Usd4
    submitted_at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderUpdate:
    """What a broker pushes of an order: a reason to look, never the record."""

    client_order_id: ClientOrderId
    broker_order_id: str
    event: str
    status: BrokerStatus
    cum: Contracts
    at: datetime


@dataclass(frozen=True, slots=True)
class Accepted:
    """The broker took the order."""

    order: BrokerOrder


@dataclass(frozen=True, slots=True)
class Rejected:
    """The broker definitely refused the order."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """Nothing was accepted and it may be sent again (same id) from `not_before` on."""

    not_before: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows whether the broker took it: settled by asking, never by sending anew."""

    why: str


SubmitOutcome = Accepted | Rejected | Deferred | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution; `qty` signed (+ bought), `price` Usd4 per share, `fees` Usd4 in total."""

    execution_id: str
    client_order_id: ClientOrderId
    occ: Occ
    qty: int
    price: Usd4
    fees: Usd4
    at: datetime


class OrderState(StrEnum):
    """RELIABILITY 3.1."""

    INTENT = "INTENT"
    SENDING = "SENDING"
    UNKNOWN = "UNKNOWN"
    RESEND_WAIT = "RESEND_WAIT"
    WORKING = "WORKING"
    CANCELING = "CANCELING"
    DRAINING = "DRAINING"
    ABANDONING = "ABANDONING"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    NOT_PLACED = "NOT_PLACED"
    ORPHAN = "ORPHAN"
    QUARANTINED = "QUARANTINED"

    @property
    def is_terminal(self) -> bool:
        """Tell whether nothing more is expected of the order."""
        return self in TERMINAL_STATES


TERMINAL_STATES = frozenset(
    {
        OrderState.FILLED,
        OrderState.CANCELED,
        OrderState.EXPIRED,
        OrderState.REJECTED,
        OrderState.NOT_PLACED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The fold of one order's events.

    `booked` counts contracts of the first leg booked from fills, `cum` the broker's own count;
    `attempt` the POSTs made with this one id; `not_found` authoritative 404s in a row.
    """

    intent: OrderIntent
    state: OrderState
    created_at: datetime
    updated_at: datetime
    attempt: int = 0
    epoch: int = 0
    body_hash: str = ""
    broker_order_id: str | None = None
    broker_status: BrokerStatus | None = None
    accepted_at: datetime | None = None
    last_sent_at: datetime | None = None
    not_before: datetime | None = None
    cum: Contracts = 0
    booked: Contracts = 0
    leg_booked: tuple[int, ...] = ()
    not_found: int = 0
    detail: str = ""

    @property
    def id(self) -> ClientOrderId:
        """Give the client order id."""
        return self.intent.client_order_id

    @property
    def is_live(self) -> bool:
        """Tell whether the order may still trade, or may have (unknown counts)."""
        return not self.state.is_terminal

    @property
    def leaves(self) -> Contracts:
        """Give the contracts that may still fill; 0 once terminal."""
        return 0 if self.state.is_terminal else self.intent.qty - self.booked


class ActivityKind(StrEnum):
    """The broker's account activities, in its own codes."""

    FILL = "FILL"
    EXPIRY = "OPEXP"
    EXERCISE = "OPEXC"
    ASSIGNMENT = "OPASN"
    OPTION_TRADE = "OPTRD"
    FEE = "FEE"
    DIVIDEND = "DIV"
    TRANSFER = "JNLC"
    SPLIT = "SPLIT"
    BUST = "BUST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """A fact of the account as the broker books it; `qty` signed, `amount` Usd4 credited (signed).

    A FILL carries its fill, a BUST the fill that is taken back, a SPLIT its split (`symbol` is the
    contract's before it); the others name the symbol and what they did to quantity and cash.
    """

    activity_id: str
    kind: ActivityKind
    at: datetime
    symbol: str
    qty: int
    price: Usd4
    amount: Usd4
    fill: Fill | None = None
    detail: str = ""
    split: Split | None = None
