"""An account's ledger: the fold of its event chain. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from ops_pipeline.domain import breaks as b
from ops_pipeline.domain import events as e
from ops_pipeline.domain.accounts import ControlLevel, Mode, Tier
from ops_pipeline.domain.alerts import Alert, AlertCode
from ops_pipeline.domain.controls import (
    NO_WISH,
    SymbolBlocked,
    Wish,
)
from ops_pipeline.domain.ledger_index import LATEST, LedgerIndex, index_of
from ops_pipeline.domain.orders import Order, Purpose
from ops_pipeline.domain.positions import Position
from ops_pipeline.domain.rolls import Roll
from ops_pipeline.domain.units import AccountId, ClientOrderId, PositionId, Usd4


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Everything the event chain says of one account; `cash` and `start_cash` in Usd4.

    `raised_at` is when the kill level last rose, `kill_id` names the newest flatten ("": none).
    `external` is what is held beside our positions; `resolved` what a person booked and no activity has
    told yet, by symbol; activities are booked up to `read_through` and none from before `opened_at`.
    `kept` is the fold's index of what is alive; a ledger without one looks through its history.
    """

    account: AccountId
    seq: int = 0
    head: str = e.GENESIS
    number: str = ""
    broker: str = ""
    mode: Mode = Mode.SHADOW
    tier: Tier = Tier.TINY
    tier_drift: int = 0
    tier_session: date | None = None
    start_cash: Usd4 = 0
    cash: Usd4 = 0
    other_cash: Usd4 = 0
    control: ControlLevel = ControlLevel.NORMAL
    control_reason: str = ""
    raised_at: datetime | None = None
    kill_id: str = ""
    paused_session: date | None = None
    opened_at: datetime | None = None
    read_through: datetime | None = None
    breaks: Mapping[str, b.BreakFound] = field(default_factory=dict)
    external: Mapping[str, b.External] = field(default_factory=dict)
    resolved: Mapping[str, int] = field(default_factory=dict)
    orders: Mapping[ClientOrderId, Order] = field(default_factory=dict)
    positions: Mapping[PositionId, Position] = field(default_factory=dict)
    rolls: Mapping[str, Roll] = field(default_factory=dict)
    alerts: Mapping[tuple[AlertCode, str], Alert] = field(default_factory=dict)
    blocked: Mapping[str, SymbolBlocked] = field(default_factory=dict)
    wishes: Mapping[PositionId, Wish] = field(default_factory=dict)
    executions: Mapping[str, int] = field(default_factory=dict)
    kept: LedgerIndex | None = field(default=None, compare=False, repr=False)

    @property
    def index(self) -> LedgerIndex:
        """Give the index of what is alive."""
        if self.kept is not None:
            return self.kept
        live_rolls = [roll.id for roll in self.rolls.values() if roll.is_live]
        return index_of(self.orders.values(), self.positions.values(), live_rolls)

    @property
    def live_orders(self) -> tuple[Order, ...]:
        """Give the orders that may still trade, oldest first."""
        return tuple([self.orders[key] for key in self.index.live])

    @property
    def open_positions(self) -> tuple[Position, ...]:
        """Give the positions not yet closed, oldest first."""
        return tuple([self.positions[key] for key in self.index.open])

    @property
    def live_rolls(self) -> tuple[Roll, ...]:
        """Give the rolls that still have steps to take, oldest first."""
        return tuple([self.rolls[key] for key in self.index.rolls])

    def orders_of(self, position_id: PositionId) -> tuple[Order, ...]:
        """Give all orders made for a position, oldest first."""
        return tuple([self.orders[key] for key in self.index.by_position.get(position_id, ())])

    def turned_away_since(self, at: datetime) -> tuple[Order, ...]:
        """Give the orders not placed or rejected after `at`, the last so changed first."""
        newest_first = (self.orders[key] for key in reversed(self.index.turned_away))
        return tuple(_later(newest_first, at, lambda order: order.updated_at))

    def sent_since(self, at: datetime) -> tuple[Order, ...]:
        """Give the orders last sent after `at`, at most the last 100."""
        found = [self.orders[key] for key in self.index.sent]
        return tuple([order for order in found if order.last_sent_at is not None and order.last_sent_at > at])

    def intended_since(self, at: datetime) -> tuple[Order, ...]:
        """Give the orders whose intent was stored after `at`, oldest first."""
        newest_first = reversed(self.orders.values())  # type: ignore[call-overload] # the fold keeps dicts
        return tuple(reversed(_later(newest_first, at, lambda order: order.created_at)))

    def closed_since(self, at: datetime) -> tuple[Position, ...]:
        """Give the positions closed at or after `at`, oldest first."""
        found: list[Position] = []
        for key in reversed(self.index.closed):
            position = self.positions[key]
            if position.closed_at is not None and position.closed_at < at:
                break
            found.append(position)
        return tuple(reversed(found))

    def entered_since(self, session: date) -> tuple[Position, ...]:
        """Give the positions whose entry session is `session` or later, oldest first."""
        found: list[Position] = []
        for position in reversed(self.positions.values()):  # type: ignore[call-overload] # the fold keeps dicts
            if position.entry_session >= session:
                found.append(position)
            elif self.kept is not None:  # a fold holds them in the order in which they were opened
                break
        return tuple(reversed(found))

    @property
    def realised(self) -> Usd4:
        """Sum realised profit net of every fee, over all positions, and other cash movements."""
        return sum(position.realised for position in self.positions.values()) + self.other_cash

    @property
    def fees(self) -> Usd4:
        """Sum the fees of all fills."""
        return sum(position.fees for position in self.positions.values())

    def block_of(self, symbol: str, now: datetime) -> SymbolBlocked | None:
        """Give the block that stands on an underlying at `now`; None: entries are allowed."""
        found = self.blocked.get(symbol)
        return None if found is None or (found.until is not None and found.until <= now) else found

    def wish_of(self, position_id: PositionId) -> Wish:
        """Give what people want of a position."""
        return self.wishes.get(position_id, NO_WISH)

    def next_generation(self, purpose: Purpose, key: str) -> int:
        """Give the next order of this cause its number; the one before must be terminal (O4)."""
        return self.index.generations.get((purpose, key), 0) + 1

    def held(self) -> dict[str, int]:
        """Give what is held per symbol, as the ledger has it: our positions and what is beside them."""
        held = {symbol: row.qty for symbol, row in self.external.items()}
        for position in self.open_positions:  # one that is closed holds nothing
            if position.qty:
                held[position.contract.occ] = held.get(position.contract.occ, 0) + position.qty
        return {symbol: qty for symbol, qty in held.items() if qty}


def _later(newest_first: Iterable[Order], at: datetime, stamp: Callable[[Order], datetime]) -> list[Order]:
    """Give the orders stamped after `at`; some stamped before do not end the search.

    Where a clock was set back or a cycle was slow, what came later may bear an earlier instant.
    """
    found: list[Order] = []
    older = 0
    for order in newest_first:
        if stamp(order) > at:
            found.append(order)
        elif (older := older + 1) >= LATEST:
            break
    return found
