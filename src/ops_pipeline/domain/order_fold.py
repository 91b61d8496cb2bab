"""How an order's events change it: the table of RELIABILITY 3.1. Pure."""

from datetime import datetime

from ops_pipeline.domain import events as e
from ops_pipeline.domain.changing import changed
from ops_pipeline.domain.errors import LedgerError
from ops_pipeline.domain.orders import BrokerStatus, Fill, Order, OrderState

_MAY_SEND = frozenset({OrderState.INTENT, OrderState.RESEND_WAIT})
_MAY_ANSWER = frozenset({OrderState.SENDING, OrderState.UNKNOWN})
_SETTLES: dict[OrderState, frozenset[OrderState]] = {
    OrderState.UNKNOWN: frozenset({OrderState.SENDING}),
    OrderState.RESEND_WAIT: frozenset({OrderState.UNKNOWN}),
    OrderState.ABANDONING: frozenset({OrderState.UNKNOWN, OrderState.RESEND_WAIT}),
    OrderState.NOT_PLACED: frozenset(
        {OrderState.ABANDONING, OrderState.INTENT, OrderState.RESEND_WAIT, OrderState.QUARANTINED}
    ),
    # A person ends a contradiction as what the broker says of the order.
    OrderState.FILLED: frozenset({OrderState.QUARANTINED}),
    OrderState.CANCELED: frozenset({OrderState.QUARANTINED}),
    OrderState.EXPIRED: frozenset({OrderState.QUARANTINED}),
    OrderState.REJECTED: frozenset({OrderState.QUARANTINED}),
    OrderState.CANCELING: frozenset({OrderState.WORKING, OrderState.ORPHAN}),
    OrderState.QUARANTINED: frozenset(OrderState),
}
# Why an order that had ended is a contradiction: nothing told its fills in time. The fills resolve it.
FILLS_MISSING = "fills missing"
# Why the order stands where it does is our own reason, whatever the broker adds.
_KEEPS_WHY = frozenset({OrderState.CANCELING, OrderState.QUARANTINED})
# Thought never to have been placed: the broker's word or a fill makes them orphans.
_LOST = frozenset({OrderState.NOT_PLACED, OrderState.REJECTED})
_TERMINAL = {
    BrokerStatus.FILLED: OrderState.FILLED,
    BrokerStatus.CANCELED: OrderState.CANCELED,
    BrokerStatus.EXPIRED: OrderState.EXPIRED,
    BrokerStatus.REJECTED: OrderState.REJECTED,
}


def start_order(body: e.OrderIntended, at: datetime) -> Order:
    """Give the order that an intent begins."""
    return Order(
        intent=body.intent,
        state=OrderState.INTENT,
        created_at=at,
        updated_at=at,
        leg_booked=(0,) * len(body.intent.legs),
    )


def send(order: Order, body: e.OrderSending, at: datetime) -> Order:
    """Record the commit before a POST; only an intent or a waiting resend may be sent."""
    if order.state not in _MAY_SEND:
        raise LedgerError(f"order {order.id}: expected INTENT or RESEND_WAIT to send, was {order.state}")
    if order.body_hash and order.body_hash != body.body_hash:
        raise LedgerError(f"order {order.id}: a resend never changes its body")
    return changed(
        order,
        state=OrderState.SENDING,
        attempt=body.attempt,
        epoch=body.epoch,
        body_hash=body.body_hash,
        last_sent_at=at,
        updated_at=at,
        not_found=0,
    )


def answer(order: Order, body: e.OrderAnswered, at: datetime) -> Order:
    """Apply the outcome of a POST."""
    if order.state not in _MAY_ANSWER:
        raise LedgerError(f"order {order.id}: an answer needs SENDING or UNKNOWN, was {order.state}")
    order = changed(order, updated_at=at, detail=body.detail)
    match body.outcome:
        case "accepted":
            known = changed(order, broker_order_id=body.broker_order_id, accepted_at=at)
            return _by_broker(known, body.status or BrokerStatus.ACCEPTED, body.cum)
        case "rejected":
            return changed(order, state=OrderState.REJECTED)
        case "deferred":
            return changed(order, state=OrderState.RESEND_WAIT, not_before=body.not_before)
        case "unknown":
            return changed(order, state=OrderState.UNKNOWN)
        case other:
            raise LedgerError(f"order {order.id}: expected a known outcome, was {other!r}")


