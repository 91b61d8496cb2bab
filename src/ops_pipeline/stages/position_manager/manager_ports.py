"""What the position manager of one account works with: its ports, its rules, its memory. Shell."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ops_pipeline.domain import events as e
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import QuoteRules, Session
from ops_pipeline.domain.positions import Position
from ops_pipeline.domain.rules import ExitOrderRules, ExitRules, RollRules
from ops_pipeline.domain.units import PositionId
from ops_pipeline.ports import Calendar, MarketData, SnapshotStore
from ops_pipeline.stages.execution.gateway import Desk
from ops_pipeline.stages.position_manager.arbiter import Standing
from ops_pipeline.stages.position_manager.marks import MarkMemory
from ops_pipeline.stages.position_manager.standing import roll_waits, standing_of


class RulesOf(Protocol):
    """Gives the exit rules a position lives under."""

    def __call__(self, position: Position) -> ExitRules:
        """Give them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerPorts:
    """One account's positions: its desk, the market, and what marks were seen before.

    `memory` and `sampled` live as long as the process; a new one recalls them from the ledger. So does
    `roll_refused`, when and why a position's roll was last refused; a new process plans it at once.
    `next_read_s` gives the seconds to the next read of the market.
    """

    desk: Desk
    market: MarketData
    calendar: Calendar
    snapshots: SnapshotStore
    memory: dict[PositionId, MarkMemory]
    sampled: dict[PositionId, datetime]
    roll_refused: dict[PositionId, tuple[datetime, e.RollRefused]]
    next_read_s: float
    roller: "Roller"


class Roller(Protocol):
    """Carries a roll on by one step."""

    def __call__(self, position: Position, *, now: datetime, session: Session) -> str:
        """Plan or continue the roll of `position`; give why none was begun, else ""."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerRules:
    """Exit rules by position, quote trust, how exit orders walk and when rolls are planned."""

    exits: RulesOf
    quotes: QuoteRules
    orders: ExitOrderRules
    roll: RollRules


def standing_now(
    position: Position,
    ledger: Ledger,
    *,
    now: datetime,
    session: Session,
    ports: ManagerPorts,
    rules: ManagerRules,
) -> Standing:
    """Give what stands beside a position's triggers now."""
    refused = ports.roll_refused.get(position.id)
    waits = roll_waits(
        position, ledger, refused[0] if refused else None, now=now, session=session, rules=rules.roll
    )
    return standing_of(position, ledger, now=now, roll_waits=waits)
