"""Orders through a line on which three calls in ten go wrong: none is doubled, none is lost."""

from collections import Counter

import pytest

from ops_pipeline.domain.orders import Accepted, Deferred, Leg, Rejected, Side, Unknown
from ops_pipeline.domain.units import ClientOrderId
from ops_pipeline.ports import BrokerUnavailable
from ops_pipeline.simserver.faults import FaultKind, FaultRule
from ops_pipeline.simserver.files import FaultPlan
from tests.builders_alpaca import approved
from tests.builders_brokers import BEGINNING, rig_of

KINDS = (
    FaultKind.LOST,
    FaultKind.LOST_ANSWER,
    FaultKind.ACCEPT_THEN_504,
    FaultKind.ERROR,
    FaultKind.RATE_LIMITED,
    FaultKind.GARBAGE,
)
ORDERS = 40


def plan_of(seed, *, rate=0.05):
    return FaultPlan(seed=seed, rules=tuple(FaultRule(kind=kind, rate=rate) for kind in KINDS))


def until_answered(read):
    """Ask until there is a trustworthy answer."""
    for _ in range(200):
        try:
            return read()
        except BrokerUnavailable:
            continue
    raise AssertionError("expected an answer within 200 attempts, was none")


def placed(broker, order, met):
    """Send an order as the order machine does: what is unknown is asked for, only a clear no sent anew."""
    for _ in range(200):
        outcome = broker.submit(order)
        met[type(outcome).__name__] += 1
        if isinstance(outcome, Accepted | Rejected):
            return outcome
        if isinstance(outcome, Unknown):
            found = until_answered(lambda: broker.order(order.intent.client_order_id))
            if found is not None:
                return Accepted(found)
        else:
            assert isinstance(outcome, Deferred)
    raise AssertionError("expected an order to be settled within 200 attempts, was not")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_order_is_at_the_venue_exactly_once_whatever_happens_to_the_calls(seed):
    met: Counter[str] = Counter()
    with rig_of("over HTTP", plan=plan_of(seed)) as rig:
        quote = rig.calls()[0]
        legs = (Leg(occ=quote.occ, side=Side.BUY_TO_OPEN),)
        names = [ClientOrderId(f"op1aaaa-e-{number:03d}-1") for number in range(ORDERS)]
        for name in names:
            outcome = placed(rig.broker, approved(name, legs=legs, qty=1, limit=100), met)
            assert isinstance(outcome, Accepted), outcome
        shown = until_answered(lambda: rig.broker.orders(since=BEGINNING))
        for order in shown[::2]:
            until_answered(lambda order=order: rig.broker.cancel(order.broker_order_id))
        after = until_answered(lambda: rig.broker.orders(since=BEGINNING))
        (desk,) = rig.running.venue.desks
        truth = [ticket.client_order_id for ticket in desk.tickets.values()]
        ended = [order.status.is_terminal for order in desk.shown.values()]
    assert truth == names
    assert [order.client_order_id for order in shown] == names
    assert [order.status.is_terminal for order in after] == ended == [True, False] * (ORDERS // 2)
    # Every kind of outcome was met, or the line was not bad enough to show anything.
    assert met["Unknown"] >= 3
    assert met["Deferred"] >= 1


@pytest.mark.parametrize(
    ("kind", "outcome", "arrives"),
    [
        (FaultKind.LOST, Unknown, False),
        (FaultKind.LOST_ANSWER, Unknown, True),
        (FaultKind.ACCEPT_THEN_504, Unknown, True),
        (FaultKind.ERROR, Unknown, False),
        (FaultKind.RATE_LIMITED, Deferred, False),
        (FaultKind.GARBAGE, Unknown, True),
    ],
)
def test_each_fault_of_a_send_is_taken_for_what_it_is(kind, outcome, arrives):
    plan = FaultPlan(rules=(FaultRule(kind=kind, rate=1.0, method="POST"),))
    with rig_of("over HTTP", plan=plan) as rig:
        quote = rig.calls()[0]
        order = approved("op1aaaa-e-one-1", legs=(Leg(occ=quote.occ, side=Side.BUY_TO_OPEN),), limit=100)
        assert type(rig.broker.submit(order)) is outcome
        assert (rig.broker.order(order.intent.client_order_id) is not None) == arrives
        assert len(rig.running.venue.desks[0].tickets) == arrives
