"""When a position wants to be looked at again, ahead of the cycle. Pure."""

from datetime import datetime, timedelta

from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import QuoteRules
from ops_pipeline.domain.orders import Order, OrderState, Purpose
from ops_pipeline.domain.positions import ExitDecision, ExitReason
from ops_pipeline.domain.rules import ExitOrderRules, ExitRules
from ops_pipeline.stages.execution.lifecycle import retry_exit_at
from ops_pipeline.stages.position_manager.arbiter import ExitActionKind
from ops_pipeline.stages.position_manager.exit_orders import exits_since, is_unsettled, working_exits
from ops_pipeline.stages.position_manager.watched import Watched

_AT_ONCE = timedelta(seconds=1)
# Until the next try of a decided exit that nothing works for, or whose slot is being freed: the broker did
# not answer, showed nothing to sell or has not confirmed a cancel yet, or nobody bid.
BLOCKED = timedelta(seconds=2)
# What an exit that found its way blocked was about to do.
_TRYING = (ExitActionKind.SEND, ExitActionKind.CANCEL, ExitActionKind.WAIT)


def next_look(
    watched: Watched,
    ledger: Ledger,
    *,
    now: datetime,
    quotes: QuoteRules,
    exits: ExitRules,
    orders: ExitOrderRules,
) -> datetime | None:
    """Give the instant after `now` of a second read, a retry or a new limit; None: the cycle will do.

    `ledger` holds what the cycle's action led to. A jump is read again at once, a level that was
    touched as soon as another read counts, a rejected exit after its wait, a resting one at its turn,
    one that could not be sent soon.
    """
    position = ledger.positions[watched.position.id]
    working = working_exits(ledger, position)
    wishes = [order_at for order in working if (order_at := _turn(order, orders))]
    if position.exit is None:
        wishes += _second_reads(watched, now=now, quotes=quotes, exits=exits)
    else:
        retry = retry_exit_at(exits_since(ledger, position.id, position.exit.at))
        wishes += [retry] if retry is not None else []
        if _is_blocked(watched, position.exit, working, ledger, now=now, retry=retry):
            wishes.append(now + BLOCKED)
    return min((at for at in wishes if at > now), default=None)


def _second_reads(watched: Watched, *, now: datetime, quotes: QuoteRules, exits: ExitRules) -> list[datetime]:
    if watched.read.refetch:
        return [now + _AT_ONCE]
    held, counted_at = watched.held, watched.read.memory.counted_at
    touched = max(held.stop_count, held.trail_count)
    if counted_at is None or not 0 < touched < exits.confirmations:
        return []
    return [counted_at + timedelta(seconds=quotes.read_gap_s)]


def _is_blocked(
    watched: Watched,
    decision: ExitDecision,
    working: list[Order],
    ledger: Ledger,
    *,
    now: datetime,
    retry: datetime | None,
) -> bool:
    """Tell whether an exit that is decided waits for something else than its own order, retry or a person."""
    if working:
        return any(order.state is OrderState.CANCELING for order in working)
    tried = watched.action.kind in _TRYING and decision.reason is not ExitReason.ROLL
    position = ledger.positions[watched.position.id]
    qty = watched.action.qty or position.qty
    waits = is_unsettled(position, decision, ledger, qty=qty)
    return tried and not waits and (retry is None or retry <= now)


def _turn(order: Order, rules: ExitOrderRules) -> datetime | None:
    if order.state is not OrderState.WORKING or order.intent.purpose is Purpose.ROLL:
        return None
    return (order.accepted_at or order.created_at) + timedelta(seconds=rules.reprice_s)
