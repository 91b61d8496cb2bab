"""What stands beside a position's status: RELIABILITY 3.2's flags, derived. Pure."""

from datetime import date
from enum import StrEnum

from ops_pipeline.domain.breaks import Cause
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.positions import Position


class Flag(StrEnum):
    """What a row of `ops positions` may say beside the status.

    EXIT_LATCHED: decided for good; ROLLING: a saga runs; FROZEN: not traded until a cause or a person
    unlocks it; EXTERNAL: held, not managed; CORP_ACTION: only ever sold; EXPIRED: the broker's word is due.
    """

    EXIT_LATCHED = "EXIT_LATCHED"
    ROLLING = "ROLLING"
    FROZEN = "FROZEN"
    EXTERNAL = "EXTERNAL"
    CORP_ACTION = "CORP_ACTION"
    EXPIRED = "EXPIRED"


def flags_of(position: Position, ledger: Ledger, *, today: date | None) -> tuple[Flag, ...]:
    """Give an open position's flags; `today` None: nobody knows the date, so nothing has expired."""
    if not position.is_open:
        return ()
    found = ledger.breaks.get(position.contract.occ)
    raised = {
        Flag.EXIT_LATCHED: position.exit is not None and position.exit.latched,
        Flag.ROLLING: any(roll.position_id == position.id for roll in ledger.live_rolls),
        Flag.FROZEN: bool(position.frozen),
        Flag.CORP_ACTION: position.contract.adjusted
        or (found is not None and found.cause is Cause.CORPORATE_ACTION),
        Flag.EXPIRED: position.qty > 0 and today is not None and position.contract.expiration < today,
    }
    return tuple(flag for flag, is_raised in raised.items() if is_raised)
