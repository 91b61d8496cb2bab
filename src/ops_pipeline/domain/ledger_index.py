"""Which orders, positions and causes of a ledger are still alive, kept as its fold goes on. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ops_pipeline.domain.orders import Order, OrderState, Purpose
from ops_pipeline.domain.positions import Position
from ops_pipeline.domain.units import ClientOrderId, PositionId

Cause = tuple[Purpose, str]

# Orders looked through beyond those that a time names: a clock that was set back stamps what is new as old.
# Far more than may be sent in a minute.
LATEST = 100
_TURNED_AWAY = (OrderState.NOT_PLACED, OrderState.REJECTED)


@dataclass(slots=True)
class LedgerIndex:
    """Keys in the order of the ledger's own mappings, so that a cycle need not walk a whole history.

    `closed` holds positions in the order in which they closed; `closed_changes` counts what happened to
    closed ones; `generations` is the newest order number of each cause; `by_position` names all orders of
    a position; `turned_away` those not placed or rejected, the last so changed last; `sent` the 100
    whose last sending is newest; `rolls` unfinished rolls.
    """

    live: dict[ClientOrderId, None] = field(default_factory=dict)
    open: dict[PositionId, None] = field(default_factory=dict)
    closed: dict[PositionId, None] = field(default_factory=dict)
    closed_changes: int = 0
    generations: dict[Cause, int] = field(default_factory=dict)
    by_position: dict[PositionId, tuple[ClientOrderId, ...]] = field(default_factory=dict)
    turned_away: dict[ClientOrderId, None] = field(default_factory=dict)
    sent: dict[ClientOrderId, None] = field(default_factory=dict)
    rolls: dict[str, None] = field(default_factory=dict)

    def copy(self) -> "LedgerIndex":
        """Give an index that changes apart from this one."""
        return LedgerIndex(
            dict(self.live),
            dict(self.open),
            dict(self.closed),
            self.closed_changes,
            dict(self.generations),
            dict(self.by_position),
            dict(self.turned_away),
            dict(self.sent),
            dict(self.rolls),
        )

    def note_order(self, order: Order, orders: Mapping[ClientOrderId, Order]) -> None:
        """Take an order's newest state over; `orders` holds it already."""
        intent = order.intent
        cause = (intent.purpose, intent.key)
        self.generations[cause] = max(intent.generation, self.generations.get(cause, 0))
        known = self.by_position.get(intent.position_id, ())
        if order.id not in known:
            self.by_position[intent.position_id] = (*known, order.id)
        self.turned_away.pop(order.id, None)
        if order.state in _TURNED_AWAY:
            self.turned_away[order.id] = None
        if order.state is OrderState.SENDING:
            self.sent = _sent_last([*(orders[key] for key in self.sent if key != order.id), order])
        if not order.is_live:
            self.live.pop(order.id, None)
        elif order.id not in self.live:
            self.live[order.id] = None
            # An order thought dead may come back to life: it takes its old place again.
            if next(reversed(orders)) != order.id:  # type: ignore[arg-type] # the fold keeps dicts
                self.live = {key: None for key, other in orders.items() if other.is_live}

    def note_position(self, position: Position, positions: Mapping[PositionId, Position]) -> None:
        """Take a position's newest state over; `positions` holds it already."""
        if not position.is_open:
            self.open.pop(position.id, None)
            self.closed.setdefault(position.id, None)
            self.closed_changes += 1
        elif position.id not in self.open:
            self.closed.pop(position.id, None)
            self.open[position.id] = None
            if next(reversed(positions)) != position.id:  # type: ignore[arg-type] # as above
                self.open = {key: None for key, other in positions.items() if other.is_open}

    def note_roll(self, roll_id: str, *, is_live: bool) -> None:
        """Take a roll's newest state over."""
        if is_live:
            self.rolls.setdefault(roll_id, None)
        else:
            self.rolls.pop(roll_id, None)


def index_of(
    orders: Iterable[Order], positions: Iterable[Position], live_rolls: Iterable[str] = ()
) -> LedgerIndex:
    """Build the index of a ledger that came without one."""
    index = LedgerIndex(rolls=dict.fromkeys(live_rolls))
    away, known = [], dict[ClientOrderId, Order]()
    for order in orders:
        known[order.id] = order
        index.note_order(order, known)
        if order.state in _TURNED_AWAY:
            away.append(order)
    away.sort(key=lambda order: order.updated_at)
    index.turned_away = {order.id: None for order in away}
    index.sent = _sent_last(known.values())
    closed = []
    for position in positions:
        if position.is_open:
            index.open[position.id] = None
        else:
            closed.append(position)
    closed.sort(key=lambda position: (position.closed_at or position.opened_at, position.id))
    index.closed = {position.id: None for position in closed}
    index.closed_changes = len(closed)
    return index


def _sent_last(orders: Iterable[Order]) -> dict[ClientOrderId, None]:
    sent = sorted((order.last_sent_at, order.id) for order in orders if order.last_sent_at is not None)
    return {key: None for _, key in sent[-LATEST:]}
