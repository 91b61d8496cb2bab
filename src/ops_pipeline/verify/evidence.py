"""Invariants of RELIABILITY 3.3 that hold the ledger against what its broker was heard to say. Pure."""

from collections import Counter, defaultdict
from datetime import datetime, timedelta

from ops_pipeline.domain import events as e
from ops_pipeline.domain.breaks import BreakFound, BreakSettled
from ops_pipeline.domain.orders import OrderState, Purpose
from ops_pipeline.verify import edges
from ops_pipeline.verify.judges import Case, Complaints, Judge

# RELIABILITY 3.1 and 3.6, as the profile `default` has them.
_QUARANTINE = timedelta(seconds=120)
_SNAPSHOTS_APART = timedelta(seconds=15)
# What our own door put off: the request budget, or a level that rose before the socket.
_OWN = ("request budget", "control ")
_DONE = (OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED)
_WALKS = (Purpose.ENTRY, Purpose.ROLL_OPEN)


def _o11_answers_as_heard(case: Case) -> Complaints:
    """Judge that what is recorded of a POST is what came back, in order; only a death loses an answer."""
    recorded: dict[str, list[str]] = defaultdict(list)
    for event in case.events:
        if isinstance(event.body, e.OrderAnswered) and not event.body.detail.startswith(_OWN):
            recorded[event.body.client_order_id].append(event.body.outcome)
    found = []
    for order, outcomes in recorded.items():
        heard = case.heard.answers.get(order, [])
        rest = iter(heard)
        if not all(outcome in rest for outcome in outcomes):
            found.append(f"{order} recorded as {outcomes}, answered {heard}")
    return found


def _o11_absence_as_heard(case: Case) -> Complaints:
    """Judge that an order is counted as not found only where a look-up found nothing.

    A process that stood still stamps what it then hears with the instant at which it began.
    """
    last = dict(sorted(case.heard.absent, key=lambda pair: pair[1]))
    return [
        f"{event.body.client_order_id} counted as not found at {event.at}, nobody said so"
        for event in case.events
        if isinstance(event.body, e.OrderNotFound)
        and not (event.body.client_order_id in last and last[event.body.client_order_id] >= event.at)
    ]


def _o11_given_up_after_quarantine(case: Case) -> Complaints:
    """Judge that an order that was sent is called NOT_PLACED no earlier than the quarantine allows."""
    last_sent: dict[str, datetime] = {}
    left = {id(step.event): step for step in edges.steps_of(case.events)}
    found = []
    for event in case.events:
        if isinstance(event.body, e.OrderSending):
            last_sent[event.body.client_order_id] = event.at
        step = left.get(id(event))
        if step is None or step.after != OrderState.NOT_PLACED or step.order not in last_sent:
            continue
        waited = event.at - last_sent[step.order]
        if waited <= _QUARANTINE:
            found.append(f"{step.order} given up {waited.total_seconds():g} s after it was sent")
    return found


def _o4_ended_means_booked(case: Case) -> Complaints:
    """Judge that an order ends with every contract booked that its broker had said was filled."""
    said: Counter[str] = Counter()
    booked: dict[str, Counter[str]] = defaultdict(Counter)
    left = {id(step.event): step for step in edges.steps_of(case.events)}
    found = []
    for event in case.events:
        match event.body:
            case (
                e.OrderAnswered(client_order_id=order, cum=cum)
                | e.OrderObserved(client_order_id=order, cum=cum)
            ):
                said[order] = max(said[order], cum)
            case e.FillBooked(fill=fill):
                booked[fill.client_order_id][fill.occ] += abs(fill.qty)
            case _:
                pass
        step = left.get(id(event))
        if step is None or step.after not in _DONE:
            continue
        legs = case.ledger.orders[step.order].intent.legs
        least = min(booked[step.order][leg.occ] for leg in legs)
        if least < said[step.order]:
            found.append(f"{step.order} {step.after} with {least} booked of {said[step.order]}")
    return found