def observe(order: Order, body: e.OrderObserved, at: datetime) -> Order:
    """Apply the broker's own word; what was thought never placed becomes an ORPHAN.

    The word outranks every state below it, also one in which nothing was sent as far as we know. A
    terminal order stays what it is.
    """
    order = changed(
        order,
        broker_order_id=body.broker_order_id,
        accepted_at=order.accepted_at or at,
        updated_at=at,
        not_found=0,
        detail=order.detail if order.state in _KEEPS_WHY else body.detail or order.detail,
    )
    if order.state is OrderState.QUARANTINED:
        return changed(order, broker_status=body.status, cum=max(order.cum, body.cum))
    if _falls(order, body):
        return changed(order, state=OrderState.QUARANTINED, detail=f"cum fell {order.cum} -> {body.cum}")
    if order.state in _LOST and body.status is not BrokerStatus.REJECTED:
        return changed(
            order, state=OrderState.ORPHAN, broker_status=body.status, cum=max(order.cum, body.cum)
        )
    if order.state.is_terminal:
        return order
    return _by_broker(order, body.status, body.cum)


def _falls(order: Order, body: e.OrderObserved) -> bool:
    """Tell whether the broker takes back what it said itself; behind our own fills it may only be late."""
    said_more = order.cum > max(order.leg_booked) or body.status.is_terminal
    return body.cum < order.cum and said_more


def not_found(order: Order, body: e.OrderNotFound, at: datetime) -> Order:
    """Count an authoritative 404."""
    return changed(order, not_found=body.count, updated_at=at)


def settle(order: Order, body: e.OrderSettled, at: datetime) -> Order:
    """Move to a state that our own rule reaches, along the table only."""
    target = OrderState(body.state)
    if order.state not in _SETTLES.get(target, frozenset()):
        raise LedgerError(f"order {order.id}: no edge {order.state} -> {target}")
    # An overfilled order that a person ends counts as filled to its quantity; its fills stay booked.
    cum = min(order.cum, order.intent.qty) if target.is_terminal else order.cum
    return changed(order, state=target, cum=cum, updated_at=at, detail=body.reason)


def book(order: Order, fill: Fill, at: datetime) -> Order:
    """Add a fill to its leg; more than was ordered is a contradiction for a person to judge.

    A fill is a fact whatever the order's state: one that comes late leaves a cancelled or expired order
    what it is, with more booked.
    """
    legs = list(order.leg_booked)
    for index, leg in enumerate(order.intent.legs):
        if leg.occ == fill.occ:
            legs[index] += abs(fill.qty)
    booked = min(legs)
    order = changed(order, leg_booked=tuple(legs), booked=booked, cum=max(order.cum, *legs), updated_at=at)
    if max(legs) > order.intent.qty:
        return changed(order, state=OrderState.QUARANTINED, detail=f"overfilled {max(legs)}")
    if order.state is OrderState.QUARANTINED:
        if order.detail != FILLS_MISSING or order.broker_status is None or not order.has_ended:
            return order
        return _by_broker(order, order.broker_status, order.cum)
    if order.state in _LOST:
        return changed(order, state=OrderState.ORPHAN)
    if order.state.is_terminal:
        return order
    if booked == order.intent.qty:
        return changed(order, state=OrderState.FILLED)
    if order.state is OrderState.DRAINING and order.broker_status is not None:
        return _by_broker(order, order.broker_status, order.cum)
    return order


def bust(order: Order, fill: Fill, at: datetime) -> Order:
    """Take a booked fill back; the order's state stands, its counts are what they were before it."""
    legs = [
        count - abs(fill.qty) if leg.occ == fill.occ else count
        for leg, count in zip(order.intent.legs, order.leg_booked, strict=True)
    ]
    if min(legs) < 0:
        raise LedgerError(f"order {order.id}: expected {fill.execution_id} booked, was {order.leg_booked}")
    cum = max(*legs, order.cum - abs(fill.qty))
    return changed(order, leg_booked=tuple(legs), booked=min(legs), cum=cum, updated_at=at)


def _by_broker(order: Order, status: BrokerStatus, cum: int) -> Order:
    cum = max(order.cum, cum)
    if order.state is OrderState.DRAINING and not status.is_terminal:
        return changed(order, cum=cum)  # an older word that came late
    order = changed(order, broker_status=status, cum=cum)
    if status.is_terminal:
        drained = order.booked >= cum and len(set(order.leg_booked)) <= 1
        waits = OrderState.QUARANTINED if order.state is OrderState.QUARANTINED else OrderState.DRAINING
        return changed(order, state=_TERMINAL[status] if drained else waits)
    if order.state in (OrderState.CANCELING, OrderState.ABANDONING):
        return changed(order, state=OrderState.CANCELING)
    return changed(order, state=OrderState.WORKING)
