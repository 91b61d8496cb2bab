"""Which edges of the order machine a run went along, counted from its event log. Pure."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from ops_pipeline.domain import events as e
from ops_pipeline.domain import order_fold
from ops_pipeline.domain.breaks import FillBusted
from ops_pipeline.domain.orders import Order, OrderState
from ops_pipeline.domain.units import ClientOrderId
from ops_pipeline.stages.execution.lifecycle import RESTART, TAKE_OVER

_S = OrderState
BEGIN = "-"


class Step(NamedTuple):
    """One order's change of state by one event."""

    event: e.Event
    order: ClientOrderId
    before: str
    after: str


# The table of RELIABILITY 3.1: from, to; SENDING -> UNKNOWN stands twice, for an answer and for a start.
TABLE: tuple[tuple[str, str], ...] = (
    (BEGIN, _S.INTENT),
    (_S.INTENT, _S.SENDING),
    (_S.RESEND_WAIT, _S.SENDING),
    (_S.SENDING, _S.WORKING),
    (_S.SENDING, _S.DRAINING),
    (_S.SENDING, _S.REJECTED),
    (_S.SENDING, _S.RESEND_WAIT),
    (_S.SENDING, _S.UNKNOWN),
    ("SENDING at start-up", _S.UNKNOWN),
    (_S.UNKNOWN, _S.WORKING),
    (_S.UNKNOWN, _S.DRAINING),
    (_S.UNKNOWN, _S.FILLED),
    (_S.UNKNOWN, _S.RESEND_WAIT),
    (_S.UNKNOWN, _S.ABANDONING),
    (_S.RESEND_WAIT, _S.ABANDONING),
    (_S.ABANDONING, _S.CANCELING),
    (_S.ABANDONING, _S.DRAINING),
    (_S.ABANDONING, _S.NOT_PLACED),
    (_S.NOT_PLACED, _S.ORPHAN),
    (_S.REJECTED, _S.ORPHAN),
    (_S.ORPHAN, _S.WORKING),
    (_S.ORPHAN, _S.CANCELING),
    (_S.ORPHAN, _S.DRAINING),
    (_S.WORKING, _S.CANCELING),
    (_S.WORKING, _S.FILLED),
    (_S.WORKING, _S.DRAINING),
    (_S.WORKING, _S.EXPIRED),
    (_S.CANCELING, _S.CANCELED),
    (_S.CANCELING, _S.FILLED),
    (_S.CANCELING, _S.DRAINING),
    (_S.DRAINING, _S.FILLED),
    (_S.DRAINING, _S.CANCELED),
    (_S.DRAINING, _S.QUARANTINED),
    ("any", _S.QUARANTINED),
)
# What the fold allows besides: the same words of the broker reached from another state.
_ALSO: frozenset[tuple[str, str]] = frozenset(
    {
        (_S.INTENT, _S.NOT_PLACED),
        (_S.RESEND_WAIT, _S.NOT_PLACED),
        (_S.RESEND_WAIT, _S.WORKING),
        (_S.RESEND_WAIT, _S.DRAINING),
        (_S.RESEND_WAIT, _S.FILLED),
        (_S.RESEND_WAIT, _S.CANCELED),
        (_S.RESEND_WAIT, _S.EXPIRED),
        (_S.SENDING, _S.FILLED),
        (_S.SENDING, _S.CANCELED),
        (_S.UNKNOWN, _S.CANCELED),
        (_S.UNKNOWN, _S.EXPIRED),
        (_S.UNKNOWN, _S.REJECTED),
        (_S.ABANDONING, _S.FILLED),
        (_S.ABANDONING, _S.CANCELED),
        (_S.ABANDONING, _S.EXPIRED),
        (_S.ABANDONING, _S.REJECTED),
        (_S.NOT_PLACED, _S.DRAINING),
        (_S.NOT_PLACED, _S.FILLED),
        (_S.NOT_PLACED, _S.CANCELED),
        (_S.NOT_PLACED, _S.EXPIRED),
        (_S.REJECTED, _S.DRAINING),
        (_S.REJECTED, _S.FILLED),
        (_S.REJECTED, _S.CANCELED),
        (_S.REJECTED, _S.EXPIRED),
        (_S.ORPHAN, _S.FILLED),
        (_S.ORPHAN, _S.CANCELED),
        (_S.ORPHAN, _S.EXPIRED),
        (_S.WORKING, _S.CANCELED),
        (_S.WORKING, _S.REJECTED),
        (_S.CANCELING, _S.EXPIRED),
        (_S.CANCELING, _S.REJECTED),
        (_S.DRAINING, _S.EXPIRED),
        (_S.DRAINING, _S.REJECTED),
        # A person ends a contradiction as what the broker says of the order.
        (_S.QUARANTINED, _S.FILLED),
        (_S.QUARANTINED, _S.CANCELED),
        (_S.QUARANTINED, _S.EXPIRED),
        (_S.QUARANTINED, _S.REJECTED),
        (_S.QUARANTINED, _S.NOT_PLACED),
    }
)
ALLOWED = frozenset(TABLE) | _ALSO


def steps_of(events: Iterable[e.Event]) -> list[Step]:
    """Give every change of an order's state, in the order of the events."""
    orders: dict[ClientOrderId, Order] = {}
    steps: list[Step] = []
    for event in events:
        changed = _changed(orders, event)
        if changed is None:
            continue
        known = orders.get(changed.id)
        before = known.state.value if known is not None else BEGIN
        orders[changed.id] = changed
        if before != changed.state.value:
            steps.append(Step(event, changed.id, before, changed.state.value))
    return steps


def _changed(orders: dict[ClientOrderId, Order], event: e.Event) -> Order | None:
    match event.body:
        case e.OrderIntended() as body:
            return order_fold.start_order(body, event.at)
        case e.OrderSending() as body:
            return order_fold.send(orders[body.client_order_id], body, event.at)
        case e.OrderAnswered() as body:
            return order_fold.answer(orders[body.client_order_id], body, event.at)
        case e.OrderObserved() as body:
            return order_fold.observe(orders[body.client_order_id], body, event.at)
        case e.OrderNotFound() as body:
            return order_fold.not_found(orders[body.client_order_id], body, event.at)
        case e.OrderSettled() as body:
            return order_fold.settle(orders[body.client_order_id], body, event.at)
        case FillBusted(fill=fill):
            return order_fold.bust(orders[fill.client_order_id], fill, event.at)
        case e.FillBooked(fill=fill):
            return order_fold.book(orders[fill.client_order_id], fill, event.at)
        case _:
            return None


def edge_of(step: Step) -> tuple[str, str]:
    """Name the edge of a step as the table has it."""
    if isinstance(step.event.body, e.OrderSettled) and step.event.body.reason in (RESTART, TAKE_OVER):
        return ("SENDING at start-up", step.after)
    if step.after == _S.QUARANTINED and step.before != _S.DRAINING:
        return ("any", step.after)
    return (step.before, step.after)


def count(steps: Iterable[Step]) -> Counter[str]:
    """Count the edges of the table, and those beside it, by name."""
    return Counter(name(*edge_of(step)) for step in steps)


def name(before: str, after: str) -> str:
    """Write an edge."""
    return f"{before} -> {after}"


NAMES = tuple(name(*edge) for edge in TABLE)