def _o1_no_more_than_wanted(case: Case) -> Complaints:
    """Judge that all the orders of one purchase together bring no more than one walk of it asked for.

    A signal whose first walk ended unfilled may be approved anew, for another size, as another position.
    """
    walks: dict[tuple[Purpose, str], dict[str, int]] = defaultdict(dict)
    got: Counter[tuple[Purpose, str]] = Counter()
    for order in case.ledger.orders.values():
        intent = order.intent
        if intent.purpose in _WALKS:
            walks[intent.purpose, intent.key].setdefault(intent.position_id, intent.qty)
            got[intent.purpose, intent.key] += order.booked
    wanted = {cause: max(sizes.values()) for cause, sizes in walks.items()}
    return [f"{cause[1]}: {got[cause]} bought of {qty}" for cause, qty in wanted.items() if got[cause] > qty]


def _p10_original_once_entered(case: Case) -> Complaints:
    """Judge that a position's original quantity is fixed once no entry of it is alive (RULEBOOK 3)."""
    states: dict[str, str] = {}
    left = {id(step.event): step for step in edges.steps_of(case.events)}
    found = []
    for event in case.events:
        step = left.get(id(event))
        if step is not None:
            states[step.order] = step.after
        if isinstance(event.body, e.EntryCompleted):
            alive = [
                order.id
                for order in case.ledger.orders_of(event.body.position_id)
                if order.intent.purpose in _WALKS
                and order.id in states
                and not OrderState(states[order.id]).is_terminal
            ]
            found += [f"{event.body.position_id} counted while {order} is alive" for order in alive]
    return found


def _o8_alive_on_both_sides(case: Case) -> Complaints:
    """Judge that what still rests at the broker under one of our ids is alive in the ledger."""
    return [
        f"{shown.client_order_id} rests at the broker, the ledger has it {order.state}"
        for shown in case.book.live()
        if (order := case.ledger.orders.get(shown.client_order_id)) is not None and not order.is_live
    ]


def _c1_breaks_as_shown(case: Case) -> Complaints:
    """Judge that a difference names a quantity that a list read at that instant showed."""
    found = []
    for event in case.events:
        body = event.body
        if not isinstance(body, BreakFound):
            continue
        shown = {rows.get(body.symbol, 0) for rows in case.heard.positions.get(body.seen_at, [])}
        if body.broker_qty not in shown:
            found.append(f"{body.symbol}: broker {body.broker_qty} at {event.at}, lists showed {shown}")
    return found


def _e5_two_snapshots_apart(case: Case) -> Complaints:
    """Judge that a difference counts only once two snapshots, 15 s apart, show the same one."""
    since: dict[str, tuple[int, int, datetime]] = {}
    found = []
    for event in case.events:
        match event.body:
            case BreakSettled(symbol=symbol):
                since.pop(symbol, None)
            case BreakFound(symbol=symbol, ledger_qty=ours, broker_qty=theirs, confirmed=confirmed):
                before = since.get(symbol)
                same = before is not None and before[:2] == (ours, theirs)
                if confirmed and (not same or before is None or event.at - before[2] < _SNAPSHOTS_APART):
                    found.append(f"{symbol} confirmed at {event.at}, seen before: {before}")
                if not same:
                    since[symbol] = (ours, theirs, event.at)
            case _:
                pass
    return found


def _e10_removed_by_a_fact(case: Case) -> Complaints:
    """Judge that nothing leaves a position, and no cash moves, but by an activity of the broker."""
    facts = {activity.activity_id: activity for activity in case.book.activities}
    found = []
    for event in case.events:
        match event.body:
            case e.ContractsRemoved(activity_id=fact, qty=qty):
                known = facts.get(fact)
                if known is None or qty > -known.qty:
                    found.append(f"{qty} removed by {fact}, which says {known and known.qty}")
            case e.CashMoved(activity_id=fact) if fact.removesuffix("#rest") not in facts:
                found.append(f"cash moved by {fact}, which nobody booked")
            case _:
                pass
    return found


ON_EVIDENCE: tuple[tuple[str, Judge], ...] = (
    ("O1", _o1_no_more_than_wanted),
    ("O4", _o4_ended_means_booked),
    ("P10", _p10_original_once_entered),
    ("O8", _o8_alive_on_both_sides),
    ("O11", _o11_answers_as_heard),
    ("O11", _o11_absence_as_heard),
    ("O11", _o11_given_up_after_quarantine),
    ("C1", _c1_breaks_as_shown),
    ("E5", _e5_two_snapshots_apart),
    ("E10", _e10_removed_by_a_fact),
)
