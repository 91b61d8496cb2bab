"""Whether a stream of order updates can be relied on: what it told against what the broker shows. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.orders import Order, OrderState, OrderUpdate
from ops_pipeline.domain.rules import ExecutionRules
from ops_pipeline.domain.units import ClientOrderId

AWAY = "not connected"
# An update may come twice, or late: an order that has ended is remembered for so long.
_REMEMBERED = timedelta(minutes=1)


class Progress(NamedTuple):
    """How far an order is known to have come: contracts filled, and whether it has ended."""

    cum: int
    ended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """What one connection has told. `since`: when it was made; None: there is none.

    `told`: how far it said each order has come. `owed`: orders that were read to have come further than it
    told, and since when.
    """

    since: datetime | None = None
    told: Mapping[ClientOrderId, Progress] = field(default_factory=dict)
    owed: Mapping[ClientOrderId, datetime] = field(default_factory=dict)


def connected(ledger: Ledger, now: datetime, *, at: datetime) -> Hearing:
    """Begin with a connection made `at`: what the ledger knows by `now` was read, it owes nothing of it."""
    hearing = Hearing(since=at)
    known = _concerned(hearing, ledger, now)
    return replace(hearing, told={order.id: shown for order in known if (shown := _shown(order)) is not None})


def heard(hearing: Hearing, updates: Iterable[OrderUpdate]) -> Hearing:
    """Note what was told; updates may come twice or in any order."""
    told = dict(hearing.told)
    for update in updates:
        known = told.get(update.client_order_id, Progress(0, ended=False))
        ended = known.ended or update.status.is_terminal
        told[update.client_order_id] = Progress(max(known.cum, update.cum), ended)
    return replace(hearing, told=told)


def compared(hearing: Hearing, ledger: Ledger, now: datetime, *, at: datetime) -> Hearing:
    """Hold what was told by `at` against what was read by `now`: the stream's and the ledger's own time.

    An order that ended a while ago is let go.
    """
    told, owed = {}, {}
    for order in _concerned(hearing, ledger, now):
        shown, known = _shown(order), hearing.told.get(order.id)
        if shown is not None and (known is None or shown.cum > known.cum or shown.ended > known.ended):
            owed[order.id] = hearing.owed.get(order.id, at)
        if known is not None:
            told[order.id] = known
    return replace(hearing, told=told, owed=owed)


def _concerned(hearing: Hearing, ledger: Ledger, now: datetime) -> Iterable[Order]:
    """Give the orders a stream is still to tell of, and those it may tell of once more.

    An order may be made and end between two reads: the newest are always among them.
    """
    found = {order.id: order for order in ledger.live_orders}
    for order in reversed(ledger.orders.values()):  # type: ignore[call-overload] # the fold keeps dicts
        if now - order.created_at >= _REMEMBERED:
            break
        found[order.id] = order
    for id_ in (*hearing.told, *hearing.owed):
        order = ledger.orders.get(id_)
        if order is not None and (id_ in hearing.owed or now - order.updated_at < _REMEMBERED):
            found[order.id] = order
    return found.values()


def trouble(hearing: Hearing, heard_at: datetime | None, at: datetime, rules: ExecutionRules) -> str:
    """Tell why the stream cannot be relied on `at` an instant of its time; "": it can."""
    if heard_at is None or hearing.since is None:
        return AWAY
    silent_s = (at - heard_at).total_seconds()
    if silent_s > rules.stream_heard_within_s:
        return f"silent for {silent_s:.0f} s"
    for id_, since in hearing.owed.items():
        late_s = (at - since).total_seconds()
        if late_s > rules.stream_told_within_s:
            return f"did not tell of {id_} for {late_s:.0f} s"
    return ""


def _shown(order: Order) -> Progress | None:
    """Give how far the broker showed an order to have come; its fills may be told before it is."""
    if order.broker_order_id is None and not order.cum:
        return None
    return Progress(order.cum, order.has_ended or order.state is OrderState.FILLED)
