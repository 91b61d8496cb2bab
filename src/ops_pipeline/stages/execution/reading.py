"""What the broker tells of an account: its activities, our orders, its positions. Shell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops_pipeline.domain.accounts import BrokerPosition
from ops_pipeline.domain.breaks import ActivitiesRead
from ops_pipeline.domain.events import EventBody
from ops_pipeline.domain.ledger import Ledger
from ops_pipeline.domain.units import format_usd
from ops_pipeline.ports import BrokerUnavailable
from ops_pipeline.stages.execution import alarms, reconcile
from ops_pipeline.stages.execution.booking import bookings
from ops_pipeline.stages.execution.gateway import Desk

# Lifecycle activities may be booked days late (paper books them the next day); ids make overlap harmless.
ACTIVITY_OVERLAP = timedelta(days=5)
# The broker stamps an order with its own clock.
_CLOCK_SLACK = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Observed:
    """What a look at the broker brought: activities read and our orders seen."""

    read: int
    shown: frozenset[str]


def observe(desk: Desk, *, now: datetime, since: datetime | None = None) -> Observed:
    """Book what happened and take over what the broker shows of our orders, in one commit.

    Activities are read from some days before those already booked: they may be told late. The last
    minutes' orders are asked for whatever is watched, for another instance may have placed some. `since`,
    at a start, reaches back beyond that, and a day for orders. Raises BrokerUnavailable where a read fails;
    then nothing is stored.
    """
    ledger = desk.store.ledger(desk.account)
    watched = reconcile.watched(ledger, now=now)
    first = min([_booked_until(ledger, now), *(order.created_at for order in watched)])
    activities = desk.broker.activities(since=min(first, since or first))
    oldest = min((order.created_at for order in watched), default=now)
    if since is not None:
        oldest = min(oldest, now - alarms.FOREIGN_WITHIN)
    shown = desk.broker.orders(since=oldest - _CLOCK_SLACK)
    desk.requests.read_at = now
    # Fills first: they outrank what an order says of itself.
    booked = bookings(ledger, activities, closes=desk.close_on)
    foreign = alarms.foreign_instance(ledger, shown, database_id=desk.store.database_id, now=now)
    bodies = [*booked, *reconcile.observations(ledger, shown), *foreign, *_read_through(ledger, now)]
    desk.store.commit(desk.account, bodies, at=now)
    return Observed(read=len(activities), shown=frozenset(order.client_order_id for order in shown))


def holdings(desk: Desk) -> Sequence[BrokerPosition]:
    """Read the broker's positions; an empty list is believed only of an account that is worth its cash.

    Raises BrokerUnavailable where the two contradict each other (RELIABILITY E12).
    """
    rows = desk.broker.positions()
    if not rows and desk.store.ledger(desk.account).held():
        refuse_doubtful(rows, desk)
    return rows


def refuse_doubtful(rows: Sequence[BrokerPosition], desk: Desk) -> None:
    """Raise BrokerUnavailable for an answer of another account, or an empty one its own equity belies."""
    account, expected = desk.broker.account(), desk.store.ledger(desk.account).number
    if account.number != expected:
        raise BrokerUnavailable(f"positions: expected account {expected}, was {account.number}")
    if not rows and account.equity != account.cash:
        worth = format_usd(account.equity - account.cash)
        raise BrokerUnavailable(f"positions: expected contracts worth {worth}, was an empty list")


def _booked_until(ledger: Ledger, now: datetime) -> datetime:
    return (ledger.read_through or now) - ACTIVITY_OVERLAP


def _read_through(ledger: Ledger, now: datetime) -> list[EventBody]:
    """Move the mark up to which activities are booked, once a day, in the commit that books them."""
    known = ledger.read_through
    return [ActivitiesRead(through=now)] if known is None or known.date() < now.date() else []
