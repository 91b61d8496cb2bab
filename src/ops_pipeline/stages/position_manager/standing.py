"""What stands beside a position's triggers when its one action is picked. Pure."""

from datetime import datetime, timedelta

from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.positions import ExitReason, Position
from ops_pipeline.domain.rules import RollRules
from ops_pipeline.stages.position_manager.arbiter import Standing
from ops_pipeline.stages.position_manager.exit_orders import reason_of, working_exits


def working_reason(position: Position, ledger: Ledger) -> ExitReason | None:
    """Give the reason of the live exit order or unfinished roll; None: none lives.

    A roll between its orders keeps nothing waiting that was decided for another reason.
    """
    working = working_exits(ledger, position)
    if working:
        return reason_of(working[0])
    outranked = position.exit is not None and position.exit.reason is not ExitReason.ROLL
    return ExitReason.ROLL if is_rolling(position, ledger) and not outranked else None


def is_rolling(position: Position, ledger: Ledger) -> bool:
    """Tell whether a roll of the position is not finished."""
    return any(roll.position_id == position.id for roll in ledger.live_rolls)


def roll_waits(
    position: Position,
    ledger: Ledger,
    refused_at: datetime | None,
    *,
    now: datetime,
    session: Session,
    rules: RollRules,
) -> bool:
    """Tell whether no roll is to be planned now: too early, just refused, or one ended this session.

    An adjusted contract is only ever sold.
    """
    if position.contract.adjusted or session.minutes_after_open(now) < rules.after_open_minutes:
        return True
    if refused_at is not None and now - refused_at < timedelta(minutes=rules.retry_minutes):
        return True
    return any(
        roll.position_id == position.id and not roll.is_live and roll.updated_at >= session.open_at
        for roll in ledger.rolls.values()
    )


def standing_of(position: Position, ledger: Ledger, *, now: datetime, roll_waits: bool) -> Standing:
    """Gather it; a frozen position counts as nothing to sell."""
    return Standing(
        at=now,
        qty=0 if position.frozen else position.qty,
        control=ledger.control,
        current=position.exit,
        working=working_reason(position, ledger),
        roll_waits=roll_waits,
        keep=ledger.wish_of(position.id).keep,
    )
