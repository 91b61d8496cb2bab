"""What a venue remembers of an order besides what its broker matches by. Pure."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import NAMESPACE_URL, UUID, uuid5

from ops_pipeline.domain.orders import BrokerOrder, Fill
from ops_pipeline.domain.units import Occ, Usd4

_NAMESPACE = uuid5(NAMESPACE_URL, "urn:ops-pipeline:simserver")


class OrderType(StrEnum):
    """How an order names its price."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"


class OrderEvent(StrEnum):
    """What happened to an order, as trade_updates names it."""

    ACCEPTED = "accepted"
    NEW = "new"
    FILL = "fill"
    PARTIAL_FILL = "partial_fill"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"


def wire_id(*names: str) -> str:
    """Give the UUID of whatever the names name: the same on every run."""
    return str(uuid5(_NAMESPACE, "|".join(names)))


def is_wire_id(text: str) -> bool:
    """Tell whether a text is spelled as a UUID."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


@dataclass(slots=True, kw_only=True)
class Ticket:
    """One order as the wire tells of it. Times are market instants; `limit` None: it has none.

    `leg_order`: the legs as the client named them, as positions among the broker's.
    """

    id: str
    broker_order_id: str
    client_order_id: str
    type: OrderType
    limit: Usd4 | None
    stop: Usd4 | None
    time_in_force: str
    created_at: datetime
    expires_at: datetime
    leg_order: tuple[int, ...] = (0,)
    filled_at: datetime | None = None
    canceled_at: datetime | None = None
    expired_at: datetime | None = None
    replaced_at: datetime | None = None
    updated_at: datetime | None = None
    replaces: str | None = None
    replaced_by: str | None = None
    fills: list[Fill] = field(default_factory=list)

    def filled(self, occ: Occ) -> tuple[int, Usd4]:
        """Give the contracts of one leg filled so far and what they cost a share, in total."""
        own = [fill for fill in self.fills if fill.occ == occ]
        return sum(abs(fill.qty) for fill in own), sum(abs(fill.qty) * fill.price for fill in own)

    def copy(self) -> "Ticket":
        """Give the ticket as it stands, for good."""
        return replace(self, fills=list(self.fills))

    def leg_id(self, occ: Occ) -> str:
        """Give the id of one leg of a multi-leg order."""
        return wire_id(self.id, occ)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChange:
    """One thing that happened to one order, told to whoever listens.

    `before` is None for a new order; `fills` holds one fill a leg for fills, else nothing; `ticket` is the
    order's as it was right after this change; `at` is the market instant; `number` the account's.
    """

    number: str
    event: OrderEvent
    before: BrokerOrder | None
    after: BrokerOrder
    ticket: Ticket
    fills: tuple[Fill, ...]
    at: datetime
