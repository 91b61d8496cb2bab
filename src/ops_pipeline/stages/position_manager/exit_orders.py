"""The order a decided exit needs: its slot, its limit, its intent. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ops_pipeline.domain.controls import kill_key
from ops_pipeline.domain.ids import tier_key
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.market import OptionQuote, Session, Trust
from ops_pipeline.domain.orders import Leg, Order, OrderIntent, OrderState, Purpose, Side
from ops_pipeline.domain.positions import ExitDecision, ExitReason, Position
from ops_pipeline.domain.rules import ExitOrderRules
from ops_pipeline.domain.units import Contracts, PositionId, Usd4
from ops_pipeline.stages.execution import lifecycle

_LADDER = {ExitReason.FIRST_TARGET: 1, ExitReason.SECOND_TARGET: 2}
# Prices of these are no offer anybody stands behind.
_NO_BID = (Trust.IMPOSSIBLE, Trust.CROSSED)
# An entry order in these states holds nothing at the broker as far as anybody knows: no exit waits for it.
_NOT_THERE = (OrderState.RESEND_WAIT, OrderState.ABANDONING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """One exit to carry out: what was decided, how many now, and the quote it is priced from."""

    position: Position
    decision: ExitDecision
    qty: Contracts
    quote: OptionQuote | None
    trust: Trust | None
    session: Session


def working_exits(ledger: Ledger, position: Position) -> list[Order]:
    """Give the live orders that take the position's exit slot."""
    return [
        order
        for order in ledger.live_orders
        if order.intent.position_id == position.id and lifecycle.is_exit(order) and order.holds_slot
    ]


def resting_since(ledger: Ledger, position: Position) -> datetime | None:
    """Give when the oldest working exit order of a position was accepted, or made; None: none works."""
    working = working_exits(ledger, position)
    return min((order.accepted_at or order.created_at for order in working), default=None)


def working_entries(ledger: Ledger, position: Position) -> list[Order]:
    """Give the live orders that may still add to the position at the broker; a quarantined one may, too."""
    return [
        order
        for order in ledger.live_orders
        if order.intent.position_id == position.id
        and order.intent.purpose in lifecycle.ENTRIES
        and order.state not in _NOT_THERE
        and not order.has_ended
    ]


def all_exits(ledger: Ledger, position: Position) -> list[Order]:
    """Give every exit order the position ever had, also those of decisions that were withdrawn."""
    return [order for order in ledger.orders_of(position.id) if lifecycle.is_exit(order)]


def reason_of(order: Order) -> ExitReason:
    """Give the reason a live exit order works for."""
    return ExitReason(order.intent.reason)


def may_send_at(exit_: Exit, ledger: Ledger, *, quarantine_s: int) -> datetime | None:
    """Give when a rejected exit may be tried again; None: at once.

    One that sells a part must not sell it twice, so it waits until nothing of it can arrive any more; one
    that must get out goes on, for the broker sells no more than is held.
    """
    retry = lifecycle.retry_exit_at(_orders_of(exit_, ledger))
    if not _may_wait(exit_.decision, qty=exit_.qty, held=exit_.position.qty):
        return retry
    return lifecycle.quiet_at(all_exits(ledger, exit_.position), quarantine_s=quarantine_s) or retry


def limit_of(exit_: Exit, ledger: Ledger, rules: ExitOrderRules) -> Usd4 | None:
    """Price an exit by the orders its decision has had at the broker; None: nobody bids."""
    sendable = exit_.quote is not None and exit_.trust not in _NO_BID
    return lifecycle.exit_limit(
        exit_.position.contract,
        bid=exit_.quote.bid if exit_.quote is not None and sendable else None,
        reason=exit_.decision.reason,
        latched=exit_.decision.latched,
        step=sum(order.accepted_at is not None for order in _orders_of(exit_, ledger)),
        expiry_day=exit_.position.contract.days_to_expiry(exit_.session.date) == 0,
        rules=rules,
    )


def exit_intent(exit_: Exit, ledger: Ledger, database_id: str, *, qty: Contracts, limit: Usd4) -> OrderIntent:
    """Give the order that sells `qty` for the decision, one generation after its last."""
    purpose, key = cause_of(exit_.position, exit_.decision, ledger)
    reason = exit_.decision.reason
    return sale_intent(
        exit_.position, ledger, database_id, purpose=purpose, key=key, qty=qty, limit=limit, reason=reason
    )


def is_unsettled(position: Position, decision: ExitDecision, ledger: Ledger, *, qty: Contracts) -> bool:
    """Tell whether an order that waits for a person keeps the decision waiting.

    One of its own cause does: no other may follow it (O4). A target or a part waits for any of the position,
    for how much of it was sold is not known; what must get out does not.
    """
    waiting = [order for order in all_exits(ledger, position) if order.is_live]
    if _may_wait(decision, qty=qty, held=position.qty):
        return bool(waiting)
    cause = cause_of(position, decision, ledger)
    return any((order.intent.purpose, order.intent.key) == cause for order in waiting)


def _may_wait(decision: ExitDecision, *, qty: Contracts, held: Contracts) -> bool:
    """Tell whether nothing is lost by waiting: a target takes a profit, a part leaves the rest as it is."""
    return decision.reason in lifecycle.TARGETS or (not decision.latched and qty < held)


def cause_of(position: Position, decision: ExitDecision, ledger: Ledger) -> tuple[Purpose, str]:
    """Give what the orders of a decision are sent for: their purpose, and the key they share."""
    reason = decision.reason
    if reason in _LADDER:
        return Purpose.TIER, tier_key(position.id, _LADDER[reason])
    if reason is ExitReason.KILL:
        return Purpose.KILL, kill_key(ledger.kill_id, position.id) if ledger.kill_id else str(position.id)
    return Purpose.EXIT, str(position.id)


def sale_intent(
    position: Position,
    ledger: Ledger,
    database_id: str,
    *,
    purpose: Purpose,
    key: str,
    qty: Contracts,
    limit: Usd4,
    reason: ExitReason,
) -> OrderIntent:
    """Give an order that sells `qty` contracts of a position at `limit`, the next of its cause."""
    generation = ledger.next_generation(purpose, key)
    return OrderIntent(
        client_order_id=lifecycle.order_id(
            ledger, database_id, purpose=purpose, key=key, generation=generation
        ),
        account=ledger.account,
        purpose=purpose,
        key=key,
        generation=generation,
        legs=(Leg(occ=position.contract.occ, side=Side.SELL_TO_CLOSE),),
        qty=qty,
        limit=limit,
        multiplier=position.contract.multiplier,
        position_id=position.id,
        reason=reason.value,
    )


def exits_since(ledger: Ledger, position_id: PositionId, at: datetime) -> Sequence[Order]:
    """Give the exit orders a position has had since an instant, oldest first."""
    return [
        order
        for order in ledger.orders_of(position_id)
        if lifecycle.is_exit(order) and order.created_at >= at
    ]


def _orders_of(exit_: Exit, ledger: Ledger) -> Sequence[Order]:
    return exits_since(ledger, exit_.position.id, exit_.decision.at)
