"""A roll as the ledger knows it. Pure."""

from dataclasses import dataclass
from datetime import datetime

from ops_pipeline.domain.instruments import OptionContract
from ops_pipeline.domain.units import PositionId, Usd4


@dataclass(frozen=True, slots=True, kw_only=True)
class Roll:
    """A roll saga's newest state (RELIABILITY 3.7)."""

    id: str
    position_id: PositionId
    state: str
    successor: OptionContract | None
    successor_id: PositionId | None
    qty: int
    two_leg: bool
    pnl_locked: Usd4
    reason: str
    updated_at: datetime

    @property
    def is_live(self) -> bool:
        """Tell whether the saga still has steps to take."""
        return self.state not in ("done", "closed_only", "aborted")
